//! Sinks by themselves: what a batch becomes, and when it becomes nothing.

use std::sync::Arc;

use waterclock_base::BatchTime;
use waterclock_postgres::PostgresSink;
use waterclock_streaming::BatchSink;

use crate::database::{
    alone, client, create, mark, marks, may_pass, pair, pairs, rows, shared, text, url, write,
};

#[test]
fn a_batch_that_is_published_again_is_left_as_it_is() {
    let _server = shared();
    create("again", "word text, n bigint");
    let batch = mark("again", 1000);
    let (first, second) = (pairs("again"), pairs("again"));
    write(&first, &batch, vec![vec![("a", 1)], vec![], vec![("b", 2), ("a", 1)]]).unwrap();
    write(&first, &batch, vec![vec![("a", 1), ("b", 2), ("a", 1)]]).unwrap();
    // By another process, after a crash.
    write(&second, &batch, vec![vec![("a", 1), ("b", 2), ("a", 1)]]).unwrap();
    assert_eq!(rows("again"), ["(a,1)", "(a,1)", "(b,2)"]);
    // Another time, another output and another application are another batch.
    let mut next = batch.clone();
    next.time = BatchTime::from_millis(2000);
    write(&second, &next, vec![vec![("c", 3)]]).unwrap();
    let mut other = batch.clone();
    other.output = "again too".to_owned();
    write(&second, &other, vec![vec![("d", 4)]]).unwrap();
    write(&second, &mark("again", 1000), vec![vec![("e", 5)]]).unwrap();
    assert_eq!(rows("again"), ["(a,1)", "(a,1)", "(b,2)", "(c,3)", "(d,4)", "(e,5)"]);
    assert_eq!(marks("again"), 3);
}

