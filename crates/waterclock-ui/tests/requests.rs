//! Goal: the page answers what it should, to whom it should, and nothing that is sent to it does harm.
//! Method: jobs under virtual time, spoken to over raw sockets.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod speaking;

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use speaking::{ask, get, json, raw, shown, status_of, word_count};
use waterclock_base::world::Rng;
use waterclock_streaming::testing::manual;
use waterclock_streaming::{Stop, StreamingContext};
use waterclock_ui::Page;

const STREAMING: &str = "/api/v1/applications/words/streaming";

#[test]
fn every_path_of_spark_has_its_fields() {
    let (ssc, _clock, page) = word_count(3, Page::new());
    let fields = |path: &str| {
        let value = json(&page, path);
        let first = if value.is_array() { value[0].clone() } else { value };
        first.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        fields(&format!("{STREAMING}/statistics")),
        "avgInputRate avgProcessingTime avgSchedulingDelay avgTotalDelay batchDuration numActiveBatches \
         numActiveReceivers numInactiveReceivers numProcessedRecords numReceivedRecords numReceivers \
         numRetainedCompletedBatches numTotalCompletedBatches startTime"
    );
    let receiver = "avgEventRate eventRates executorHost executorId isActive lastError lastErrorMessage lastErrorTime \
                    streamId streamName";
    assert_eq!(fields(&format!("{STREAMING}/receivers")), receiver);
    assert_eq!(fields(&format!("{STREAMING}/receivers/0")), receiver);
    let batch = "batchDuration batchId batchTime firstFailureReason inputSize numActiveOutputOps \
                 numCompletedOutputOps numFailedOutputOps numTotalOutputOps processingTime schedulingDelay status \
                 totalDelay";
    assert_eq!(fields(&format!("{STREAMING}/batches")), batch);
    assert_eq!(fields(&format!("{STREAMING}/batches/2000")), batch);
    let operation = "description duration endTime failureReason jobIds name outputOpId startTime";
    assert_eq!(fields(&format!("{STREAMING}/batches/2000/operations")), operation);
    assert_eq!(fields(&format!("{STREAMING}/batches/2000/operations/1")), operation);
    assert_eq!(fields("/api/v1/applications"), "attempts id name");
    // An attempt may be named.
    assert_eq!(status_of(&page, "/api/v1/applications/words/1/streaming/statistics"), 200);
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn rest_says_what_happened() {
    let (ssc, _clock, page) = word_count(3, Page::new());
    let statistics = json(&page, &format!("{STREAMING}/statistics"));
    assert_eq!(
        (&statistics["batchDuration"], &statistics["numTotalCompletedBatches"]),
        (&1000.into(), &3.into())
    );
    assert_eq!((&statistics["numReceivedRecords"], &statistics["avgInputRate"]), (&9.into(), &3.0.into()));
    let batches = json(&page, &format!("{STREAMING}/batches?status=COMPLETED&status=queued"));
    let ids: Vec<i64> =
        batches.as_array().unwrap().iter().map(|batch| batch["batchId"].as_i64().unwrap()).collect();
    assert_eq!(ids, [3000, 2000, 1000]);
    assert_eq!(json(&page, &format!("{STREAMING}/batches?status=PROCESSING")), serde_json::json!([]));
    // The third batch fails in its second output.
    let failed = json(&page, &format!("{STREAMING}/batches/3000"));
    assert_eq!((&failed["numFailedOutputOps"], &failed["numCompletedOutputOps"]), (&1.into(), &1.into()));
    assert!(failed["firstFailureReason"].as_str().unwrap().contains("the third one fails"));
    let operations = json(&page, &format!("{STREAMING}/batches/3000/operations"));
    assert_eq!(operations[1]["failureReason"], failed["firstFailureReason"]);
    assert_eq!(failed["batchTime"], "1970-01-01T00:00:03.000GMT");
    assert!(!operations[0]["jobIds"].as_array().unwrap().is_empty());
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn the_load_is_told() {
    let (ssc, _clock, page) = word_count(2, Page::new());
    let load = json(&page, &format!("{STREAMING}/load"));
    assert_eq!((&load["keepsUp"], &load["why"], &load["pace"]), (&true.into(), &Value::Null, &Value::Null));
    assert_eq!(load["strains"], serde_json::json!([]));
    let memory = |name: &str| load["memory"][name].as_u64().unwrap();
    let shares = ["received", "shuffled", "cached", "state"].map(memory);
    assert_eq!((memory("used"), memory("onDisk")), (shares.iter().sum(), 0));
    assert!(memory("budget") > memory("used"));
    assert_eq!(load["inputs"][0]["heldBackShare"], 0.0);
    ssc.stop(Stop::Now).unwrap();
    let page = Page::new();
    let (ssc, clock) =
        manual(StreamingContext::builder("words").latency(Duration::from_millis(100)).watch(page.clone()))
            .unwrap();
    ssc.generator_stream(1000, |n| n).unwrap().register();
    ssc.start().unwrap();
    clock.advance_batches(100);
    let pace = &json(&page, &format!("{STREAMING}/load"))["pace"];
    assert_eq!(
        (&pace["target"], &pace["batchSpan"], &pace["overloaded"]),
        (&100.into(), &50.into(), &false.into())
    );
    let metrics = get(&page, "/metrics");
    for line in
        ["latency_target_seconds 0.1", "batch_span_seconds 0.05", "overloaded 0", "batch_left_records 0.0"]
    {
        assert!(metrics.contains(&format!("\nwaterclock_{line}\n")), "{line}: {metrics}");
    }
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn results_are_there_as_text() {
    let (ssc, _clock, page) = word_count(2, Page::new());
    let result = json(&page, &format!("{STREAMING}/results/0"));
    assert_eq!((&result["name"], &result["time"]), (&"counts".into(), &2000.into()));
    assert_eq!(shown(&result), [["<b>be</b>", "2"], ["to", "4"]]);
    assert_eq!(result["history"].as_array().unwrap().len(), 2);
    assert_eq!(json(&page, &format!("{STREAMING}/results"))[0]["history"], serde_json::json!([]));
    ssc.stop(Stop::Now).unwrap();
}

/// What is not there is not found, and says so; nothing panics.
#[test]
fn unknown_things_are_not_found() {
    let (ssc, _clock, page) = word_count(1, Page::new());
    for path in [
        "/nothing",
        "/assets/../page.rs",
        "/assets/%2e%2e%2fpage.rs",
        "/assets/",
        "/api/batches/",
        "/api/batches/17",
        "/api/batches/NaN",
        "/api/batches/99999999999999999999999999",
        "/api/v1/applications/other/streaming/statistics",
        "/api/v1/applications/words/7/streaming/statistics",
        "/api/v1/applications/words/streaming",
        "/api/v1/applications/words/streaming/nothing",
        "/api/v1/applications/words/streaming/receivers/9",
        "/api/v1/applications/words/streaming/receivers/-1",
        "/api/v1/applications/words/streaming/batches/17",
        "/api/v1/applications/words/streaming/batches/1000/operations/17",
        "/api/v1/applications/words/streaming/batches/1000/operations/x",
        "/api/v1/applications/words/streaming/results/7",
        "/api/v1/applications/words/streaming/results/-7",
        "/api/v1/applications/%00/streaming/statistics",
    ] {
        assert_eq!(status_of(&page, path), 404, "{path}");
    }
    assert_eq!(status_of(&page, &format!("{STREAMING}/batches?status=DONE")), 400);
    assert_eq!(status_of(&page, &format!("{STREAMING}/batches?&&=&status&x=%")), 200);
    assert_eq!(status_of(&page, "/api/v1/applications/%ff%fe/streaming/statistics"), 400);
    assert_eq!(status_of(&page, "/"), 200);
    ssc.stop(Stop::Now).unwrap();
}

/// Requests that are none, or too large, end their own connection; the next one is answered.
#[test]
fn malformed_requests_end_their_own_connection() {
    let (ssc, _clock, page) = word_count(1, Page::new());
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(100_000));
    let long_header = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many: String = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    let requests: [&[u8]; 12] = [
        b"",
        b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET \x00\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nbody",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: what\r\nContent-Length: 5\r\n\r\nzz",
        long_path.as_bytes(),
        long_header.as_bytes(),
        many.as_bytes(),
    ];
    for request in requests {
        let answer = raw(&page, request);
        let text = String::from_utf8_lossy(&answer);
        let first = text.lines().next().unwrap_or_default();
        assert!(
            !first.contains(" 200 "),
            "{:?}: {first}",
            String::from_utf8_lossy(&request[..request.len().min(60)])
        );
        assert_eq!(status_of(&page, "/"), 200);
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QWERTY"] {
        let answer = ask(&page, method, "/metrics", "localhost", "");
        assert!(answer.starts_with("HTTP/1.1 405"), "{method}: {answer}");
    }
    ssc.stop(Stop::Now).unwrap();
}

/// Requests that chance makes of the parts of real ones: whatever comes, nothing panics, and the next one is answered.
#[test]
fn random_requests_do_no_harm() {
    const PARTS: &[&str] = &[
        "GET ",
        "POST ",
        "/api/v1/applications/words/streaming/batches",
        "/",
        "?status=",
        "%",
        "%00",
        "%ff",
        "..",
        "\\",
        " HTTP/1.1",
        " HTTP/1.0",
        "\r\n",
        "\n",
        "\r\n\r\n",
        "Host: localhost",
        "Host: ",
        ": ",
        "Content-Length: 7",
        "Transfer-Encoding: chunked",
        "ffffffffffffffff\r\n",
        "Authorization: Basic ",
        "Authorization: Bearer \u{ff}",
        "Accept: ",
        "Expect: 100-continue",
        "Connection: upgrade",
        "\0",
        "\u{1f30a}",
        "99999999999999999999",
        "-1",
    ];
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        told(panic);
    }));
    let (ssc, _clock, page) = word_count(1, Page::new());
    let mut random = Rng::new(42);
    let mut answered = 0;
    for _ in 0..1000 {
        let mut request = String::new();
        if random.below(2) == 0 {
            request.push_str("GET /api/v1/applications/words/streaming/batches");
        }
        (0..random.below(30))
            .for_each(|_| request.push_str(PARTS[random.below(PARTS.len() as u64) as usize]));
        if random.below(2) == 0 {
            request.push_str(" HTTP/1.1\r\nHost: localhost\r\n\r\n");
        }
        answered += usize::from(raw(&page, request.as_bytes()).starts_with(b"HTTP/1.1"));
    }
    assert!(answered > 100, "{answered}");
    assert_eq!((status_of(&page, "/"), PANICS.load(Ordering::SeqCst)), (200, 0));
    ssc.stop(Stop::Now).unwrap();
}

