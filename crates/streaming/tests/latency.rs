//! Goal: under a latency target batches follow the load, and windows, state and replay are as with a fixed interval.
//! Method: virtual time; batches cost none of it, but where a test says so. The decision itself is tested in
//! `batch/pace`.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod common;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{SECOND, ear, eventually};
use waterclock_base::world::lock;
use waterclock_base::{BatchInterval, BatchTime, BoxError, Error, Event};
use waterclock_engine::Keyed;
use waterclock_streaming::testing::{TestClock, get_or_create, manual};
use waterclock_streaming::{
    Builder, Collected, DStream, RangeSource, State, StateSpec, Stop, StreamingContext,
};

const TARGET: Duration = Duration::from_millis(100);
const STEP: Duration = Duration::from_millis(5);

fn builder() -> Builder {
    StreamingContext::builder("latency").latency(TARGET).threads(2)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Numbers at a rate of a thousand a second, summed by what is left of a division by three.
fn keyed(ssc: &StreamingContext) -> DStream<(u64, u64)> {
    ssc.generator_stream(1000, |n| (n % 3, n)).unwrap()
}

type Sums = Collected<(u64, u64)>;

/// Windows of all kinds that slide every half second.
fn windows(ssc: &StreamingContext) -> Vec<Sums> {
    let input = keyed(ssc);
    let half = ms(500);
    let inverse = input.reduce_by_key_and_window_inverse_with(
        |a, b| a + b,
        |a, b| a - b,
        SECOND,
        half,
        Keyed::new().partitions(2),
    );
    vec![
        input.window_sliding(SECOND, half).reduce_by_key(|a, b| a + b).collect_batches(),
        // One whose begin is not a multiple of the slide.
        input.reduce_by_key_and_window(|a, b| a + b, ms(700), half).collect_batches(),
        inverse.collect_batches(),
    ]
}

fn run(builder: Builder, define: impl Fn(&StreamingContext) -> Vec<Sums>, millis: u32) -> (Vec<Sums>, u64) {
    let (ssc, clock) = manual(builder).unwrap();
    let sums = define(&ssc);
    ssc.start().unwrap();
    clock.advance_batches(millis / 5);
    let batches = ssc.status().completed_batches;
    ssc.stop(Stop::Now).unwrap();
    ssc.await_termination().unwrap();
    (sums, batches)
}

fn sorted(sums: &Sums) -> Vec<(BatchTime, Vec<(u64, u64)>)> {
    let mut all = sums.all();
    all.iter_mut().for_each(|(_, sums)| sums.sort());
    all
}

/// Windows have the same records as with batches of one step each, though batches are ten times as long.
#[test]
fn windows_do_not_depend_on_the_pace() {
    let (paced, batches) = run(builder(), windows, 4000);
    let fixed = StreamingContext::builder("fixed").batch_interval(STEP).threads(2);
    let (stepped, steps) = run(fixed, windows, 4000);
    assert_eq!(steps, 800);
    assert!(batches <= 100, "{batches}");
    for (paced, stepped) in paced.iter().zip(&stepped) {
        assert_eq!(sorted(paced), sorted(stepped));
        assert_eq!(paced.all().len(), 8);
    }
}

/// State and windows that move on with each batch: at the end of a batch they are what they are there with short ones.
#[test]
fn state_does_not_depend_on_the_pace() {
    let define = |ssc: &StreamingContext| -> Vec<Sums> {
        let input = keyed(ssc);
        let add = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>());
        let total = StateSpec::function(|_, _: &u64, value: Option<u64>, sum: &mut State<'_, u64>| {
            let all = sum.get().copied().unwrap_or(0) + value?;
            sum.update(all);
            Some(all)
        });
        let inverse = input.reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, SECOND, STEP);
        vec![
            input.update_state_by_key(add).collect_batches(),
            input.map_with_state(total).state_snapshots().collect_batches(),
            inverse.collect_batches(),
        ]
    };
    let (paced, batches) = run(builder(), define, 3000);
    let fixed = StreamingContext::builder("fixed").batch_interval(STEP).threads(2);
    let (stepped, _) = run(fixed, define, 3000);
    assert!((50..=80).contains(&batches), "{batches}");
    for (paced, stepped) in paced.iter().zip(&stepped) {
        let (paced, stepped) = (sorted(paced), sorted(stepped));
        for batch in &paced {
            assert!(stepped.contains(batch), "{batch:?}");
        }
        assert_eq!(paced.last(), stepped.last());
    }
}