/// A batch that is run again after a crash is compared with what is there, as far as its mark tells.
#[test]
fn what_is_there_is_known_by_its_content() {
    let _server = shared();
    create("compared", "word text, n bigint");
    let (batch, sink) = (mark("compared", 1000), pairs("compared"));
    write(&sink, &batch, vec![vec![("a", 1), ("b", 2)]]).unwrap();
    let is_there = |batch: &_, parts: Vec<Vec<(&'static str, i64)>>| {
        let parts =
            parts.into_iter().enumerate().map(|(number, part)| sink.stage(batch, number, part).unwrap());
        sink.is_as_published(batch, &parts.collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(is_there(&batch, vec![vec![("b", 2)], vec![("a", 1)]]), Some(true));
    assert_eq!(is_there(&batch, vec![vec![("b", 2)], vec![("a", 7)]]), Some(false));
    assert_eq!(is_there(&batch, vec![vec![]]), Some(false));
    assert_eq!(is_there(&mark("compared", 2000), vec![vec![]]), None);
    // The table of a release that did not keep it gets the column, and the batches in it stay unknown.
    client().batch_execute("UPDATE waterclock_batches SET content = NULL WHERE output = 'compared'").unwrap();
    assert_eq!(is_there(&batch, vec![vec![("a", 7)]]), None);
}

#[test]
fn a_table_of_marks_without_their_content_gets_it() {
    let _server = alone();
    client().batch_execute("ALTER TABLE IF EXISTS waterclock_batches DROP COLUMN content").unwrap();
    create("extended", "word text, n bigint");
    write(&pairs("extended"), &mark("extended", 1), vec![vec![("a", 1)]]).unwrap();
    assert_eq!((rows("extended").len(), marks("extended")), (1, 1));
}

#[test]
fn of_two_processes_at_the_same_batch_one_writes_it() {
    let _server = shared();
    create("race", "word text, n bigint");
    let batch = Arc::new(mark("race", 0));
    let writing: Vec<_> = (0..4)
        .map(|_| {
            let batch = Arc::clone(&batch);
            waterclock_base::world::spawn("race", move || {
                let sink = pairs("race");
                for time in 1..=20 {
                    let mut batch = (*batch).clone();
                    batch.time = BatchTime::from_millis(time);
                    write(&sink, &batch, vec![vec![("x", time)]]).unwrap();
                }
            })
        })
        .collect();
    writing.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((rows("race").len(), marks("race")), (20, 20));
}

#[test]
fn a_batch_that_the_server_refuses_leaves_nothing() {
    let _server = shared();
    create("refusing", "word text, n smallint CHECK (n >= 0)");
    let (batch, sink) = (mark("refusing", 1000), pairs("refusing"));
    for (bad, why) in [(-1, "violates check constraint"), (1 << 40, "out of range")] {
        let error = write(&sink, &batch, vec![vec![("good", 1)], vec![("bad", bad)]]).unwrap_err();
        assert!(
            text(&error).contains("copy rows for table refusing") && text(&error).contains(why),
            "{error:?}"
        );
        assert!(!may_pass(&error));
    }
    assert!(rows("refusing").is_empty());
    assert_eq!(marks("refusing"), 0);
    // The same batch is written when it is good.
    write(&sink, &batch, vec![vec![("good", 1)]]).unwrap();
    assert_eq!(rows("refusing"), ["(good,1)"]);
    let error = write(&pairs("nowhere"), &mark("nowhere", 1), vec![vec![("a", 1)]]).unwrap_err();
    assert!(text(&error).contains("relation \"nowhere\" does not exist"), "{error:?}");
}

/// Every text that COPY, a statement or the client could take for something else.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "\\N",
    "\\.",
    "\\",
    "\\\\",
    "a\\tb",
    "a\tb\nc\rd\r\n\x08\x0b\x0c",
    "\n\\.\n",
    "'; DROP TABLE hostile; --",
    "\"quoted\" $1 $$ {} (a,b) NULL",
    "\u{1}\u{7f}\u{80}\u{feff}\u{200f}",
    "Zażółć gęślą jaźń 水時計 🕰\u{1f468}\u{200d}\u{1f469}",
];

#[test]
fn every_text_arrives_as_it_is() {
    let _server = shared();
    let upserts = [false, true];
    for is_upsert in upserts {
        create("hostile", "\"a \"\"b\" int PRIMARY KEY, \"select\" text, raw bytea, x float8, yes bool");
        let columns = ["a \"b", "select", "raw", "x", "yes"];
        type Record = (usize, Option<String>, Vec<u8>, f64, bool);
        let sink = PostgresSink::new(&url(), "public.hostile", columns, |record: &Record, row| {
            let (number, text, raw, x, yes) = record;
            row.value(number).option(text.as_ref()).bytes(raw).value(x).value(yes);
        });
        let sink = sink.unwrap();
        let sink = if is_upsert { sink.upsert_by(["a \"b"]).unwrap() } else { sink };
        let texts = HOSTILE.iter().map(|text| Some((*text).to_owned())).chain([None]);
        let numbers = [0.1, -0.0, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, 1e-300];
        let records: Vec<Record> = texts
            .enumerate()
            .map(|(at, text)| {
                let raw = text.as_ref().map_or(vec![0, 255, b'\\'], |text| text.clone().into_bytes());
                (at, text, raw, numbers[at % numbers.len()], at % 2 == 0)
            })
            .collect();
        write(&sink, &mark("hostile", 1), vec![records.clone()]).unwrap();
        let found = client().query("SELECT * FROM hostile ORDER BY 1", &[]).unwrap();
        let found = found.iter().map(|row| {
            (usize::try_from(row.get::<_, i32>(0)).unwrap(), row.get(1), row.get(2), row.get(3), row.get(4))
        });
        assert_eq!(found.collect::<Vec<Record>>(), records);
    }
}

#[test]
fn a_record_that_makes_no_row_is_named() {
    let _server = shared();
    let (batch, sink) = (mark("nul", 1), pairs("nul"));
    let error = sink.stage(&batch, 3, vec![("a", 1), ("b\0", 2)]).err().unwrap();
    let expected = "table nul, record 1 of partition 3: value 1 has the character NUL";
    assert!(text(&error).starts_with(expected), "{error}");
}

#[test]
fn an_upsert_replaces_by_key_and_the_last_of_a_batch_counts() {
    let _server = shared();
    create("totals", "word text PRIMARY KEY, n bigint, note text DEFAULT 'kept'");
    let sink = pairs("totals").upsert_by(["word"]).unwrap();
    let batch = mark("totals", 1);
    write(&sink, &batch, vec![vec![("a", 1), ("b", 9)], vec![("b", 2), ("c", 1), ("b", 3)]]).unwrap();
    assert_eq!(rows("totals"), ["(a,1,kept)", "(b,3,kept)", "(c,1,kept)"]);
    client().execute("UPDATE totals SET note = 'changed' WHERE word = 'a'", &[]).unwrap();
    let mut next = batch.clone();
    next.time = BatchTime::from_millis(2);
    write(&sink, &next, vec![vec![("a", 5)], vec![("d", 1)]]).unwrap();
    // An old batch that is run again must not turn back what a later one wrote.
    write(&sink, &batch, vec![vec![("a", 1), ("b", 3), ("c", 1)]]).unwrap();
    assert_eq!(rows("totals"), ["(a,5,changed)", "(b,3,kept)", "(c,1,kept)", "(d,1,kept)"]);

    create("seen", "word text, n bigint, PRIMARY KEY (n, word)");
    let sink = pairs("seen").upsert_by(["word", "n"]).unwrap();
    write(&sink, &mark("seen", 1), vec![vec![("a", 1), ("a", 1)], vec![("a", 2), ("a", 1)]]).unwrap();
    assert_eq!(rows("seen"), ["(a,1)", "(a,2)"]);
    create("keyless", "word text, n bigint");
    let sink = pairs("keyless").upsert_by(["word"]).unwrap();
    let error = write(&sink, &mark("keyless", 1), vec![vec![("a", 1)]]).unwrap_err();
    assert!(text(&error).contains("no unique or exclusion constraint"), "{error:?}");
}

#[test]
fn a_large_batch_is_one_transaction() {
    let _server = shared();
    create("large", "word text, n bigint");
    let part = |from: i64| (from..from + 100_000).map(|n| ("water clock", n)).collect::<Vec<_>>();
    write(&pairs("large"), &mark("large", 1), vec![part(0), part(100_000)]).unwrap();
    let sql = "SELECT count(*), sum(n)::bigint, count(DISTINCT xmin::text) FROM large";
    let found = client().query_one(sql, &[]).unwrap();
    assert_eq!((found.get::<_, i64>(0), found.get::<_, i64>(1)), (200_000, 199_999 * 100_000));
    assert_eq!(found.get::<_, i64>(2), 1);
}

#[test]
fn a_batch_without_records_asks_nothing_of_the_server() {
    let sink = PostgresSink::new("postgres://nobody@127.0.0.1:1/none", "t", ["word", "n"], pair).unwrap();
    write(&sink, &mark("empty", 1), vec![vec![], vec![]]).unwrap();
}

#[test]
fn a_user_who_may_not_create_tables_can_write() {
    let _server = shared();
    create("granted", "word text, n bigint");
    write(&pairs("granted"), &mark("granted", 1), vec![vec![("a", 1)]]).unwrap();
    let sql = "DROP OWNED BY waterclock_writer; DROP ROLE waterclock_writer";
    if client()
        .query_opt("SELECT 1 FROM pg_roles WHERE rolname = 'waterclock_writer'", &[])
        .unwrap()
        .is_some()
    {
        client().batch_execute(sql).unwrap();
    }
    let grants = "CREATE ROLE waterclock_writer LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        ALTER ROLE waterclock_writer SET synchronous_commit = off; GRANT INSERT ON granted TO waterclock_writer;
        GRANT INSERT, SELECT ON waterclock_batches TO waterclock_writer";
    client().batch_execute(grants).unwrap();
    let sink = PostgresSink::new(&as_user("waterclock_writer"), "granted", ["word", "n"], pair).unwrap();
    write(&sink, &mark("granted", 2), vec![vec![("b", 2)]]).unwrap();
    assert_eq!(rows("granted"), ["(a,1)", "(b,2)"]);
}

/// The URL with another user.
fn as_user(user: &str) -> String {
    let url = url();
    let (_, place) = url.split_once('@').expect("the URL names a user");
    format!("postgres://{user}@{place}")
}

#[test]
fn a_refused_connection_tells_the_server_and_not_the_password() {
    let _server = shared();
    let sink = PostgresSink::new(&as_user("nobody:s3cret"), "t", ["word", "n"], pair).unwrap();
    let error = write(&sink, &mark("refused", 1), vec![vec![("a", 1)]]).unwrap_err();
    assert!(text(&error).contains("can't connect to PostgreSQL at 127.0.0.1:"), "{error:?}");
    assert!(text(&error).contains("role \"nobody\" does not exist"), "{error:?}");
    assert!(!format!("{} {error:?}", text(&error)).contains("s3cret"));
    assert!(!may_pass(&error));

    let sink = PostgresSink::new(&format!("{}?sslmode=require", url()), "t", ["word", "n"], pair).unwrap();
    let error = write(&sink, &mark("encrypted", 1), vec![vec![("a", 1)]]).unwrap_err();
    assert!(text(&error).contains("TLS"), "{}", text(&error));
}
