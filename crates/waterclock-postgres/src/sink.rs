//! Batches as transactions.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use postgres::{Client, Transaction};
use waterclock_base::world::{Clock, Signal, SystemClock, at_point, lock, random_seed};
use waterclock_base::{BoxError, Data, key_hash};
use waterclock_streaming::{BatchMark, BatchSink, SinkClass};

use crate::error::PostgresError;
use crate::row::Row;
use crate::server::Server;
use crate::table::{MARK, MARKED, Table, Writing};

/// How long a server may be away, unless the program says otherwise.
const AWAY: Duration = Duration::from_secs(10);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes that are handed to a COPY at once.
const PIECE: usize = 64 << 10;

/// Writes each batch into a table of PostgreSQL, in one transaction.
///
/// Tasks make rows of their records. When all outputs of the batch have succeeded, one transaction copies the rows
/// into the table (`COPY .. FROM STDIN`) and puts the batch's mark into the table `waterclock_batches`, which is made
/// where it is missing. Batches without records write nothing, not even a mark. With [`upsert_by`](Self::upsert_by)
/// rows replace those with the same key.
///
/// # Connection
/// `url` has the form `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `host=.. user=.. password=..`, with the
/// parameters of `libpq` that the crate `tokio-postgres` lists under `Config`. In a password `@ : / ? # %` are written
/// as `%40` and so on. One connection is opened with the first batch and used for all of them. Where the server is
/// away or restarts, the batch is tried again for [`retry_for`](Self::retry_for).
///
/// The connection is not encrypted, unless the feature `tls` (of the facade: `postgres-tls`) is on and `tls` is called.
/// Without it a URL with `sslmode=require` makes the first batch fail.
///
/// # Recovery
/// [`SinkClass::Transactional`]: exactly once. A batch that is run again after a crash finds its mark and is left as
/// it is, also where the crash came between the end of the transaction and the answer to it. The mark names the
/// application (one checkpoint), the output and the batch time, so name the output with
/// [`named`](waterclock_streaming::Output::named) and keep the name. `synchronous_commit` is switched on where it is
/// off: what the server has promised must survive it.
///
/// Marks are kept: about 100 bytes a batch. Those older than any checkpoint that the program may go back to can be
/// deleted: `DELETE FROM waterclock_batches WHERE published_at < now() - interval '30 days'`.
///
/// # Errors
/// A batch fails with [`PostgresError`]: at once where the server refuses a row, a column or the user, after
/// [`retry_for`](Self::retry_for) where it can't be reached. Nothing of the batch is in the table then. No error has
/// the password in it.
///
/// # Cost
/// The rows of a batch are in memory as text until it is written. A batch is one transaction, so one sync of the
/// server's disk; several outputs are written one after the other.
pub struct PostgresSink<T> {
    server: Server,
    table: Table,
    writing: Writing,
    fill: Box<dyn Fn(&T, &mut Row) + Send + Sync>,
    retry_for: Duration,
    /// Names the run where there is no checkpoint that does.
    run: u64,
    client: Mutex<Option<Client>>,
}

impl<T> PostgresSink<T> {
    /// A sink that adds a row for each record.
    ///
    /// `table` is `TABLE` or `SCHEMA.TABLE`; it and `columns` are taken letter for letter, as names in double quotes
    /// are. `fill` hands over a value for each of the columns, in their order.
    ///
    /// ```
    /// use waterclock_postgres::{PostgresError, PostgresSink};
    /// let url = "postgres://writer:secret@localhost/weather";
    /// // CREATE TABLE readings (station text, celsius float8, note text)
    /// type Reading = (u32, f64, Option<String>);
    /// let columns = ["station", "celsius", "note"];
    /// let sink = PostgresSink::new(url, "readings", columns, |(station, celsius, note): &Reading, row| {
    ///     row.value(station).value(celsius).option(note.as_ref());
    /// })?;
    /// # Ok::<(), PostgresError>(())
    /// ```
    ///
    /// # Errors
    /// [`PostgresError::Url`], [`PostgresError::Columns`]. Nothing is asked of the server yet.
    pub fn new<C: Into<String>>(
        url: &str,
        table: &str,
        columns: impl IntoIterator<Item = C>,
        fill: impl Fn(&T, &mut Row) + Send + Sync + 'static,
    ) -> Result<Self, PostgresError> {
        let table = Table::new(table, columns.into_iter().map(Into::into).collect())?;
        Ok(PostgresSink {
            server: Server::new(url)?,
            writing: table.writing(),
            table,
            fill: Box::new(fill),
            retry_for: AWAY,
            run: random_seed(),
            client: Mutex::default(),
        })
    }

