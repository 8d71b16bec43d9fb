//! What a topic of counts says.

use std::collections::BTreeMap;

use crate::torture::found::{Counts, Found};

/// Compares lines `WORD<TAB>NEW<TAB>TOTAL`, those of a word in their order, with what is expected.
pub(super) fn compare(expected: &Counts, output: &str) -> Result<Found, String> {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut sums, mut strange) = (Counts::new(), Vec::new());
    for line in output.lines() {
        let mut parts = line.split('\t');
        let (word, new, total) = (parts.next(), parts.next(), parts.next());
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let (Some(word), Some(new), Some(total)) = (word, number(new), number(total)) else {
            return Err(format!("`{line}` is no record of the output"));
        };
        let before = totals.insert(word, total).unwrap_or(0);
        *sums.entry(word.to_owned()).or_default() += new;
        if total != before + new {
            strange.push(format!("`{word}` has {total} after {before} and {new} more"));
        }
    }
    let mut found = Found::compare("topic", expected, &sums);
    strange.into_iter().for_each(|what| found.strange(what));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::found::count;

    #[test]
    fn what_is_lost_or_doubled_is_found() {
        let mut input = Counts::new();
        count("a b\na\n", &mut input);
        let right = "a\t1\t1\nb\t1\t1\na\t1\t2\n";
        let found = |output: &str| compare(&input, output).unwrap();
        assert_eq!((found(right).words, found(right).verdict()), (3, Ok(())));
        let lost = found("a\t1\t1\na\t1\t2\n");
        assert_eq!((lost.lost, lost.doubled), (1, 0));
        let doubled = found(&format!("{right}a\t1\t2\n"));
        assert_eq!((doubled.lost, doubled.doubled), (0, 1));
        assert!(doubled.verdict().unwrap_err().contains("`a` has 2 after 2 and 1 more"));
        assert!(compare(&input, "a 1 1").is_err());
    }
}
