//! Goal: what a peer sends is in the batches, in order and once, whatever the peer does.
//! Method: real TCP on loopback, the test is the peer; batches, restarts and pauses in virtual time.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::sync::{Arc, Mutex};

use common::{SECOND, accept, ear, eventually, listen};
use waterclock_base::world::lock;
use waterclock_base::{Error, Event, Record, Text, encode};
use waterclock_streaming::testing::{TestClock, manual, manual_context};
use waterclock_streaming::{Collected, Stop, StreamingContext};

fn texts(lines: &[&str]) -> Vec<Text> {
    lines.iter().map(|line| Text::from(*line)).collect()
}

fn all<T: Record>(seen: &Collected<T>) -> Vec<T> {
    seen.all().into_iter().flat_map(|(_, batch)| batch).collect()
}

/// Runs batches until so many records were seen.
fn until<T: Record>(seen: &Collected<T>, clock: &TestClock, count: usize) {
    eventually("the records do not come", || {
        clock.advance_batches(1);
        all(seen).len() >= count
    });
}

/// T-086: all lines arrive in order; received and processed totals are their number.
#[test]
fn lines_arrive_in_order() {
    let (listener, address) = listen("127.0.0.1:0");
    let (ssc, clock) = manual_context("socket", SECOND).unwrap();
    let seen = ssc.socket_text_stream(address).unwrap().collect_batches();
    ssc.start().unwrap();
    let mut peer = accept(&listener);
    let lines = ["hello", "how", "are", "you", "doing"];
    for (count, line) in (1..).zip(lines) {
        peer.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        until(&seen, &clock, count);
    }
    clock.stop_gracefully().unwrap();
    assert_eq!(all(&seen), texts(&lines));
    let status = ssc.status();
    assert_eq!((status.received_records, status.processed_records, status.dropped_records), (5, 5, 0));
}

/// T-087, T-165: a batch in which nothing came is an empty dataset without partitions.
#[test]
fn a_batch_without_blocks_has_no_partitions() {
    let (_listener, address) = listen("127.0.0.1:0");
    let (ssc, clock) = manual_context("silence", SECOND).unwrap();
    let partitions = Arc::new(Mutex::new(Vec::new()));
    let noted = partitions.clone();
    ssc.socket_text_stream(address).unwrap().foreach_rdd(move |rdd, _| {
        lock(&noted).push((rdd.partitions(), rdd.count()?));
        Ok(())
    });
    ssc.start().unwrap();
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(*lock(&partitions), [(0, 0), (0, 0)]);
}

/// Lines stay in their block for words, filters and counts; every form gives the same.
#[test]
fn words_filters_and_counts_read_the_block() {
    let (listener, address) = listen("127.0.0.1:0");
    let (ssc, clock) = manual_context("words", SECOND).unwrap();
    let lines = ssc.socket_text_stream(address).unwrap();
    let words = lines.words().collect_batches();
    let split = lines.flat_map(|line| line.split_whitespace().map(Text::from).collect::<Vec<_>>());
    let split = split.collect_batches();
    let long = lines.filter(|line| line.len() > 15).collect_batches();
    let count = lines.filter(|line| line.is_empty()).count().collect_batches();
    ssc.start().unwrap();
    accept(&listener).write_all("to be\u{3000}or\n\n not\tto be: that is\r\n\nthe end".as_bytes()).unwrap();
    until(&split, &clock, 9);
    ssc.stop(Stop::Now).unwrap();
    let expected = texts(&["to", "be", "or", "not", "to", "be:", "that", "is", "the", "end"]);
    assert_eq!((all(&words), all(&split)), (expected.clone(), expected));
    assert_eq!(all(&long), texts(&[" not\tto be: that is"]));
    assert_eq!(all(&count).into_iter().sum::<u64>(), 2);
}

/// Bad input: lines that are not UTF-8 or too long are dropped and counted, the others come through.
#[test]
fn bad_lines_are_dropped_and_counted() {
    let (listener, address) = listen("127.0.0.1:0");
    let builder = StreamingContext::builder("bad lines").batch_interval(SECOND).threads(1);
    let (ssc, clock) = manual(builder.max_line_bytes(100)).unwrap();
    let heard = ear(&ssc);
    let seen = ssc.socket_text_stream(address).unwrap().collect_batches();
    ssc.start().unwrap();
    let mut peer = accept(&listener);
    peer.write_all(b"good\n\xff\xfebad\nalso good\n").unwrap();
    peer.write_all(&[vec![b'x'; 300_000], b"\nthe end\n".to_vec()].concat()).unwrap();
    until(&seen, &clock, 3);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), texts(&["good", "also good", "the end"]));
    assert_eq!(ssc.status().dropped_records, 2);
    let why = |event: &Event| match event {
        Event::RecordsDropped { why, records: 1, .. } => Some(*why),
        _ => None,
    };
    let mut reasons: Vec<&str> = lock(&heard).iter().filter_map(why).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["line not UTF-8", "line too long"]);
}

