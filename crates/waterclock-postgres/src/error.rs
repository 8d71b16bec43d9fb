//! What can go wrong. No text holds a password: the server is told by host and port, and what the URL says is not
//! repeated.

use std::error::Error as StdError;
use std::io;

use postgres::error::SqlState;
use waterclock_base::BoxError;

/// Why a sink can't be made, or a batch not be written.
///
/// ```
/// use waterclock_postgres::{PostgresError, PostgresSink};
/// let sink = PostgresSink::new("postgres://me:secret@localhost/db", "words", ["word", "word"], |word: &String, row| {
///     row.value(word).value(word);
/// });
/// let error = sink.err().unwrap();
/// assert_eq!(error.to_string(), "table words: `word` is named twice");
/// assert!(!error.may_pass());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// A connection URL that can't be read.
    #[error(
        "the URL of the database can't be used: {why}; its form is postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Url {
        /// What is wrong with it.
        why: &'static str,
    },

    /// Certificates that can't be trusted or read.
    #[error("no encrypted connection can be made: {why}")]
    Tls {
        /// What is wrong.
        why: String,
    },

    /// A table or columns that can't be written to.
    #[error("table {table}: {why}")]
    Columns {
        /// The table's name as it was given.
        table: String,
        /// What is wrong.
        why: String,
    },

    /// A record that makes no row.
    #[error("table {table}, record {record} of partition {partition}: {why}")]
    Row {
        /// The table's name as it was given.
        table: String,
        /// The partition of the batch's dataset.
        partition: usize,
        /// How many records lie before it in the partition.
        record: usize,
        /// What is wrong.
        why: String,
    },

    /// A server that can't be reached, or refuses the user.
    #[error("can't connect to PostgreSQL at {server}")]
    Connect {
        /// Host and port.
        server: String,
        /// What the system or the server said.
        #[source]
        source: BoxError,
    },

    /// A statement that failed; its transaction has no effect.
    #[error("PostgreSQL at {server} can't {what} for table {table}")]
    Statement {
        /// Host and port.
        server: String,
        /// The table's name as it was given.
        table: String,
        /// What was tried.
        what: &'static str,
        /// What the system or the server said.
        #[source]
        source: BoxError,
    },
}

impl PostgresError {
    /// Whether the same may succeed later: the server is away, starts or stops, or was asked by too many at once.
    pub fn may_pass(&self) -> bool {
        match self {
            PostgresError::Connect { source, .. } | PostgresError::Statement { source, .. } => {
                passes(source.as_ref())
            }
            _ => false,
        }
    }
}

fn passes(source: &(dyn StdError + Send + Sync + 'static)) -> bool {
    let Some(error) = source.downcast_ref::<postgres::Error>() else {
        // The writer of a COPY wraps the client's errors.
        let writing = source.downcast_ref::<io::Error>();
        return writing.is_some_and(|error| error.get_ref().is_none_or(passes));
    };
    match error.code() {
        Some(code) => PASSING.contains(code) || code.code().starts_with("08"),
        None => error.is_closed() || error.source().is_some_and(is_trouble),
    }
}

/// Whether it is the network's or the system's; a certificate that is refused comes as bad data.
fn is_trouble(cause: &(dyn StdError + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() != io::ErrorKind::InvalidData)
}

/// Refusals that end by themselves. Class 08, trouble with the connection, is one of them too.
const PASSING: &[SqlState] = &[
    SqlState::ADMIN_SHUTDOWN,
    SqlState::CRASH_SHUTDOWN,
    SqlState::CANNOT_CONNECT_NOW,
    SqlState::TOO_MANY_CONNECTIONS,
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::T_R_DEADLOCK_DETECTED,
];
