//! The server, and what the tests need of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use postgres::{Client, NoTls};
use waterclock_base::{BatchTime, BoxError, Data, full_text};
use waterclock_postgres::{PostgresError, PostgresSink, Row};
use waterclock_streaming::{BatchMark, BatchSink, SinkClass, Stop, testing};

/// Held by tests that need the server, alone by those that kill it.
static SERVER: RwLock<()> = RwLock::new(());

pub(crate) fn shared() -> RwLockReadGuard<'static, ()> {
    SERVER.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    SERVER.write().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn url() -> String {
    std::env::var("WATERCLOCK_POSTGRES").expect("`cargo xtask servers postgres -- ..` runs these tests")
}

pub(crate) fn client() -> Client {
    Client::connect(&url(), NoTls).unwrap()
}

/// `kill` or `restart`; returns when it is done.
#[expect(clippy::disallowed_methods, reason = "the control of the server is outside of the program")]
pub(crate) fn control(verb: &str) {
    let address = std::env::var("WATERCLOCK_SERVERS").unwrap();
    let mut control = TcpStream::connect(address).unwrap();
    writeln!(control, "{verb} postgres").unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "done\n");
}

/// Makes a table anew.
pub(crate) fn create(table: &str, columns: &str) {
    let sql = format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns})");
    client().batch_execute(&sql).unwrap();
}

/// Every row as text, sorted.
pub(crate) fn rows(table: &str) -> Vec<String> {
    let sql = format!("SELECT t::text FROM {table} t ORDER BY t::text COLLATE \"C\"");
    client().query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// How many marks the output has.
pub(crate) fn marks(output: &str) -> i64 {
    let sql = "SELECT count(*) FROM waterclock_batches WHERE output = $1";
    client().query_one(sql, &[&output]).unwrap().get(0)
}

pub(crate) fn pair(record: &(&'static str, i64), row: &mut Row) {
    row.value(record.0).value(record.1);
}

/// A sink for records of two columns, `word` and `n`, which does not wait for a server that is away.
pub(crate) fn pairs(table: &str) -> PostgresSink<(&'static str, i64)> {
    PostgresSink::new(&url(), table, ["word", "n"], pair).unwrap().retry_for(Duration::ZERO)
}

/// Writes a batch of partitions.
pub(crate) fn write<T: Data>(
    sink: &PostgresSink<T>,
    batch: &BatchMark,
    parts: Vec<Vec<T>>,
) -> Result<(), BoxError> {
    let parts: Result<Vec<_>, _> =
        parts.into_iter().enumerate().map(|(number, part)| sink.stage(batch, number, part)).collect();
    sink.publish(batch, &parts?)
}

/// The text of an error and of its causes.
pub(crate) fn text(error: &BoxError) -> String {
    full_text(&**error)
}

pub(crate) fn may_pass(error: &BoxError) -> bool {
    error.downcast_ref::<PostgresError>().unwrap().may_pass()
}

/// The mark of a batch at `time`, of a new application and an output of this name.
pub(crate) fn mark(output: &str, time: i64) -> BatchMark {
    /// Keeps the mark that it is given.
    struct Catch(Arc<Mutex<Option<BatchMark>>>);
    impl BatchSink<u8> for Catch {
        type Part = ();
        fn class(&self) -> SinkClass {
            SinkClass::AtLeastOnce
        }
        fn stage(&self, _: &BatchMark, _: usize, _: Vec<u8>) -> Result<(), BoxError> {
            Ok(())
        }
        fn publish(&self, batch: &BatchMark, _: &[()]) -> Result<(), BoxError> {
            *self.0.lock().unwrap() = Some(batch.clone());
            Ok(())
        }
    }
    let (dir, caught) = (tempfile::tempdir().unwrap(), Arc::default());
    let catch = Catch(Arc::clone(&caught));
    let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::from_millis(0), |builder| {
        let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
        ssc.queue_stream(vec![vec![1]]).named("bytes").write_to(catch).named(output);
        Ok(ssc)
    })
    .unwrap();
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    let mut mark = caught.lock().unwrap().take().unwrap();
    mark.time = BatchTime::from_millis(time);
    mark
}