    /// Has a row replace the one with the same values in `keys`, where there is one; all its other columns in
    /// `columns` are set.
    ///
    /// The table needs a unique index on exactly these columns, best its primary key; they can't be NULL. Of rows of
    /// a batch with the same key the last one counts.
    ///
    /// ```
    /// use waterclock_postgres::{PostgresError, PostgresSink};
    /// let url = "postgres://writer@localhost/words";
    /// // CREATE TABLE totals (word text PRIMARY KEY, total bigint)
    /// let sink = PostgresSink::new(url, "totals", ["word", "total"], |(word, total): &(String, u64), row| {
    ///     row.value(word).value(total);
    /// })?
    /// .upsert_by(["word"])?;
    /// # Ok::<(), PostgresError>(())
    /// ```
    ///
    /// # Errors
    /// [`PostgresError::Columns`] when a key is not among the columns.
    pub fn upsert_by<C: Into<String>>(
        mut self,
        keys: impl IntoIterator<Item = C>,
    ) -> Result<Self, PostgresError> {
        self.table = self.table.keyed_by(keys.into_iter().map(Into::into).collect())?;
        self.writing = self.table.writing();
        Ok(self)
    }

    /// How long a batch is tried again where the server is away, before it fails (default: 10 s).
    ///
    /// ```
    /// use std::time::Duration;
    /// # use waterclock_postgres::{PostgresError, PostgresSink};
    /// # let url = "postgres://writer@localhost/words";
    /// let sink = PostgresSink::new(url, "words", ["word"], |word: &String, row| {
    ///     row.value(word);
    /// })?
    /// .retry_for(Duration::from_secs(60));
    /// # Ok::<(), PostgresError>(())
    /// ```
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Encrypts the connection. A server is refused that has no encryption, or no certificate for the URL's host
    /// that is signed by one of `trusted`, in PEM form, or of the system's where that is none. (Feature `tls`.)
    ///
    /// ```no_run
    /// # use waterclock_postgres::{PostgresError, PostgresSink};
    /// # let url = "postgres://writer@db.example/words";
    /// let sink = PostgresSink::new(url, "words", ["word"], |word: &String, row| {
    ///     row.value(word);
    /// })?
    /// .tls(None)?;
    /// # Ok::<(), PostgresError>(())
    /// ```
    ///
    /// # Errors
    /// [`PostgresError::Tls`] when the certificates can't be read, or there are none.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, trusted: Option<&[u8]>) -> Result<Self, PostgresError> {
        self.server.encrypt(crate::tls::connector(trusted)?);
        Ok(self)
    }

    /// Writes the batch, by a connection that is there or a new one.
    fn write(&self, batch: &BatchMark, parts: &[Lines]) -> Result<(), PostgresError> {
        let mut held = lock(&self.client);
        let known = held.take();
        let was_used = known.is_some();
        let mut client = known.map_or_else(|| self.server.connect(), Ok)?;
        match self.transact(&mut client, batch, parts) {
            Ok(()) => {
                *held = Some(client);
                Ok(())
            }
            // The server may have restarted since the last batch, which nobody has noticed yet.
            Err(error) if was_used && error.may_pass() => {
                let mut client = self.server.connect()?;
                self.transact(&mut client, batch, parts)?;
                *held = Some(client);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Without a checkpoint the run itself is the application: only what this process tries again is known.
    fn application(&self, batch: &BatchMark) -> String {
        match batch.application {
            Some(application) => format!("{application:016x}"),
            None => format!("run {:016x}", self.run),
        }
    }

    fn transact(&self, client: &mut Client, batch: &BatchMark, parts: &[Lines]) -> Result<(), PostgresError> {
        let failed = |what, source| PostgresError::Statement {
            server: self.server.label.clone(),
            table: self.table.name.clone(),
            what,
            source,
        };
        let boxed = |what| move |source: postgres::Error| failed(what, Box::new(source));
        at_point("postgres-before-begin");
        let mut transaction = client.transaction().map_err(boxed("begin a transaction"))?;
        let (application, time) = (self.application(batch), batch.time.as_millis());
        let marked = transaction.execute(MARK, &[&application, &batch.output, &time, &content(parts)]);
        if marked.map_err(boxed("mark the batch"))? == 0 {
            return Ok(());
        }
        at_point("postgres-marked");
        match &self.writing {
            Writing::Append { copy: statement } => {
                copy(&mut transaction, statement, parts).map_err(|error| failed("copy rows", error))?;
            }
            Writing::Upsert { create, copy: statement, merge } => {
                transaction.batch_execute(create).map_err(boxed("make a temporary table"))?;
                copy(&mut transaction, statement, parts).map_err(|error| failed("copy rows", error))?;
                transaction.batch_execute(merge).map_err(boxed("put rows in their places"))?;
            }
        }
        at_point("postgres-before-commit");
        transaction.commit().map_err(boxed("end the transaction"))?;
        at_point("postgres-committed");
        Ok(())
    }
}

/// What a mark says of the rows: their hash, as PostgreSQL has numbers.
fn content(parts: &[Lines]) -> i64 {
    parts.iter().map(|part| part.hash).fold(0, u64::wrapping_add).cast_signed()
}

fn copy(transaction: &mut Transaction<'_>, statement: &str, parts: &[Lines]) -> Result<(), BoxError> {
    let mut writer = transaction.copy_in(statement)?;
    for piece in parts.iter().flat_map(|part| part.text.chunks(PIECE)) {
        writer.write_all(piece)?;
    }
    writer.finish()?;
    at_point("postgres-copied");
    Ok(())
}

/// The rows of a partition, as COPY reads them.
pub struct Lines {
    text: Vec<u8>,
    hash: u64,
}

impl<T: Data> BatchSink<T> for PostgresSink<T> {
    type Part = Lines;

    fn class(&self) -> SinkClass {
        SinkClass::Transactional
    }

    fn stage(&self, _: &BatchMark, partition: usize, records: Vec<T>) -> Result<Lines, BoxError> {
        let mut lines = Lines { text: Vec::new(), hash: 0 };
        let mut row = Row::default();
        for (record, content) in records.iter().enumerate() {
            let from = lines.text.len();
            (self.fill)(content, &mut row);
            row.take(self.table.width(), &mut lines.text).map_err(|why| {
                let table = self.table.name.clone();
                PostgresError::Row { table, partition, record, why }
            })?;
            // A sum, so that the order of the rows makes no difference.
            lines.hash = lines.hash.wrapping_add(key_hash(&lines.text[from..]));
            if self.table.has_keys() {
                write!(lines.text, "\t{partition}\t{record}")?;
            }
            lines.text.push(b'\n');
        }
        Ok(lines)
    }

    fn publish(&self, batch: &BatchMark, parts: &[Lines]) -> Result<(), BoxError> {
        if parts.iter().all(|part| part.text.is_empty()) {
            return Ok(());
        }
        let (clock, nobody) = (SystemClock::new(), Signal::new());
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let end = clock.now_micros().saturating_add(micros(self.retry_for));
        loop {
            match self.write(batch, parts) {
                Err(error) if error.may_pass() && clock.now_micros() < end => {
                    tracing::warn!(error = %error, batch = %batch.time, "a batch is written again");
                    clock.wait(Some(clock.now_micros() + micros(PAUSE)), &nobody);
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    fn is_as_published(&self, batch: &BatchMark, parts: &[Lines]) -> Result<Option<bool>, BoxError> {
        let mut held = lock(&self.client);
        let mut client = held.take().map_or_else(|| self.server.connect(), Ok)?;
        let (application, time) = (self.application(batch), batch.time.as_millis());
        let marked = client.query_opt(MARKED, &[&application, &batch.output, &time])?;
        *held = Some(client);
        // A batch without rows leaves no mark; an old mark says nothing of the content.
        Ok(marked.and_then(|row| row.get::<_, Option<i64>>(0)).map(|there| there == content(parts)))
    }

    fn content_hash(&self, part: &Lines) -> u64 {
        part.hash
    }
}
