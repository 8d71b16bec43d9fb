//! Programs and servers that end in the middle of a batch.

use std::path::Path;
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError, Result};
use waterclock_postgres::PostgresSink;
use waterclock_streaming::testing;
use waterclock_streaming::{BatchMark, BatchSink, SinkClass, Stop};

use crate::database::{
    alone, client, control, create, mark, marks, may_pass, pairs, rows, shared, text, write,
};

type Pair = (&'static str, i64);

/// A sink whose process ends when a batch is there and before anybody was told.
struct Crashing {
    sink: PostgresSink<Pair>,
    at: Option<BatchTime>,
}

impl BatchSink<Pair> for Crashing {
    type Part = <PostgresSink<Pair> as BatchSink<Pair>>::Part;

    fn class(&self) -> SinkClass {
        BatchSink::<Pair>::class(&self.sink)
    }

    fn stage(&self, batch: &BatchMark, partition: usize, records: Vec<Pair>) -> Result<Self::Part, BoxError> {
        self.sink.stage(batch, partition, records)
    }

    fn publish(&self, batch: &BatchMark, parts: &[Self::Part]) -> Result<(), BoxError> {
        BatchSink::<Pair>::publish(&self.sink, batch, parts)?;
        if self.at == Some(batch.time) { Err("crash".into()) } else { Ok(()) }
    }
}

/// Runs the program from `now` on until the context ends or so many batches are done.
fn run(dir: &Path, now: i64, batches: u32, crash_at: Option<i64>) -> Result<()> {
    let (ssc, clock) = testing::get_or_create(dir, BatchTime::from_millis(now), |builder| {
        let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
        let words = (1..=6).map(|n| vec![("a", n), ("b", n)]).collect::<Vec<_>>();
        let at = crash_at.map(BatchTime::from_millis);
        let words = ssc.queue_stream(words).named("words");
        words.write_to(Crashing { sink: pairs("crashed"), at }).named("crashed");
        // The outputs behind the crash are not reached, those before it find their batch.
        words.write_to(pairs("crashed_behind")).named("crashed behind");
        Ok(ssc)
    })?;
    ssc.start()?;
    clock.advance(Duration::ZERO);
    clock.advance_batches(batches);
    ssc.stop(Stop::Now)
}

#[test]
fn a_crash_between_publishing_and_the_ending_doubles_nothing() {
    let _server = shared();
    create("crashed", "word text, n bigint");
    create("crashed_behind", "word text, n bigint");
    let dir = tempfile::tempdir().unwrap();
    // What a stop says of the batch that failed is no concern here.
    let _ = run(dir.path(), 0, 2, Some(2000));
    assert_eq!((rows("crashed").len(), rows("crashed_behind").len()), (4, 2));
    let _ = run(dir.path(), 2000, 2, Some(3000));
    assert_eq!((rows("crashed").len(), rows("crashed_behind").len()), (6, 4));
    run(dir.path(), 4000, 2, None).unwrap();
    let expected: Vec<_> =
        ["a", "b"].iter().flat_map(|word| (1..=6).map(move |n| format!("({word},{n})"))).collect();
    assert_eq!(rows("crashed"), expected);
    assert_eq!(rows("crashed_behind"), expected);
    assert_eq!((marks("crashed"), marks("crashed behind")), (6, 6));
}

#[test]
fn runs_without_a_checkpoint_are_not_taken_for_one_another() {
    let _server = shared();
    create("forgetful", "word text, n bigint");
    for _ in 0..2 {
        let (ssc, clock) = testing::manual_context("forgetful", Duration::from_secs(1)).unwrap();
        ssc.queue_stream(vec![vec![("a", 1)]]).write_to(pairs("forgetful")).named("forgetful");
        ssc.start().unwrap();
        clock.advance_batches(1);
        ssc.stop(Stop::Now).unwrap();
    }
    assert_eq!(rows("forgetful"), ["(a,1)", "(a,1)"]);
}

/// Makes a key and a certificate for itself, in the directory of the server and by it.
const ENCRYPT: &str = "COPY (SELECT 1) TO PROGRAM 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 \
    -subj /CN=waterclock -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
    -keyout server.key -out server.crt 2>&1 && chmod 600 server.key'";

#[test]
fn encrypted_is_encrypted_and_a_stranger_is_refused() {
    let _server = alone();
    create("encrypted", "word text, n bigint");
    let batch = mark("encrypted", 1);
    let certificates = |pem: &[u8]| pairs("encrypted").tls(Some(pem)).unwrap();
    client().batch_execute(ENCRYPT).unwrap();
    let own: String = client().query_one("SELECT pg_read_file('server.crt')", &[]).unwrap().get(0);
    let error = write(&certificates(own.as_bytes()), &batch, vec![vec![("a", 0)]]).unwrap_err();
    assert!(text(&error).contains("does not support TLS"), "{}", text(&error));

    client().batch_execute("ALTER SYSTEM SET ssl = on").unwrap();
    control("restart");
    // Whoever is not encrypted can't write.
    let only = "CREATE OR REPLACE FUNCTION encrypted_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            ASSERT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), 'not encrypted'; RETURN NEW; END $$;
        CREATE TRIGGER encrypted_only BEFORE INSERT ON encrypted FOR EACH ROW EXECUTE FUNCTION encrypted_only()";
    client().batch_execute(only).unwrap();
    let error = write(&pairs("encrypted"), &batch, vec![vec![("a", 1)]]).unwrap_err();
    assert!(text(&error).contains("not encrypted"), "{}", text(&error));
    write(&certificates(own.as_bytes()), &batch, vec![vec![("a", 2)]]).unwrap();
    assert_eq!(rows("encrypted"), ["(a,2)"]);

    // Another certificate of the same name is another one.
    client().batch_execute(&ENCRYPT.replace("server.", "stranger.")).unwrap();
    let other: String = client().query_one("SELECT pg_read_file('stranger.crt')", &[]).unwrap().get(0);
    let error =
        write(&certificates(other.as_bytes()), &mark("encrypted", 2), vec![vec![("a", 3)]]).unwrap_err();
    assert!(text(&error).contains("invalid peer certificate"), "{}", text(&error));
    assert!(!may_pass(&error), "a certificate does not become good by waiting: {}", text(&error));
    client().batch_execute("ALTER SYSTEM RESET ssl").unwrap();
    control("restart");
}

#[test]
fn a_server_that_was_killed_and_started_again_is_found_again() {
    let _server = alone();
    create("killed", "word text, n bigint");
    create("killed_totals", "word text PRIMARY KEY, n bigint");
    let first = mark("killed", 0);
    let batch = |time| {
        let mut batch = first.clone();
        batch.time = BatchTime::from_millis(time);
        batch
    };
    let (sink, totals) = (pairs("killed"), pairs("killed_totals").upsert_by(["word"]).unwrap());
    let mut other = batch(1);
    other.output = "killed totals".to_owned();
    write(&sink, &batch(1), vec![vec![("a", 1)]]).unwrap();
    write(&totals, &other, vec![vec![("a", 1)]]).unwrap();
    control("kill");
    let error = write(&sink, &batch(2), vec![vec![("a", 2)]]).unwrap_err();
    assert!(text(&error).contains("can't connect to PostgreSQL at"), "{error:?}");
    assert!(may_pass(&error));
    control("restart");
    // Without a further try: the connection of before and the temporary table are gone, new ones are made.
    write(&sink, &batch(2), vec![vec![("a", 2)]]).unwrap();
    other.time = BatchTime::from_millis(2);
    write(&totals, &other, vec![vec![("a", 3)]]).unwrap();
    // What was written before is still known.
    write(&sink, &batch(1), vec![vec![("a", 1)]]).unwrap();
    assert_eq!(rows("killed"), ["(a,1)", "(a,2)"]);
    assert_eq!(rows("killed_totals"), ["(a,3)"]);

    // With time to try again the batch waits for the server.
    let patient = sink.retry_for(Duration::from_secs(60));
    control("kill");
    let third = batch(3);
    let waiting =
        waterclock_base::world::spawn("patient", move || write(&patient, &third, vec![vec![("a", 3)]]));
    control("restart");
    waiting.join().unwrap().unwrap();
    assert_eq!(rows("killed"), ["(a,1)", "(a,2)", "(a,3)"]);
}
