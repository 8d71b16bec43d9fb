//! What was published by a process that did not live to say so, and what the next one makes of the same batch.
//! Method: the last output of a batch can't be published, so that the next process runs the batch again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test looks at files")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waterclock_base::{BatchTime, BoxError, Event};
use waterclock_streaming::testing::{self};
use waterclock_streaming::{BatchMark, BatchSink, SinkClass, Stop};

type Batches = Arc<Mutex<Vec<(BatchMark, Vec<i32>)>>>;

/// Keeps each batch once, or refuses all.
struct Shelf {
    batches: Batches,
    refuses: bool,
}

impl BatchSink<i32> for Shelf {
    type Part = Vec<i32>;

    fn class(&self) -> SinkClass {
        SinkClass::Transactional
    }

    fn stage(&self, _: &BatchMark, _: usize, records: Vec<i32>) -> Result<Vec<i32>, BoxError> {
        Ok(records)
    }

    fn publish(&self, batch: &BatchMark, parts: &[Vec<i32>]) -> Result<(), BoxError> {
        if self.refuses {
            return Err("no room".into());
        }
        let mut batches = self.batches.lock().unwrap();
        if !batches.iter().any(|(there, _)| there == batch) {
            batches.push((batch.clone(), parts.concat()));
        }
        Ok(())
    }

    fn is_as_published(&self, batch: &BatchMark, parts: &[Vec<i32>]) -> Result<Option<bool>, BoxError> {
        let batches = self.batches.lock().unwrap();
        let there = batches.iter().find(|(there, _)| there == batch);
        Ok(there.map(|(_, records)| *records == parts.concat()))
    }
}

/// Runs one batch of numbers that are multiplied; the warnings.
fn run(dir: &Path, now: i64, batches: u32, factor: i32, shelf: &Batches, refuses: bool) -> Vec<String> {
    let create = |builder: waterclock_streaming::Builder| {
        let ssc = builder.batch_interval(Duration::from_secs(1)).default_parallelism(2).build()?;
        let numbers = ssc.queue_stream(vec![vec![1, 2, 3]]).named("numbers").map(move |n| n * factor);
        numbers
            .map(|n| n.to_string())
            .save_as_text_files(format!("{}/out", dir.display()), "")
            .named("files");
        let (keeps, fails) =
            (Shelf { batches: shelf.clone(), refuses: false }, Shelf { batches: shelf.clone(), refuses });
        numbers.write_to(keeps).named("shelf");
        numbers.write_to(fails).named("last");
        Ok(ssc)
    };
    let (ssc, clock) =
        testing::get_or_create(dir.join("checkpoint"), BatchTime::from_millis(now), create).unwrap();
    let warnings = Arc::<Mutex<Vec<String>>>::default();
    let seen = warnings.clone();
    ssc.add_listener(move |event: &Event| {
        if let Event::Warning { text } = event {
            seen.lock().unwrap().push(text.clone());
        }
    });
    ssc.start().unwrap();
    clock.advance(Duration::ZERO);
    clock.advance_batches(batches);
    ssc.stop(Stop::Now).unwrap();
    drop((ssc, clock));
    warnings.lock().unwrap().clone()
}

fn files(dir: &Path) -> String {
    let part = |n: u32| std::fs::read_to_string(dir.join(format!("out-1000/part-0000{n}"))).unwrap();
    part(0) + &part(1)
}

#[test]
fn what_was_published_is_left_and_a_difference_is_told() {
    let (dir, shelf) = (tempfile::tempdir().unwrap(), Batches::default());
    assert_eq!(run(dir.path(), 0, 1, 1, &shelf, true), [""; 0]);
    assert_eq!(files(dir.path()), "1\n2\n3\n");
    let warnings = run(dir.path(), 1000, 0, 10, &shelf, false);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, output) in warnings.iter().zip(["files", "shelf"]) {
        assert!(
            warning.starts_with(&format!("output {output}: what was published of batch 1000 ms")),
            "{warning}"
        );
    }
    assert_eq!(files(dir.path()), "1\n2\n3\n");
    let shelf: Vec<_> =
        shelf.lock().unwrap().iter().map(|(mark, all)| (mark.output.clone(), all.clone())).collect();
    assert_eq!(shelf, [("shelf".into(), vec![1, 2, 3]), ("last".into(), vec![10, 20, 30])]);
}

#[test]
fn what_is_the_same_again_is_not_worth_a_word() {
    let (dir, shelf) = (tempfile::tempdir().unwrap(), Batches::default());
    run(dir.path(), 0, 1, 1, &shelf, true);
    assert_eq!(run(dir.path(), 1000, 1, 1, &shelf, false), [""; 0]);
}

/// The files of a release whose marks had no hash are known, and nothing is said of them.
#[test]
fn marks_without_a_hash_are_known() {
    let (dir, shelf) = (tempfile::tempdir().unwrap(), Batches::default());
    run(dir.path(), 0, 1, 1, &shelf, true);
    let mark = dir.path().join("out-1000/.batch");
    let text = std::fs::read_to_string(&mark).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!((words.len(), words[1], words[2].len()), (3, "1000", 16));
    std::fs::write(&mark, format!("{} {}\n", words[0], words[1])).unwrap();
    let warnings = run(dir.path(), 1000, 0, 10, &shelf, false);
    assert_eq!((warnings.len(), files(dir.path()).as_str()), (1, "1\n2\n3\n"));
}

