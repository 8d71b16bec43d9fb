//! Goal: each file that appears in a watched directory is in exactly one batch, by documented rules.
//! Method: real files with the times that the rules speak of, in virtual time.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::panic::panic_any;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{SECOND, ear, put, touch, warnings};
use waterclock_base::world::lock;
use waterclock_base::{Error, Event, SparkRules, Text};
use waterclock_streaming::testing::{TestClock, manual, manual_context};
use waterclock_streaming::{Builder, Collected, FileOptions, Stop, StreamingContext};

fn builder() -> Builder {
    StreamingContext::builder("files").batch_interval(SECOND).threads(2)
}

/// A directory, and a context whose clock shows ten minutes.
fn world(builder: Builder) -> (tempfile::TempDir, StreamingContext, TestClock) {
    let (ssc, clock) = manual(builder).unwrap();
    clock.advance(Duration::from_secs(600));
    (tempfile::tempdir().unwrap(), ssc, clock)
}

fn all(seen: &Collected<Text>) -> Vec<Text> {
    seen.all().into_iter().flat_map(|(_, batch)| batch).collect()
}

fn make_dir(path: &Path) {
    std::fs::create_dir_all(path).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test is the world")]
fn move_to(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

/// T-088: records of a fixed length, file by file and batch by batch.
#[test]
fn binary_records_have_a_fixed_length() {
    let (dir, ssc, clock) = world(builder());
    let bytes = ssc.binary_records_stream(dir.path(), 1).unwrap().collect_batches();
    let pairs = ssc.binary_records_stream(dir.path(), 2).unwrap().collect_batches();
    ssc.start().unwrap();
    for n in 1..=5u8 {
        put(dir.path(), &n.to_string(), [n, n + 1], 600_000 + u64::from(n) * 1000);
        clock.advance_batches(1);
        assert_eq!(bytes.nth(u32::from(n)).unwrap(), [[n], [n + 1]]);
        assert_eq!(pairs.nth(u32::from(n)).unwrap(), [[n, n + 1]]);
    }
    ssc.stop(Stop::Now).unwrap();
}

/// Bad input: a file that is not a whole number of records fails its batch, with both lengths; so does a
/// length of zero, at once.
#[test]
fn a_wrong_record_length_is_an_error() {
    let (dir, ssc, clock) = world(builder());
    assert!(matches!(ssc.binary_records_stream(dir.path(), 0), Err(Error::Definition { .. })));
    let seen = ssc.binary_records_stream(dir.path(), 3).unwrap().collect_batches();
    ssc.start().unwrap();
    put(dir.path(), "odd", b"abcd", 600_500);
    clock.advance_batches(1);
    put(dir.path(), "even", b"abcdef", 601_500);
    clock.advance_batches(1);
    let error = format!("{:?}", ssc.await_termination().unwrap_err());
    for part in ["records of 3 bytes", "odd", "length of 4 bytes", "binary_records_stream at"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!((seen.nth(1), seen.nth(2).unwrap().len()), (None, 2));
    ssc.stop(Stop::Now).unwrap();
}

/// T-089: a file that was there before the stream is not read; each new one is, once.
#[test]
fn files_that_were_there_before_are_left_out() {
    let (dir, ssc, clock) = world(builder());
    put(dir.path(), "before", "old\n", 600_000);
    let heard = ear(&ssc);
    let seen = ssc.text_file_stream(dir.path()).unwrap().collect_batches();
    ssc.start().unwrap();
    for n in 1..=3u32 {
        put(dir.path(), &n.to_string(), format!("{n}\n"), 600_000 + u64::from(n) * 1000);
        clock.advance_batches(1);
        assert_eq!(seen.nth(n).unwrap(), [n.to_string()]);
    }
    clock.advance_batches(100);
    let batch = ssc.status().last_completed.unwrap();
    assert_eq!((batch.inputs[0].records, &*batch.inputs[0].description), (0, ""));
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), ["1", "2", "3"]);
    assert_eq!(warnings(&heard, ""), 0);
}

/// T-090: with `new_files_only(false)` it is read, if it is recent enough; what is not, is told.
#[test]
fn files_that_were_there_before_are_read_on_demand() {
    let (dir, ssc, clock) = world(builder());
    put(dir.path(), "recent", "recent\n", 600_000);
    put(dir.path(), "at the threshold", "too old\n", 541_000);
    put(dir.path(), "just after", "just recent enough\n", 541_001);
    let heard = ear(&ssc);
    let options = FileOptions::new().new_files_only(false);
    let seen = ssc.text_file_stream_with(dir.path(), options).unwrap().collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(1);
    assert_eq!(seen.nth(1).unwrap(), ["just recent enough", "recent"]);
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen).len(), 2);
    assert_eq!(warnings(&heard, "1 file is not read"), 1);
    assert_eq!(warnings(&heard, "at the threshold"), 1);
}