/// Stores numbers as fast as it may, until it has stored so many.
fn burst(ssc: &StreamingContext, count: u64, done: &Arc<AtomicBool>) -> Collected<u64> {
    let done = done.clone();
    let numbers = ssc.receiver_stream(move |out| {
        for n in 0..count {
            out.store(n)?;
        }
        done.store(true, Ordering::SeqCst);
        out.until_stopped();
        Ok(())
    });
    numbers.collect_batches()
}

/// The first batch is bounded as well, and none takes more than twice of what was seen before. Nothing is lost, and the
/// order stays.
#[test]
fn a_burst_is_taken_in_parts_that_grow() {
    let (ssc, clock) = manual(builder()).unwrap();
    let done = Arc::default();
    let seen = burst(&ssc, 20_000, &done);
    let heard = ear(&ssc);
    ssc.start().unwrap();
    while !done.load(Ordering::SeqCst) {
        clock.advance_batches(1);
    }
    clock.stop_gracefully().unwrap();
    let batches: Vec<Vec<u64>> = seen.all().into_iter().map(|(_, numbers)| numbers).collect();
    let most = batches.iter().map(Vec::len).scan(100, |most, len| {
        let before = *most;
        *most = before.max(2 * len);
        Some((before, len))
    });
    assert!(
        most.into_iter().all(|(most, len)| len <= most),
        "{:?}",
        batches.iter().map(Vec::len).collect::<Vec<_>>()
    );
    assert_eq!(batches.concat(), (0..20_000).collect::<Vec<_>>());
    eventually("nobody is told", || lock(&heard).iter().any(|event| matches!(event, Event::PaceChanged(_))));
    assert_eq!(ssc.status().pace.map(|pace| pace.target_ms), Some(100));
}

/// The status has the pace from the start on, and of each batch, though listeners are told of changes only.
#[test]
fn the_status_has_the_pace_of_the_newest_batch() {
    let (ssc, clock) = manual(builder()).unwrap();
    keyed(&ssc).register();
    let heard = ear(&ssc);
    ssc.start().unwrap();
    let before = ssc.status().pace.unwrap();
    assert_eq!((before.target_ms, before.time), (100, BatchTime::ZERO));
    clock.advance_batches(400);
    let status = ssc.status();
    let newest = status.completed[0].info.time();
    assert_eq!(status.pace.map(|pace| (pace.time, pace.overloaded)), Some((newest, false)));
    assert!(status.health.keeps_up && status.completed_batches > 20);
    ssc.stop(Stop::Now).unwrap();
    let told = lock(&heard).iter().filter(|event| matches!(event, Event::PaceChanged(_))).count();
    assert!(told < 5, "{told}");
}

/// A graceful stop takes all that waits, however much a batch may have.
#[test]
fn a_graceful_stop_takes_everything() {
    let (ssc, clock) = manual(builder()).unwrap();
    let done = Arc::default();
    let seen = burst(&ssc, 100, &done);
    ssc.start().unwrap();
    eventually("the receiver is held back", || done.load(Ordering::SeqCst));
    clock.stop_gracefully().unwrap();
    assert_eq!(
        seen.all().into_iter().flat_map(|(_, numbers)| numbers).collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
}

/// What batches covered is in the log: a program that is started again goes on with the same windows and state, and
/// makes up for the time between in as few batches as windows allow.
#[test]
fn a_restart_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut sums = Vec::new();
    let mut batches = Vec::new();
    for (start, steps) in [(0, 250), (11_000, 150)] {
        let mut collected = None;
        let start = BatchTime::from_millis(start);
        let (ssc, clock): (StreamingContext, TestClock) = get_or_create(dir.path(), start, |builder| {
            let ssc = builder.latency(TARGET).threads(2).build()?;
            let input = keyed(&ssc).named("numbers");
            let window = input.reduce_by_key_and_window_inverse(|a, b| a + b, |a, b| a - b, SECOND, ms(500));
            let add = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>());
            let total = input.update_state_by_key(add).named("total");
            collected = Some((window.named("window").collect_batches(), total.collect_batches()));
            Ok(ssc)
        })
        .unwrap();
        ssc.start().unwrap();
        clock.advance_batches(steps);
        batches.push(ssc.status().completed_batches);
        ssc.stop(Stop::Now).unwrap();
        ssc.await_termination().unwrap();
        sums.extend(collected);
    }
    // 9.75 s were missed, in which 19 windows ended.
    assert!(batches[0] <= 30 && batches[1] <= 40, "{batches:?}");
    let expected = |from: u64, to: u64| -> Vec<(u64, u64)> {
        (0..3).map(|key| (key, (from..to).filter(|n| n % 3 == key).sum())).collect()
    };
    let (window, total) = &sums[1];
    for (time, sums) in sorted(window) {
        let end = time.as_millis() as u64;
        assert_eq!(sums, expected(end - 1000, end), "{time}");
    }
    assert_eq!(sorted(total).last().unwrap(), &(BatchTime::from_millis(11_750), expected(0, 11_750)));
}