/// What a sink is told of batches that another process had begun: the newest one before them that was published.
#[derive(Clone, Default)]
struct Told {
    earlier: Arc<Mutex<Vec<(i64, Option<i64>)>>>,
    refuses_from: i64,
}

impl BatchSink<i32> for Told {
    type Part = ();

    fn class(&self) -> SinkClass {
        SinkClass::Transactional
    }

    fn stage(&self, _: &BatchMark, _: usize, _: Vec<i32>) -> Result<(), BoxError> {
        Ok(())
    }

    fn publish(&self, batch: &BatchMark, _: &[()]) -> Result<(), BoxError> {
        if batch.time.as_millis() >= self.refuses_from { Err("killed".into()) } else { Ok(()) }
    }

    fn publish_again(
        &self,
        batch: &BatchMark,
        parts: &[()],
        earlier: Option<BatchTime>,
    ) -> Result<(), BoxError> {
        self.earlier.lock().unwrap().push((batch.time.as_millis(), earlier.map(BatchTime::as_millis)));
        self.publish(batch, parts)
    }
}

#[test]
fn a_sink_knows_what_it_has_published_before() {
    let dir = tempfile::tempdir().unwrap();
    let earlier = Arc::<Mutex<Vec<_>>>::default();
    let live = |now: i64, batches: u32, refuses_from: i64, output: &'static str| {
        let sink = Told { earlier: earlier.clone(), refuses_from };
        let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::from_millis(now), move |builder| {
            let ssc = builder.batch_interval(Duration::from_secs(1)).build()?;
            ssc.queue_stream(vec![vec![1]; 9]).named("numbers").write_to(sink).named(output);
            Ok(ssc)
        })
        .unwrap();
        ssc.start().unwrap();
        clock.advance(Duration::ZERO);
        clock.advance_batches(batches);
        ssc.stop(Stop::Now).unwrap();
        std::mem::take(&mut *earlier.lock().unwrap())
    };
    // The very first batch, then one that others came before: in this process, and in one before. Another output has
    // published nothing yet.
    assert_eq!(live(0, 1, 1000, "out"), []);
    assert_eq!(live(1000, 2, 3000, "out"), [(1000, None)]);
    assert_eq!(live(3000, 0, 0, "out"), [(3000, Some(2000))]);
    assert_eq!(live(3000, 0, 0, "other"), [(3000, None)]);
    assert_eq!(live(3000, 1, 9000, "out"), [(3000, Some(2000))]);
}

/// Whether the batch can be published, and with how many partitions a process begins: the warnings, and how many
/// partitions it has.
fn summed(dir: &Path, now: i64, batches: u32, partitions: usize, refuses: bool) -> (Vec<String>, usize) {
    let create = |builder: waterclock_streaming::Builder| {
        let builder = builder.batch_interval(Duration::from_secs(1)).default_parallelism(partitions);
        let ssc = builder.build()?;
        let numbers = ssc.queue_stream(vec![vec![1e16, 1.0, 1.0, 1.0, -1e16, 1.0, 1.0]]).named("numbers");
        let sums = numbers.map(|n| (0u8, n)).reduce_by_key(|a, b| a + b);
        let state = sums
            .update_state_by_key(|new, old: Option<f64>| Some(old.unwrap_or(0.0) + new.iter().sum::<f64>()));
        state
            .named("sums")
            .map(|sum| format!("{sum:?}"))
            .save_as_text_files(format!("{}/sums", dir.display()), "")
            .named("files");
        let batches = Batches::default();
        numbers.map(|n| n as i32).write_to(Shelf { batches, refuses }).named("shelf");
        Ok(ssc)
    };
    let (ssc, clock) =
        testing::get_or_create(dir.join("checkpoint"), BatchTime::from_millis(now), create).unwrap();
    let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = warnings.clone();
    ssc.add_listener(move |event: &Event| {
        if let Event::Warning { text } = event {
            heard.lock().unwrap().push(text.clone());
        }
    });
    ssc.start().unwrap();
    clock.advance_batches(batches);
    ssc.stop(if refuses { Stop::Now } else { Stop::Gracefully }).unwrap();
    (warnings.lock().unwrap().clone(), ssc.settings().default_parallelism)
}

/// The sum of floating-point numbers depends on how they are grouped: a batch that was begun keeps its partitions,
/// and so does the process that runs it again. The next one has those that the program asks for.
#[test]
fn another_parallelism_waits_for_what_was_begun() {
    let dir = tempfile::tempdir().unwrap();
    let saved = |time| {
        let dir = dir.path().join(format!("sums-{time}"));
        let parts = std::fs::read_dir(dir).unwrap().map(|part| part.unwrap().path());
        let mut parts: Vec<_> = parts.map(|part| (part.clone(), std::fs::read(part).unwrap())).collect();
        parts.sort();
        parts
    };
    assert_eq!(summed(dir.path(), 0, 1, 2, true), (vec![], 2));
    let published = saved(1000);
    let (warnings, partitions) = summed(dir.path(), 1000, 1, 5, false);
    let held = "1000 ms was begun with 2 partitions, which this process keeps instead of 5";
    assert!(
        partitions == 2 && warnings.len() == 1 && warnings[0].contains(held),
        "{partitions}, {warnings:?}"
    );
    assert_eq!(saved(1000), published);
    assert_eq!(summed(dir.path(), 2000, 1, 5, false), (vec![], 5));
}