/// More visitors than there is room for are sent away, and there is room again when the others leave. Those who watch
/// have a limit of their own, so that they leave room for questions.
#[test]
fn visitors_have_a_limit() {
    let (ssc, _clock, page) = word_count(1, Page::new());
    let mut watching: Vec<_> = (0..64).map(|_| speaking::Live::of(&page)).collect();
    watching.iter_mut().for_each(|live| live.until("event: live"));
    assert_eq!((status_of(&page, "/api/live"), status_of(&page, "/")), (503, 200));
    let mut silent: Vec<_> = (0..300).map(|_| speaking::connect(&page).unwrap()).collect();
    // The last ones found no room: their connection ends without a word.
    let mut word = [0];
    assert_eq!(silent.pop().unwrap().read(&mut word).unwrap_or(0), 0);
    drop((silent, watching));
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let is_let_in = |_| raw(&page, request).starts_with(b"HTTP/1.1 200");
    assert!((0..10_000).any(is_let_in), "nobody is let in again");
    ssc.stop(Stop::Now).unwrap();
}

/// Everything that is answered tells the browser to run nothing but the page's own scripts.
#[test]
fn every_answer_forbids_foreign_scripts() {
    let (ssc, _clock, page) = word_count(1, Page::new());
    for path in ["/", "/assets/page.js", "/metrics", "/api/overview", "/nothing", STREAMING] {
        let answer = get(&page, path).to_ascii_lowercase();
        assert!(answer.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{path}");
        assert!(
            answer.contains("x-content-type-options: nosniff") && answer.contains("x-frame-options: deny")
        );
        assert!(!answer.contains("unsafe-inline") && !answer.contains("access-control-allow"), "{path}");
    }
    ssc.stop(Stop::Now).unwrap();
}

/// A page of another host whose name leads here is not answered.
#[test]
fn only_the_machine_s_own_name_is_answered() {
    let (ssc, _clock, page) = word_count(1, Page::new());
    assert!(ask(&page, "GET", "/", "evil.example", "").starts_with("HTTP/1.1 403"));
    assert!(ask(&page, "GET", "/metrics", "127.0.0.1.evil.example:4040", "").starts_with("HTTP/1.1 403"));
    assert!(ask(&page, "GET", "/", "[::1]:4040", "").starts_with("HTTP/1.1 200"));
    assert!(!String::from_utf8_lossy(&raw(&page, b"GET / HTTP/1.1\r\n\r\n")).contains(" 200 "));
    ssc.stop(Stop::Now).unwrap();
}

#[test]
fn an_open_address_needs_a_secret_and_then_asks_for_it() {
    let build = |page: Page| StreamingContext::builder("door").watch(page).build();
    let refused = build(Page::new().at("0.0.0.0:0")).err().unwrap().to_string();
    assert!(refused.contains("0.0.0.0") && refused.contains("secret"), "{refused}");
    assert!(build(Page::new().at("127.0.0.1:0").secret("")).is_err());
    assert!(build(Page::new().at("not an address")).is_err());
    let (ssc, _clock, page) = word_count(1, Page::new().at("0.0.0.0:0").secret("open sesame"));
    for path in ["/", "/metrics", "/api/live", "/assets/page.js", "/nothing", STREAMING] {
        let answer = get(&page, path);
        assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("www-authenticate: basic"));
        assert!(!answer.contains("sesame"));
    }
    let with =
        |header: &str| ask(&page, "GET", "/metrics", "anything", &format!("Authorization: {header}\r\n"));
    assert!(with("Bearer open sesame").starts_with("HTTP/1.1 200"));
    assert!(with("Basic YW55b25lOm9wZW4gc2VzYW1l").starts_with("HTTP/1.1 200"));
    assert!(with("Bearer sesame").starts_with("HTTP/1.1 401"));
    assert!(with("Basic \u{fc}").starts_with("HTTP/1.1 401"));
    let whole = ask(&page, "GET", "/api/overview", "x", "Authorization: Bearer open sesame\r\n");
    assert!(whole.contains("\"settings\"") && !whole.contains("sesame"), "{whole}");
    ssc.stop(Stop::Now).unwrap();
}

