//! A job with a page, and a visitor who speaks HTTP by hand: what a library would refuse to send can be sent.

#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use waterclock_streaming::StreamingContext;
use waterclock_streaming::testing::{TestClock, manual};
use waterclock_ui::Page;

/// Where patience ends: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A job that has run so many batches of three words; its name is hostile, and its third batch fails.
pub(crate) fn word_count(batches: u32, page: Page) -> (StreamingContext, TestClock, Page) {
    let builder =
        StreamingContext::builder("words").batch_interval(Duration::from_secs(1)).watch(page.clone());
    let (ssc, clock) = manual(builder).unwrap();
    let words = ssc.queue_stream((0..batches).map(|_| vec!["to", "<b>be</b>", "to"]));
    let words = words.named("a \"quoted\" \\ name\nover two lines").map(|word| (word.to_owned(), 1u64));
    let sum = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>());
    words.update_state_by_key(sum).show("counts");
    let fails = |time: i64| if time == 3000 { Err("the third one fails".into()) } else { Ok(()) };
    words.foreach_rdd(move |_, time| fails(time.as_millis()));
    ssc.start().unwrap();
    clock.advance_batches(batches);
    (ssc, clock, page)
}

/// The rows of a result in order.
pub(crate) fn shown(result: &Value) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = serde_json::from_value(result["rows"].clone()).unwrap();
    rows.sort();
    rows
}

#[expect(clippy::disallowed_methods, reason = "the test is the visitor")]
pub(crate) fn connect(page: &Page) -> io::Result<TcpStream> {
    let url = page.url();
    let (_, address) = url.split_once("://").unwrap_or_default();
    let address = address.trim_end_matches('/').replace("0.0.0.0", "127.0.0.1");
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends these bytes, and nothing more, and reads to the end.
pub(crate) fn raw(page: &Page, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(page).unwrap();
    // It may be closed while it is still being written to.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

pub(crate) fn ask(page: &Page, method: &str, path: &str, host: &str, headers: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n");
    String::from_utf8(raw(page, request.as_bytes())).unwrap()
}

pub(crate) fn get(page: &Page, path: &str) -> String {
    ask(page, "GET", path, "localhost", "")
}

pub(crate) fn status_of(page: &Page, path: &str) -> u16 {
    let answer = get(page, path);
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{path}: {answer}"))
}

pub(crate) fn json(page: &Page, path: &str) -> Value {
    let answer = get(page, path);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/json"), "{path}: {answer}");
    serde_json::from_str(body).unwrap()
}

/// Somebody who watches.
pub(crate) struct Live {
    stream: TcpStream,
    seen: String,
}

impl Live {
    pub(crate) fn of(page: &Page) -> Self {
        let mut stream = connect(page).unwrap();
        stream.write_all(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        Live { stream, seen: String::new() }
    }

    /// Reads until the text comes, and forgets all up to it.
    pub(crate) fn until(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let read = self.stream.read(&mut bytes);
            let count = read.unwrap_or_else(|error| panic!("{text}: {error}: {}", self.seen));
            assert!(count > 0, "{text}: the end came: {}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }
}

/// The samples of a text in the OpenMetrics format, checked by its rules: each family has its type in front of its
/// samples and is there once; counters end with `_total`; names with a unit end with it; no sample is there twice.
pub(crate) fn parse_metrics(text: &str) -> Vec<(String, f64)> {
    let mut families: Vec<(String, String)> = Vec::new();
    let mut samples: Vec<(String, f64)> = Vec::new();
    let body = text.strip_suffix("# EOF\n").expect("the text has an end");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(families.iter().all(|(known, _)| known != name), "{name} is there twice");
            families.push((name.to_owned(), kind.to_owned()));
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(name.ends_with(&format!("_{unit}")), "{line}");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (family, kind) = families.last().unwrap();
            let plain = name.split('{').next().unwrap();
            let suffix = plain.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} in {family}"));
            let allowed: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_sum", "_count", "_bucket"],
                other => panic!("{family} is a {other}"),
            };
            assert!(allowed.contains(&suffix), "{line} is no sample of a {kind}");
            assert!(samples.iter().all(|(known, _)| known != name), "{line} is there twice");
            samples.push((name.to_owned(), value.parse().unwrap()));
        }
    }
    samples
}
