//! Sockets over real TCP on loopback, with the pauses between connections in virtual time.
//! Method: a listener of the test is the peer: it sends, closes, stalls or is not there.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use waterclock_base::world::{Clock, RealNet, SystemClock};
use waterclock_base::{Error, Text, encode};

use super::supervisor_tests::{Rig, at, eventually, records, until_received};
use super::{RawSocket, ReceiverControl, SocketReader, TextSocket, TypedSocket};
use crate::block::Records;

#[expect(clippy::disallowed_methods, reason = "the test is the peer")]
fn listen(address: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().unwrap().0
}

fn text_socket(address: &str) -> TextSocket {
    TextSocket::new(Arc::new(RealNet), address, 100)
}

fn texts(lines: &[&str]) -> Vec<Text> {
    lines.iter().map(|line| Text::from(*line)).collect()
}

/// T-086 (receiver side): all lines arrive in order, over several batches, as one buffer a block.
#[test]
fn lines_arrive_in_order() {
    let rig = Rig::new();
    let (listener, address) = listen("127.0.0.1:0");
    let input = rig.start(text_socket(&address));
    let mut peer = accept(&listener);
    let mut seen = Vec::new();
    for (batch, line) in (1..).zip(["hello\n", "how\r\n", "are\n", "you\n", "doing\n"]) {
        peer.write_all(line.as_bytes()).unwrap();
        until_received(&input, batch);
        let time = i64::try_from(batch).unwrap() * 1000;
        assert_eq!(input.seal_and_allocate(at(time)).records, 1);
        let blocks = input.blocks_at(at(time)).unwrap();
        assert!(matches!(&*blocks[0].records().unwrap(), Records::Lines(lines) if lines.text() == line));
        seen.extend(records(&input, time));
    }
    assert_eq!(seen, texts(&["hello", "how", "are", "you", "doing"]));
    assert_eq!(input.counts().records, 5);
    assert!(input.stop(true));
}

/// Bad input: lines that are not UTF-8 or too long are dropped and counted, the others come through.
#[test]
fn bad_lines_are_dropped_and_counted() {
    let rig = Rig::new();
    let (listener, address) = listen("127.0.0.1:0");
    let input = rig.start(text_socket(&address));
    let mut peer = accept(&listener);
    peer.write_all(b"good\n\xff\xfebad\nalso good\n").unwrap();
    peer.write_all(&[vec![b'x'; 300_000], b"\nthe end".to_vec()].concat()).unwrap();
    drop(peer);
    until_received(&input, 3);
    rig.until_story("+!");
    input.seal_and_allocate(at(1000));
    assert_eq!(records(&input, 1000), texts(&["good", "also good", "the end"]));
    assert_eq!(input.counts().dropped, 2);
    assert!(rig.heard("line not UTF-8") && rig.heard("line too long"));
    assert!(input.info().last_error.contains("closed the connection"));
    assert!(input.stop(true));
}

/// A peer that refuses, comes up, closes, and is there again.
#[test]
fn connections_are_made_anew() {
    let rig = Rig::new();
    let (listener, address) = listen("127.0.0.1:0");
    drop(listener);
    let input = rig.start(text_socket(&address));
    rig.until_story("+!");
    let error = input.info().last_error;
    assert!(error.contains("can't connect to") && error.contains(&address), "{error}");

    let (listener, _) = listen(&address);
    rig.clock.advance(Duration::from_secs(2));
    let mut peer = accept(&listener);
    peer.write_all(b"one\n").unwrap();
    until_received(&input, 1);
    drop(peer);
    rig.until_story("+!+!");
    rig.clock.advance(Duration::from_secs(2));
    accept(&listener).write_all(b"two\n").unwrap();
    until_received(&input, 2);
    input.seal_and_allocate(at(1000));
    assert_eq!(records(&input, 1000), texts(&["one", "two"]));
    assert!(input.stop(true));
}

/// A peer that stalls is waited for, and does not delay a stop; half a line is counted.
#[test]
fn a_stalled_peer_does_not_delay_a_stop() {
    let rig = Rig::new();
    let (listener, address) = listen("127.0.0.1:0");
    let input = rig.start(text_socket(&address));
    let mut peer = accept(&listener);
    peer.write_all(b"whole\nhal").unwrap();
    until_received(&input, 1);
    let clock = SystemClock::new();
    let began = clock.now_micros();
    assert!(input.stop(true));
    assert!(clock.now_micros() - began < 1_000_000);
    assert_eq!(input.counts().dropped, 1);
    assert!(rig.heard("line incomplete"));
    assert_eq!(input.seal_and_allocate(at(1000)).records, 1);
}