/// T-137: the page, with its metrics, is there while the context is: from `build`, by its own port, to the end.
#[test]
fn the_page_ends_with_its_context() {
    let (ssc, _clock, page) = word_count(1, Page::new());
    assert_eq!((status_of(&page, "/"), status_of(&page, "/metrics")), (200, 200));
    // It shows one context.
    assert!(StreamingContext::builder("second").watch(page.clone()).build().is_err());
    ssc.stop(Stop::Now).unwrap();
    assert!(speaking::connect(&page).is_err());
    let never_started = Page::new();
    drop(StreamingContext::builder("never").watch(never_started.clone()).build().unwrap());
    assert!(speaking::connect(&never_started).is_err());
}

/// Live: everything that is known at first, then what is new, while visitors that say nothing harm nobody.
#[test]
fn what_is_new_is_told_at_once() {
    let page = Page::new();
    let builder =
        StreamingContext::builder("live").batch_interval(Duration::from_secs(1)).watch(page.clone());
    let (ssc, clock) = manual(builder).unwrap();
    ssc.queue_stream((0..3).map(|n| vec![n])).show("numbers");
    ssc.start().unwrap();
    let _silent: Vec<_> = (0..20).map(|_| speaking::connect(&page).unwrap()).collect();
    let mut live = speaking::Live::of(&page);
    live.until("event: known");
    live.until("event: live");
    live.until("\"rows\":[]");
    clock.advance_batches(1);
    live.until("\"rows\":[[\"0\"]]");
    clock.advance_batches(1);
    live.until("\"rows\":[[\"1\"]]");
    ssc.stop(Stop::Now).unwrap();
}

