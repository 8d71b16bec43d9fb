//! A record as a line of COPY's text format.

use std::fmt::{self, Display, Write};

/// The row that a record becomes: its values, in the order of the sink's columns.
///
/// Values are handed over as text, and the server reads them as the types of its columns, as it reads the values of a
/// COPY. So everything that prints itself in a form that the server knows can be a value: numbers, `bool`, text,
/// identifiers, times. No text has a meaning of its own: whatever is in a string arrives as it is.
///
/// A string with the character NUL is refused, since no text of PostgreSQL can hold it; so is a record with more or
/// fewer values than there are columns. Either fails the record's batch with
/// [`PostgresError::Row`](crate::PostgresError::Row).
///
/// ```
/// use waterclock_postgres::{PostgresError, PostgresSink};
/// struct Upload { id: u64, name: Option<String>, sha: [u8; 20] }
/// # let url = "postgres://writer@localhost/files";
/// // CREATE TABLE uploads (id bigint, name text, sha bytea, checked_at timestamptz)
/// let columns = ["id", "name", "sha", "checked_at"];
/// let sink = PostgresSink::new(url, "uploads", columns, |upload: &Upload, row| {
///     row.value(upload.id).option(upload.name.as_ref()).bytes(&upload.sha).null();
/// })?;
/// # Ok::<(), PostgresError>(())
/// ```
#[derive(Default)]
pub struct Row {
    line: Vec<u8>,
    values: usize,
    refused: Option<String>,
}

impl Row {
    /// The next column's value.
    ///
    /// ```
    /// # use waterclock_postgres::{PostgresError, PostgresSink};
    /// let url = "postgres://writer@localhost/weather";
    /// let sink = PostgresSink::new(url, "readings", ["station", "celsius"], |reading: &(String, f64), row| {
    ///     row.value(&reading.0).value(reading.1);
    /// })?;
    /// # Ok::<(), PostgresError>(())
    /// ```
    pub fn value(&mut self, value: impl Display) -> &mut Self {
        self.next();
        let mut text = Escaped { line: &mut self.line, has_nul: false };
        let written = write!(text, "{value}");
        if text.has_nul {
            self.refuse("has the character NUL, which PostgreSQL can't store");
        } else if written.is_err() {
            self.refuse("can't be printed: its `Display` returns an error");
        }
        self
    }

    /// The next column's value, or NULL.
    pub fn option(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.value(value),
            None => self.null(),
        }
    }

    /// NULL for the next column.
    pub fn null(&mut self) -> &mut Self {
        self.next();
        self.line.extend_from_slice(b"\\N");
        self
    }

    /// Bytes for the next column, which is a `bytea`.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.next();
        self.line.extend_from_slice(b"\\\\x");
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        self.line.extend(digits.map(|digit| DIGITS[usize::from(digit)]));
        self
    }

    fn next(&mut self) {
        if self.values > 0 {
            self.line.push(b'\t');
        }
        self.values += 1;
    }

    fn refuse(&mut self, why: &str) {
        self.refused.get_or_insert(format!("value {} {why}", self.values));
    }

    /// The line without its end, for a table of so many columns; the row is empty then.
    pub(crate) fn take(&mut self, columns: usize, to: &mut Vec<u8>) -> Result<(), String> {
        let values = std::mem::take(&mut self.values);
        let refused = self.refused.take();
        to.append(&mut self.line);
        match refused {
            Some(why) => Err(why),
            None if values == columns => Ok(()),
            None => Err(format!("the closure gave {values} values for {columns} columns")),
        }
    }
}

/// Writes text so that COPY reads it as it is.
struct Escaped<'a> {
    line: &'a mut Vec<u8>,
    has_nul: bool,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let letter = match byte {
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                other => {
                    self.has_nul |= other == 0;
                    self.line.push(other);
                    continue;
                }
            };
            self.line.extend_from_slice(&[b'\\', letter]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(columns: usize, fill: impl Fn(&mut Row)) -> Result<String, String> {
        let (mut row, mut line) = (Row::default(), Vec::new());
        fill(&mut row);
        row.take(columns, &mut line).map(|()| String::from_utf8(line).unwrap())
    }

    #[test]
    fn values_are_escaped_and_null_is_not_a_text() {
        let made = line(5, |row| {
            row.value("a\tb\\N\r\n").null().option(None::<i32>).option(Some(-7)).bytes(&[0, 0xfe]);
        });
        assert_eq!(made.unwrap(), "a\\tb\\\\N\\r\\n\t\\N\t\\N\t-7\t\\\\x00fe");
    }

    #[test]
    fn what_makes_no_row_is_refused_and_the_next_one_is_not() {
        let (mut row, mut line) = (Row::default(), Vec::new());
        row.value("a").value("b\0");
        assert!(row.take(2, &mut line).unwrap_err().contains("value 2 has the character NUL"));
        row.value(1);
        assert!(row.take(2, &mut line).unwrap_err().contains("1 values for 2 columns"));
        row.value(1).value(2);
        line.clear();
        assert_eq!((row.take(2, &mut line), &line[..]), (Ok(()), &b"1\t2"[..]));
    }
}
