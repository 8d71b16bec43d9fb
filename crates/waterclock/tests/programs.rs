//! Goal: the programs that are promised to users compile and do what they say.
//!
//! Method: each is a file of its own in `programs/`, as the documentation shows it. Those that read a socket
//! are compiled as they stand, which would run for ever; what they define is run again here over a feed on
//! loopback, until it has counted what the feed wrote. The one with a checkpoint is a process then, and is killed.
#![expect(clippy::disallowed_methods, reason = "the feed plays the outside world")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use waterclock::prelude::*;

mod programs {
    #[expect(dead_code, reason = "it never ends")]
    pub(crate) mod hashtags;
    #[expect(dead_code, reason = "it never ends")]
    pub(crate) mod network_word_count;
    pub(crate) mod running_state;
}

/// Real time is only a limit of patience.
const PATIENCE: Duration = Duration::from_secs(30);

/// T-030 (as a user's program): running totals by key, in virtual time.
#[test]
fn running_state_in_virtual_time() {
    let (tell, ended) = mpsc::channel();
    std::thread::spawn(move || tell.send(programs::running_state::main()));
    ended.recv_timeout(PATIENCE).expect("it ends").unwrap();
}

/// A server that writes `text` to its first visitor and keeps the connection.
fn feed(text: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        std::thread::sleep(PATIENCE);
    });
    address
}

/// Runs the context until `wanted` holds of the sums of everything that `seen` tells.
fn sums_until(
    ssc: &StreamingContext,
    seen: &mpsc::Receiver<Vec<(Text, u64)>>,
    wanted: &[(&str, u64)],
) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    ssc.start().unwrap();
    while !wanted.iter().all(|(word, n)| sums.get(*word) == Some(n)) {
        for (word, n) in seen.recv_timeout(PATIENCE).expect("more is counted") {
            *sums.entry(word.to_string()).or_insert(0) += n;
        }
    }
    ssc.stop(Stop::Gracefully).unwrap();
    sums
}

/// T-086 (as a user's program): every line of a socket is counted once.
#[test]
fn network_word_count_counts_each_word_once() {
    let address = feed("to be or\nnot to be\n");
    let ssc = StreamingContext::builder("NetworkWordCount")
        .batch_interval(Duration::from_millis(20))
        .build()
        .unwrap();
    let lines = ssc.socket_text_stream(address.to_string()).unwrap();
    let counts = lines
        .flat_map(|line| line.split_whitespace().map(Text::from).collect::<Vec<_>>())
        .map(|word| (word, 1u64))
        .reduce_by_key(|a, b| a + b);
    let (tell, seen) = mpsc::channel();
    counts.foreach_rdd(move |rdd, _| Ok(tell.send(rdd.collect()?)?));

    let sums = sums_until(&ssc, &seen, &[("to", 2), ("be", 2), ("or", 1), ("not", 1)]);
    assert_eq!(sums.len(), 4);
}

/// Has this test run as the program itself: where it reads, and its checkpoint.
const PROGRAM: &str = "WATERCLOCK_TEST_HASHTAGS";

/// The ten most frequent hashtags of a window, which is whole again when the program has been killed and goes on
/// from its checkpoint. The program is this binary, started again.
#[test]
fn hashtags_of_a_window_are_counted_across_a_kill() {
    if let Ok(said) = std::env::var(PROGRAM) {
        let (address, checkpoint) = said.split_once(' ').unwrap();
        return top_hashtags(address, Path::new(checkpoint)).unwrap();
    }
    let checkpoint = tempfile::tempdir().unwrap();
    let place = checkpoint.path();
    killed_at(place, feed("#a b #c\n#a #d c\n#a\n"), r##"[("#a", 3), ("#c", 1), ("#d", 1)]"##);
    killed_at(place, feed("#a #e\n"), r##"[("#a", 4), ("#c", 1), ("#d", 1), ("#e", 1)]"##);
    killed_at(place, feed(""), r##"[("#a", 4), ("#c", 1), ("#d", 1), ("#e", 1)]"##);
}

/// The second program of the design, with another address and shorter times.
fn top_hashtags(address: &str, checkpoint: &Path) -> waterclock::Result<()> {
    let ssc = StreamingContext::get_or_create(checkpoint, |builder| {
        let batch = Duration::from_millis(20);
        let ssc = builder.app_name("hashtags").batch_interval(batch).build()?;
        let tweets = ssc.socket_text_stream(address)?.named("tweets");
        let counts = tweets
            .flat_map(|t| {
                t.split_whitespace().filter(|w| w.starts_with('#')).map(Text::from).collect::<Vec<_>>()
            })
            .count_by_value_and_window(PATIENCE * 2, batch)
            .named("counts");
        counts.top_by(10, |(_, n)| *n).foreach_rdd(|rdd, time| {
            println!("{time}: {:?}", rdd.collect()?);
            Ok(())
        });
        Ok(ssc)
    })?;
    ssc.start()?;
    ssc.await_termination()
}

/// The pairs of a list as it is printed; words that are equally frequent come in any order.
fn pairs(line: &str) -> BTreeSet<&str> {
    let list = line.split_once('[').map_or("", |(_, list)| list);
    list.trim_matches(['(', ')', ']']).split("), (").collect()
}

/// Runs the program until it prints this, and kills it.
fn killed_at(checkpoint: &Path, address: SocketAddr, top: &str) {
    let test = "hashtags_of_a_window_are_counted_across_a_kill";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).stdout(Stdio::piped());
    command.env(PROGRAM, format!("{address} {}", checkpoint.display()));
    let mut program = command.spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let (tell, told) = mpsc::channel();
    let wanted = top.to_owned();
    std::thread::spawn(move || {
        let found = lines.find(|line| line.as_ref().is_ok_and(|line| pairs(line) == pairs(&wanted)));
        tell.send(found.is_some())
    });
    let found = told.recv_timeout(PATIENCE);
    program.kill().unwrap();
    program.wait().unwrap();
    assert_eq!(found, Ok(true), "{top}");
}