/// Bad input: a peer that refuses, and one that closes, is connected to again; listeners see the errors, and
/// `await_termination` does not.
#[test]
fn a_lost_peer_is_connected_to_again() {
    let (listener, address) = listen("127.0.0.1:0");
    drop(listener);
    let (ssc, clock) = manual_context("lost", SECOND).unwrap();
    let seen = ssc.socket_text_stream(&address).unwrap().collect_batches();
    ssc.start().unwrap();
    let last_error =
        || ssc.status().receivers.first().map(|info| info.last_error.clone()).unwrap_or_default();
    eventually("the refusal is not seen", || last_error().contains("can't connect to"));
    let (listener, _) = listen(&address);
    for line in ["one", "two"] {
        listener.set_nonblocking(true).unwrap();
        let mut peer = None;
        eventually("it does not connect again", || {
            clock.advance_batches(1);
            peer = listener.accept().ok();
            peer.is_some()
        });
        let (mut peer, _) = peer.unwrap();
        peer.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    until(&seen, &clock, 2);
    assert!(last_error().contains("closed the connection"), "{}", last_error());
    assert!(!ssc.await_termination_for(std::time::Duration::ZERO).unwrap());
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), texts(&["one", "two"]));
}

/// Bad input: a peer that stalls holds up neither the batches nor a stop.
#[test]
fn a_stalled_peer_holds_up_nothing() {
    let (listener, address) = listen("127.0.0.1:0");
    let (ssc, clock) = manual_context("stalled", SECOND).unwrap();
    let seen = ssc.socket_text_stream(address).unwrap().collect_batches();
    ssc.start().unwrap();
    let mut peer = accept(&listener);
    peer.write_all(b"whole\nhal").unwrap();
    until(&seen, &clock, 1);
    clock.advance_batches(3);
    clock.stop_gracefully().unwrap();
    assert_eq!(all(&seen), texts(&["whole"]));
    assert_eq!(ssc.status().dropped_records, 1);
}

/// A converter makes the records; what it can't convert is dropped and counted.
#[test]
fn a_converter_makes_records_of_bytes() {
    let (listener, address) = listen("127.0.0.1:0");
    let (ssc, clock) = manual_context("typed", SECOND).unwrap();
    let numbers = ssc.socket_stream(address, |bytes| {
        Ok(BufReader::new(bytes).lines().map(|line| Ok(line?.parse::<i64>()?)))
    });
    let seen = numbers.unwrap().collect_batches();
    ssc.start().unwrap();
    accept(&listener).write_all(b"1\nx\n3\n").unwrap();
    until(&seen, &clock, 2);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), [1, 3]);
    assert_eq!(ssc.status().dropped_records, 1);
}

/// Frames of encoded records.
#[test]
fn raw_frames_hold_encoded_records() {
    let (listener, address) = listen("127.0.0.1:0");
    let (ssc, clock) = manual_context("raw", SECOND).unwrap();
    let seen = ssc.raw_socket_stream::<(String, u64)>(address).unwrap().collect_batches();
    ssc.start().unwrap();
    let mut frame = Vec::new();
    encode(&("a", 1u64), &mut frame).unwrap();
    encode(&("b", 2u64), &mut frame).unwrap();
    let mut peer = accept(&listener);
    peer.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes()).unwrap();
    peer.write_all(&frame).unwrap();
    until(&seen, &clock, 2);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}

/// An address that can't be one is refused at once, and so is a source after the start.
#[test]
fn addresses_and_states_are_checked() {
    let (ssc, _clock) = manual_context("addresses", SECOND).unwrap();
    for address in ["localhost", "localhost:0", ":80", "http://localhost:80"] {
        let error = ssc.socket_text_stream(address).err().unwrap();
        assert!(matches!(&error, Error::Definition { call: "socket_text_stream", .. }), "{error}");
        assert!(error.to_string().contains("sockets.rs"), "{error}");
    }
    ssc.queue_stream(vec![vec![1]]).count().print();
    ssc.start().unwrap();
    let error = ssc.socket_text_stream("localhost:9").err().unwrap();
    assert!(matches!(error, Error::Lifecycle { .. }), "{error}");
    ssc.stop(Stop::Now).unwrap();
}