/// How far back it looks is set by the builder, in whole slides.
#[test]
fn the_builder_sets_how_far_back_files_are_looked_for() {
    let (dir, ssc, clock) = world(builder().file_min_remember(Duration::from_millis(2500)));
    put(dir.path(), "at the threshold", "too old\n", 598_000);
    put(dir.path(), "just after", "just recent enough\n", 598_001);
    let heard = ear(&ssc);
    let options = FileOptions::new().new_files_only(false);
    let seen = ssc.text_file_stream_with(dir.path(), options).unwrap().collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(1);
    put(dir.path(), "late", "late, but within three seconds\n", 600_001);
    clock.advance_batches(2);
    put(dir.path(), "too late", "three seconds ago\n", 601_000);
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), ["just recent enough", "late, but within three seconds"]);
    assert_eq!(warnings(&heard, "at the threshold"), 1);
}

/// T-091: a pattern matches directories; the files directly in them are read, whatever their depth not those
/// further down.
#[test]
fn a_pattern_matches_directories() {
    let (dir, ssc, clock) = world(builder());
    for sub in ["sub1", "sub2", "other", ".sub3", "sub1/deep"] {
        make_dir(&dir.path().join(sub));
    }
    let seen = ssc.text_file_stream(dir.path().join("{sub*,more}")).unwrap().collect_batches();
    ssc.start().unwrap();
    for (n, sub) in (1..).zip(["sub1", "sub2", "other", ".sub3", "sub1/deep"]) {
        put(&dir.path().join(sub), "file", format!("{sub}\n"), 600_000 + n);
    }
    put(dir.path(), "sub-file", "not in a directory that matches\n", 600_500);
    clock.advance_batches(1);
    assert_eq!(seen.nth(1).unwrap(), ["sub1", "sub2"]);
    make_dir(&dir.path().join("more"));
    put(&dir.path().join("more"), "file", "more\n", 601_500);
    clock.advance_batches(1);
    assert_eq!(seen.nth(2).unwrap(), ["more"]);
    ssc.stop(Stop::Now).unwrap();
    for bad in ["{a", "[a", ""] {
        let (ssc, _clock) = manual(builder()).unwrap();
        assert!(matches!(ssc.text_file_stream(bad), Err(Error::Definition { .. })));
    }
}

/// T-092: a directory is moved to where the pattern finds it: its files count by the times when they were
/// written, and the one that is too old is told.
#[test]
fn a_directory_may_be_moved_in() {
    let (dir, ssc, clock) = world(builder());
    let (outside, inside) = (dir.path().join("outside"), dir.path().join("watched"));
    make_dir(&outside.join("sub"));
    make_dir(&inside);
    let heard = ear(&ssc);
    let seen = ssc.text_file_stream(inside.join("*")).unwrap().collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(70);
    put(&outside.join("sub"), "old", "old\n", 605_000);
    put(&outside.join("sub"), "fresh", "fresh\n", 669_500);
    move_to(&outside.join("sub"), &inside.join("renamed"));
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), ["fresh"]);
    assert_eq!(warnings(&heard, "renamed/old"), 1);
}

/// The non-recovery part of T-109: files of several batches under a window, and a running sum.
#[test]
fn files_under_a_window() {
    let (dir, ssc, clock) = world(builder());
    let numbers = ssc.text_file_stream(dir.path()).unwrap().map(|line| line.parse::<u64>().unwrap());
    let sums = numbers.window(SECOND * 30).reduce(|a, b| a + b).collect_batches();
    ssc.start().unwrap();
    for n in 1..=9u64 {
        put(dir.path(), &n.to_string(), format!("{n}\n"), 600_000 + n * 1000);
        clock.advance_batches(1);
    }
    ssc.stop(Stop::Now).unwrap();
    let sums: Vec<u64> = sums.all().into_iter().flat_map(|(_, sums)| sums).collect();
    assert_eq!(sums, [1, 3, 6, 10, 15, 21, 28, 36, 45]);
}

