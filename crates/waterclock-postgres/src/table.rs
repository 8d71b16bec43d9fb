//! A table's name and columns, and the statements made of them.

use crate::error::PostgresError;

/// Where the marks of batches are.
pub(crate) const FIND_MARKS: &str = "SELECT count(*) > 0, coalesce(bool_or(attname = 'content'), false)
    FROM pg_attribute WHERE attrelid = to_regclass('waterclock_batches') AND NOT attisdropped";

pub(crate) const CREATE_MARKS: &str = "CREATE TABLE IF NOT EXISTS waterclock_batches (
    application text NOT NULL,
    output text NOT NULL,
    batch_time bigint NOT NULL,
    content bigint,
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (application, output, batch_time))";

/// Marks had no content once.
pub(crate) const EXTEND_MARKS: &str =
    "ALTER TABLE waterclock_batches ADD COLUMN IF NOT EXISTS content bigint";

/// Gives no row where the batch is there. Where another transaction is about to write the same mark it waits for that
/// one's end, so that of two processes at the same batch one finds it written.
pub(crate) const MARK: &str = "INSERT INTO waterclock_batches (application, output, batch_time, content)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// The content of a batch that is there.
pub(crate) const MARKED: &str = "SELECT content FROM waterclock_batches
    WHERE application = $1 AND output = $2 AND batch_time = $3";

/// Where rows wait that replace others.
const WAITING: &str = "pg_temp.waterclock_rows";

/// Columns of rows that wait: of two with the same key the later one counts.
const PARTITION: &str = "\"waterclock partition\"";
const RECORD: &str = "\"waterclock record\"";

/// How rows come into the table.
pub(crate) enum Writing {
    /// By one COPY.
    Append { copy: String },
    /// By a COPY into a temporary table, from which they are put in place.
    Upsert { create: String, copy: String, merge: String },
}

/// A table and the columns that a sink writes.
pub(crate) struct Table {
    /// As it was given.
    pub(crate) name: String,
    columns: Vec<String>,
    /// The columns by which a row is known; none where rows are only added.
    keys: Vec<String>,
}

impl Table {
    pub(crate) fn new(name: &str, columns: Vec<String>) -> Result<Self, PostgresError> {
        let table = Table { name: name.to_owned(), columns, keys: Vec::new() };
        if name.split('.').any(str::is_empty) {
            return Err(table.refuse("a name is TABLE or SCHEMA.TABLE".to_owned()));
        }
        if table.columns.is_empty() {
            return Err(table.refuse("there are no columns to write".to_owned()));
        }
        table.once(&table.columns)?;
        Ok(table)
    }

    /// The same with rows known by these columns.
    pub(crate) fn keyed_by(mut self, keys: Vec<String>) -> Result<Self, PostgresError> {
        if keys.is_empty() {
            return Err(self.refuse("an upsert needs the columns by which a row is known".to_owned()));
        }
        if let Some(unknown) = keys.iter().find(|key| !self.columns.contains(key)) {
            return Err(self.refuse(format!("`{unknown}` is not among the columns {:?}", self.columns)));
        }
        self.once(&keys)?;
        self.keys = keys;
        Ok(self)
    }

    fn once(&self, names: &[String]) -> Result<(), PostgresError> {
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, twice)) => Err(self.refuse(format!("`{twice}` is named twice"))),
            None => Ok(()),
        }
    }

    fn refuse(&self, why: String) -> PostgresError {
        PostgresError::Columns { table: self.name.clone(), why }
    }

    /// How many values a record gives.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Whether rows replace others, so that their place in the batch has to be written beside them.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The statements.
    pub(crate) fn writing(&self) -> Writing {
        let table = self.name.split('.').map(quoted).collect::<Vec<_>>().join(".");
        let columns = list(&self.columns, |name| name);
        if self.keys.is_empty() {
            return Writing::Append { copy: format!("COPY {table} ({columns}) FROM STDIN") };
        }
        let keys = list(&self.keys, |name| name);
        let others: Vec<_> = self.columns.iter().filter(|name| !self.keys.contains(name)).cloned().collect();
        let action = if others.is_empty() {
            "NOTHING".to_owned()
        } else {
            format!("UPDATE SET {}", list(&others, |name| format!("{name} = EXCLUDED.{name}")))
        };
        Writing::Upsert {
            create: format!(
                "CREATE TEMPORARY TABLE IF NOT EXISTS waterclock_rows ON COMMIT DELETE ROWS AS \
                 SELECT {columns}, 0::bigint AS {PARTITION}, 0::bigint AS {RECORD} FROM {table} WITH NO DATA"
            ),
            copy: format!("COPY {WAITING} ({columns}, {PARTITION}, {RECORD}) FROM STDIN"),
            merge: format!(
                "INSERT INTO {table} ({columns}) SELECT DISTINCT ON ({keys}) {columns} FROM {WAITING} \
                 ORDER BY {keys}, {PARTITION} DESC, {RECORD} DESC ON CONFLICT ({keys}) DO {action}"
            ),
        }
    }
}

/// The names, quoted, in the form that `form` gives each.
fn list(names: &[String], form: impl Fn(String) -> String) -> String {
    names.iter().map(|name| form(quoted(name))).collect::<Vec<_>>().join(", ")
}

/// A name that is nothing but a name, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[&str]) -> Result<Table, PostgresError> {
        Table::new(name, columns.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn names_are_quoted() {
        let Writing::Append { copy } = table("a.b\"; --", &["x y", "Z"]).unwrap().writing() else { panic!() };
        assert_eq!(copy, "COPY \"a\".\"b\"\"; --\" (\"x y\", \"Z\") FROM STDIN");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let why = |table: Result<Table, PostgresError>| table.err().unwrap().to_string();
        assert!(why(table("a.", &["x"])).contains("SCHEMA.TABLE"));
        assert!(why(table("a", &[])).contains("no columns"));
        assert!(why(table("a", &["x", "y", "x"])).contains("`x` is named twice"));
        let keyed = |keys: &[&str]| {
            let keys = keys.iter().map(|name| (*name).to_owned()).collect();
            why(table("a", &["x", "y"]).unwrap().keyed_by(keys))
        };
        assert!(keyed(&[]).contains("an upsert needs"));
        assert!(keyed(&["z"]).contains("`z` is not among"));
        assert!(keyed(&["x", "x"]).contains("named twice"));
    }
}