/// A limited stream flows evenly, though it comes in large buffers.
#[test]
fn a_limited_socket_stores_small_pieces() {
    let mut rig = Rig::new();
    rig.setup.settings.receiver_max_rate = Some(100.0);
    let (listener, address) = listen("127.0.0.1:0");
    let input = rig.start(text_socket(&address));
    accept(&listener).write_all("line\n".repeat(35).as_bytes()).unwrap();
    for batch in 1..=4u64 {
        until_received(&input, (batch * 10).min(35));
        assert_eq!(input.counts().records, (batch * 10).min(35));
        rig.clock.advance(Duration::from_millis(100));
    }
    assert!(input.stop(true));
}

/// A typed socket: records by the program's own converter; what can't be converted is dropped and counted.
#[test]
fn a_converter_makes_records() {
    let rig = Rig::new();
    let (listener, address) = listen("127.0.0.1:0");
    let input = rig.start(TypedSocket::<i64, _>::new(Arc::new(RealNet), &address, |bytes: SocketReader| {
        Ok(BufReader::new(bytes).lines().map(|line| Ok(line?.trim().parse()?)))
    }));
    let mut peer = accept(&listener);
    peer.write_all(b"1\ntwo\n\xff\n3\n4").unwrap();
    until_received(&input, 2);
    drop(peer);
    rig.until_story("+!");
    rig.clock.advance(Duration::from_secs(2));
    let mut peer = accept(&listener);
    peer.write_all(b"5\n6").unwrap();
    until_received(&input, 4);
    // The 6 may go on: it is not a record until its line ends.
    assert!(input.stop(true));
    input.seal_and_allocate(at(1000));
    assert_eq!(records(&input, 1000), [1, 3, 4, 5]);
    assert_eq!(input.counts().dropped, 2);
}

/// A converter that fails and fails without reading on is not called for ever.
#[test]
fn a_converter_that_only_fails_is_given_up() {
    let rig = Rig::new();
    let (listener, address) = listen("127.0.0.1:0");
    let input = rig.start(TypedSocket::<i64, _>::new(Arc::new(RealNet), &address, |_: SocketReader| {
        Ok(std::iter::repeat_with(|| Err("useless".into())))
    }));
    let _peer = accept(&listener);
    assert_eq!(input.info().name, "TypedSocket-3");
    rig.until_story("+!");
    assert!(input.info().last_error.contains("useless"));
    assert_eq!(input.counts().dropped, 999);
    assert!(input.stop(true));
}

fn frame(records: &[(u32, String)]) -> Vec<u8> {
    let mut body = Vec::new();
    records.iter().try_for_each(|record| encode(record, &mut body)).unwrap();
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// A raw socket: frames of encoded records, in any pieces; bad frames are dropped and counted.
#[test]
fn frames_are_decoded() -> Result<(), Error> {
    let rig = Rig::new();
    let (listener, address) = listen("127.0.0.1:0");
    let input = rig.start(RawSocket::<(u32, String)>::new(Arc::new(RealNet), &address));
    let mut peer = accept(&listener);
    peer.set_nodelay(true).unwrap();
    let (first, second) = ((1, "one".to_owned()), (2, "two".to_owned()));
    let bytes = [frame(&[first.clone(), second.clone()]), vec![0, 0, 0, 0], vec![0, 0, 0, 1, 0xff]].concat();
    for piece in bytes.chunks(3) {
        peer.write_all(piece).unwrap();
    }
    eventually(|| input.counts().dropped == 1, || "no frame was dropped".into());
    // A frame that is cut off, and one of a length that can't be.
    let whole = frame(std::slice::from_ref(&first));
    peer.write_all(&whole[..whole.len() - 1]).unwrap();
    drop(peer);
    rig.until_story("+!");
    rig.clock.advance(Duration::from_secs(2));
    accept(&listener).write_all(&[&whole[..], &[0xff; 8]].concat()).unwrap();
    rig.until_story("+!+!");
    assert!(input.info().last_error.contains("announces a frame"), "{}", input.info().last_error);
    input.seal_and_allocate(at(1000));
    assert_eq!(records(&input, 1000), [first.clone(), second, first]);
    assert_eq!(input.counts().dropped, 3);
    assert!(rig.heard("frame not decodable") && rig.heard("frame incomplete"));
    assert!(input.stop(true));
    Ok(())
}