/// Within a batch the order is that of times, then of paths, in few partitions or one for each file.
#[test]
fn files_are_read_in_the_order_of_their_times() {
    for (rule, partitions) in [(false, 2), (true, 4)] {
        let mut rules = SparkRules::default();
        rules.one_partition_per_block = rule;
        let (dir, ssc, clock) = world(builder().spark_rules(rules));
        let seen = ssc.text_file_stream(dir.path()).unwrap().glom().collect_batches();
        ssc.start().unwrap();
        for (name, time) in [("b", 600_700), ("c", 600_100), ("a", 600_700), ("d", 600_001)] {
            put(dir.path(), name, format!("{name}\n"), time);
        }
        clock.advance_batches(1);
        let batch = ssc.status().last_completed.unwrap();
        assert_eq!(batch.inputs[0].description.lines().count(), 4);
        ssc.stop(Stop::Now).unwrap();
        let parts = seen.nth(1).unwrap();
        assert_eq!(
            (parts.len(), parts.concat()),
            (partitions, ["d", "c", "a", "b"].map(Text::from).to_vec())
        );
    }
}

/// A file from the future waits; one that grew is not read again; one that was replaced is.
#[test]
fn times_and_identities_decide() {
    let (dir, ssc, clock) = world(builder());
    let seen = ssc.text_file_stream(dir.path()).unwrap().collect_batches();
    ssc.start().unwrap();
    put(dir.path(), "future", "future\n", 602_500);
    put(dir.path(), "latest", "one\n", 600_500);
    clock.advance_batches(1);
    assert_eq!(seen.nth(1).unwrap(), ["one"]);
    {
        use std::io::Write;
        let mut grown = std::fs::File::options().append(true).open(dir.path().join("latest")).unwrap();
        grown.write_all(b"appended\n").unwrap();
    }
    touch(&dir.path().join("latest"), 601_200);
    clock.advance_batches(1);
    assert_eq!(seen.nth(2).unwrap(), Vec::<Text>::new());
    put(dir.path(), "latest", "two\n", 602_100);
    clock.advance_batches(1);
    assert_eq!(seen.nth(3).unwrap(), ["two", "future"]);
    clock.advance_batches(80);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&seen), ["one", "two", "future"]);
}

/// What panics once more when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

/// A filter of the program's own takes the place of the rule about dots; one that panics lets a file wait.
#[test]
fn filters_choose_files() {
    let (dir, ssc, clock) = world(builder());
    let heard = ear(&ssc);
    let plain = ssc.text_file_stream(dir.path()).unwrap().collect_batches();
    let ready = Arc::new(Mutex::new(false));
    let is_ready = ready.clone();
    let options = FileOptions::new().filter(move |path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "later" && !*lock(&is_ready) {
            panic_any(Bomb);
        }
        name.starts_with('.') || name == "later"
    });
    let chosen = ssc.text_file_stream_with(dir.path(), options).unwrap().collect_batches();
    ssc.start().unwrap();
    for name in ["plain", ".hidden", "later"] {
        put(dir.path(), name, format!("{name}\n"), 600_500);
    }
    clock.advance_batches(2);
    assert_eq!(all(&plain), ["later", "plain"]);
    assert_eq!(all(&chosen), [".hidden"]);
    *lock(&ready) = true;
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(all(&chosen), [".hidden", "later"]);
    assert_eq!(warnings(&heard, "the filter panicked"), 1);
}

/// Bad input: a directory that does not exist gives empty batches and one warning, and may appear later.
#[test]
fn a_directory_may_be_missing() {
    let (dir, ssc, clock) = world(builder());
    let heard = ear(&ssc);
    let (missing, pattern) = (dir.path().join("missing"), dir.path().join("miss*/[ab]"));
    let seen = ssc.text_file_stream(&missing).unwrap().collect_batches();
    let found = ssc.text_file_stream(pattern).unwrap().collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(3);
    assert_eq!(seen.nth(3), Some(vec![]));
    make_dir(&missing.join("a"));
    put(&missing, "file", "there\n", 603_500);
    put(&missing.join("a"), "file", "found\n", 603_500);
    clock.advance_batches(1);
    assert_eq!((all(&seen), all(&found)), (vec![Text::from("there")], vec![Text::from("found")]));
    move_to(&missing, &dir.path().join("gone"));
    clock.advance_batches(3);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(warnings(&heard, "missing: No such file"), 2);
    assert_eq!(warnings(&heard, "no directory matches"), 2);
    assert_eq!(ssc.status().failed_batches, 0);
}

