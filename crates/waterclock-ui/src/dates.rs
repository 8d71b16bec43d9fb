//! How REST writes times: as Spark does, in GMT.

/// A time in milliseconds since the epoch as `2026-01-31T23:59:59.000GMT`.
pub(crate) fn date(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}GMT")
}

/// Year, month and day of a day since the epoch: years are counted from March, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_spark_does() {
        assert_eq!(date(0), "1970-01-01T00:00:00.000GMT");
        assert_eq!(date(951_782_400_001), "2000-02-29T00:00:00.001GMT");
        assert_eq!(date(1_793_404_799_999), "2026-10-30T23:59:59.999GMT");
        assert_eq!(date(-1), "1969-12-31T23:59:59.999GMT");
        assert!(date(i64::MAX).ends_with("GMT"));
    }
}