/// Names and units by the conventions of Prometheus; labels are escaped.
#[test]
fn metrics_are_what_prometheus_reads() {
    let (ssc, _clock, page) = word_count(3, Page::new());
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1\r\n";
    let answer = ask(&page, "GET", "/metrics", "localhost", accept);
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/openmetrics-text"), "{head}");
    // Who does not ask for it has Prometheus's own format, where a counter is described by its whole name.
    let plain = get(&page, "/metrics");
    assert!(plain.contains("content-type: text/plain; version=0.0.4"), "{plain}");
    assert!(plain.contains(
        "\n# TYPE waterclock_batches_completed_total counter\nwaterclock_batches_completed_total 3"
    ));
    assert!(plain.contains("\n# TYPE waterclock_keeps_up gauge\n") && !plain.contains("# EOF"));
    let samples = speaking::parse_metrics(text);
    let value = |name: &str| samples.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    assert_eq!(value("waterclock_batches_completed_total"), Some(3.0));
    assert_eq!(value("waterclock_batches_failed_total"), Some(1.0));
    assert_eq!(value("waterclock_batch_interval_seconds"), Some(1.0));
    assert_eq!(value("waterclock_keeps_up"), Some(1.0));
    assert_eq!(value("waterclock_batch_processing_time_seconds_count"), Some(3.0));
    assert_eq!(value("waterclock_batch_processing_time_seconds_bucket{le=\"+Inf\"}"), Some(3.0));
    assert_eq!(value("waterclock_memory_used_bytes{share=\"received\"}"), Some(0.0));
    assert_eq!(value("waterclock_memory_on_disk_bytes"), Some(0.0));
    assert_eq!(value("waterclock_latency_target_seconds"), None);
    let hostile = "waterclock_input_records_total{input=\"a \\\"quoted\\\" \\\\ name\\nover two lines\"}";
    assert_eq!(value(hostile), Some(9.0), "{samples:?}");
    ssc.stop(Stop::Now).unwrap();
}