/// So many numbers, which are there already.
struct Backlog(Arc<AtomicU64>);

impl RangeSource<u64> for Backlog {
    type Range = Range<u64>;

    fn next(&self, before: Option<&Range<u64>>, interval: BatchInterval) -> Result<Range<u64>, BoxError> {
        self.next_at_most(before, interval, u64::MAX)
    }

    fn next_at_most(
        &self,
        before: Option<&Range<u64>>,
        _: BatchInterval,
        records: u64,
    ) -> Result<Range<u64>, BoxError> {
        let (from, there) = (before.map_or(0, |before| before.end), self.0.load(Ordering::SeqCst));
        Ok(from..there.min(from.saturating_add(records)))
    }

    fn partitions(&self, _: &Range<u64>) -> usize {
        1
    }

    fn records(&self, range: &Range<u64>) -> u64 {
        range.end - range.start
    }

    fn describe(&self, range: &Range<u64>) -> String {
        format!("{range:?}")
    }

    fn read(
        &self,
        range: &Range<u64>,
        _: usize,
        out: &mut dyn FnMut(u64) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        range.clone().try_for_each(out)
    }
}

/// What has queued up while nothing ran is split as well: the batches that make up for the time between take no more
/// than others, and those after them the rest.
#[test]
fn what_queued_up_between_is_taken_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let there = Arc::<AtomicU64>::default();
    let live = |now: i64, steps: u32, stop: Stop| {
        let mut seen = None;
        let (ssc, clock) = get_or_create(dir.path(), BatchTime::from_millis(now), |builder| {
            let ssc = builder.latency(TARGET).threads(2).build()?;
            let (numbers, _) = ssc.range_stream("backlog", Backlog(there.clone()));
            seen = Some(numbers.named("numbers").collect_batches());
            Ok(ssc)
        })
        .unwrap();
        ssc.start().unwrap();
        clock.advance_batches(steps);
        match stop {
            Stop::Gracefully => clock.stop_gracefully().unwrap(),
            stop => ssc.stop(stop).unwrap(),
        }
        seen.map(|seen| seen.all()).unwrap_or_default()
    };
    there.store(50, Ordering::SeqCst);
    let before: Vec<u64> = live(0, 20, Stop::Now).into_iter().flat_map(|(_, batch)| batch).collect();
    assert_eq!(before, (0..50).collect::<Vec<_>>());
    there.store(20_000, Ordering::SeqCst);
    // A graceful stop in the middle of it leaves the rest to the next start.
    let lives = [live(60_000, 4, Stop::Gracefully), live(90_000, 200, Stop::Now)];
    let sizes = lives.each_ref().map(|life| life.iter().map(|(_, batch)| batch.len()).collect::<Vec<_>>());
    for sizes in &sizes {
        let mut most = 100;
        for size in sizes {
            assert!(*size <= most, "{sizes:?}");
            most = most.max(2 * size);
        }
    }
    assert!((200..15_000).contains(&sizes[0].iter().sum::<usize>()), "{sizes:?}");
    let after: Vec<u64> = lives.into_iter().flatten().flat_map(|(_, batch)| batch).collect();
    assert_eq!(after, (50..20_000).collect::<Vec<_>>());
}

#[test]
fn a_target_needs_steps() {
    let refused = builder().latency(ms(1)).build().map(drop).unwrap_err();
    assert!(matches!(refused, Error::Setting { setting: "latency", .. }), "{refused}");
    let given = builder().batch_interval(ms(20)).build().unwrap();
    assert_eq!(given.settings().batch_interval, ms(20));
    for (target, step) in [(2, 1), (100, 5), (150, 5), (1000, 50), (60_000, 2000)] {
        assert_eq!(builder().latency(ms(target)).build().unwrap().settings().batch_interval, ms(step));
    }
}