/// Bad input: an empty file is skipped, with a warning.
#[test]
fn an_empty_file_is_skipped() {
    let (dir, ssc, clock) = world(builder());
    let heard = ear(&ssc);
    let seen = ssc.text_file_stream(dir.path()).unwrap().glom().collect_batches();
    ssc.start().unwrap();
    put(dir.path(), "empty", "", 600_500);
    put(dir.path(), "full", "line\n", 600_500);
    clock.advance_batches(2);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!((seen.nth(1).unwrap().len(), seen.nth(2).unwrap().len()), (1, 0));
    assert_eq!(warnings(&heard, "1 file is empty"), 1);
}

/// Bad input: lines that are not UTF-8 or too long are dropped and counted once, whoever reads them.
#[test]
fn bad_lines_are_dropped_and_counted_once() {
    let (dir, ssc, clock) = world(builder().max_line_bytes(10));
    let heard = ear(&ssc);
    let lines = ssc.text_file_stream(dir.path()).unwrap();
    let (seen, words) = (lines.collect_batches(), lines.words().collect_batches());
    ssc.start().unwrap();
    put(dir.path(), "file", b"good\r\nb\xff\nfar too long for it\nthe end", 600_500);
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(
        (all(&seen), all(&words)),
        (vec!["good".into(), "the end".into()], ["good", "the", "end"].map(Text::from).to_vec())
    );
    assert_eq!(ssc.status().dropped_records, 2);
    let dropped = |event: &&Event| matches!(event, Event::RecordsDropped { records: 1, .. });
    assert_eq!(lock(&heard).iter().filter(dropped).count(), 2);
}

/// A large file is shared by all threads, cut at line ends.
#[test]
fn a_large_file_is_cut_into_pieces() {
    let (dir, ssc, clock) = world(builder());
    let lines = ssc.text_file_stream(dir.path()).unwrap();
    let sizes = lines.map_partitions(|lines| [lines.count() as u64]).collect_batches();
    let sum = lines.map(|line| line.split(' ').next_back().unwrap().parse::<u64>().unwrap());
    let sum = sum.reduce(|a, b| a + b).collect_batches();
    ssc.start().unwrap();
    let count = 400_000u64;
    let text: String = (0..count).map(|n| format!("this is line number {n}\n")).collect();
    assert!(text.len() > 10 << 20);
    put(dir.path(), "large", text, 600_500);
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    let sizes = sizes.nth(1).unwrap();
    assert_eq!((sizes.len(), sizes.iter().sum::<u64>()), (2, count));
    assert!(sizes.iter().all(|size| *size > count / 3), "{sizes:?}");
    assert_eq!(sum.nth(1).unwrap(), [count * (count - 1) / 2]);
}

/// A closure reads whole files; its error fails the batch and names the file.
#[test]
fn a_closure_may_read_files() {
    use std::io::Read;
    let (dir, ssc, clock) = world(builder());
    let files = ssc.file_stream(dir.path(), FileOptions::new(), |file, record| {
        let mut content = String::new();
        file.read_to_string(&mut content)?;
        if content.contains("bad") {
            return Err("it is bad".into());
        }
        let name = file.path().file_name().map(|name| name.to_string_lossy().into_owned());
        record((name.unwrap_or_default(), content, file.len()));
        Ok(())
    });
    let seen = files.unwrap().collect_batches();
    ssc.start().unwrap();
    put(dir.path(), "a", "one\ntwo", 600_400);
    put(dir.path(), "b", "three", 600_500);
    clock.advance_batches(1);
    put(dir.path(), "c", "bad", 601_500);
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    let expected = [("a".to_owned(), "one\ntwo".to_owned(), 7), ("b".into(), "three".into(), 5)];
    assert_eq!(seen.nth(1).unwrap(), expected);
    let error = format!("{:?}", ssc.await_termination().unwrap_err());
    assert!(error.contains("it is bad") && error.contains("/c"), "{error}");
}

/// A definition after the start is refused.
#[test]
fn files_are_defined_before_the_start() {
    let (ssc, _clock) = manual_context("late", SECOND).unwrap();
    ssc.queue_stream(vec![vec![1]]).count().collect_batches();
    ssc.start().unwrap();
    assert!(matches!(ssc.text_file_stream("/tmp"), Err(Error::Lifecycle { .. })));
    ssc.stop(Stop::Now).unwrap();
}
