//! What the program is given: its input, and where it says what is expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use waterclock_base::world::{Clock, ManualClock, Rng, lock};
use waterclock_base::{BatchTime, Record, Result, Text, key_hash};

use super::super::SimDisk;
use super::seen::{Batches, Seen, compare_batches, compare_source};
use super::sink::SimSink;
use super::source::SimSource;
use crate::context::{Inner, StreamingContext};
use crate::dstream::DStream;
use crate::graph::AnyNode;
use crate::source::FileOptions;

/// What is not the program and survives it.
pub(super) struct Outside {
    seed: u64,
    pub(super) clock: Arc<ManualClock>,
    begin: BatchTime,
    end: BatchTime,
    pub(super) interval: Duration,
    /// Records of each source that may be gone.
    acknowledged: Mutex<BTreeMap<String, usize>>,
    /// Sources whose files are on their way.
    moved_in: Mutex<BTreeSet<String>>,
    pub(super) seen: Mutex<Seen>,
}

impl Outside {
    pub(super) fn new(
        seed: u64,
        clock: Arc<ManualClock>,
        begin: BatchTime,
        end: BatchTime,
        interval: Duration,
    ) -> Arc<Self> {
        let (acknowledged, moved_in, seen) = Default::default();
        Arc::new(Outside { seed, clock, begin, end, interval, acknowledged, moved_in, seen })
    }

    pub(super) fn acknowledge(&self, source: &str, upto: usize) {
        lock(&self.acknowledged).insert(source.to_owned(), upto);
    }

    pub(super) fn acknowledged(&self, source: &str) -> usize {
        lock(&self.acknowledged).get(source).copied().unwrap_or(0)
    }

    pub(super) fn starting(&self, most: u32) {
        lock(&self.seen).starting(self.clock.now(), self.interval, most);
    }

    pub(super) fn has_started(&self) -> bool {
        lock(&self.seen).has_started()
    }

    pub(super) fn started(&self, zero: Option<BatchTime>) {
        zero.into_iter().for_each(|zero| lock(&self.seen).started(zero));
    }

    pub(super) fn stopped_in_order(&self) {
        lock(&self.seen).stopped_in_order();
    }

    pub(super) fn failure(&self) -> Result<(), String> {
        lock(&self.seen).failure()
    }

    pub(super) fn compare(&self) -> Result<(), String> {
        lock(&self.seen).compare(self.interval)
    }

    /// The input of a source: when each record is there.
    fn arrivals<T>(&self, name: &str, make: impl Fn(&mut Rng) -> T) -> Vec<(BatchTime, T)> {
        let mut rng = Rng::new(self.seed ^ key_hash(name));
        let mut arrivals = Vec::new();
        let mut at = self.begin;
        let pause = self.interval.as_millis() as u64;
        loop {
            at = at + Duration::from_millis(rng.below(pause.max(2)));
            if at >= self.end {
                return arrivals;
            }
            arrivals.push((at, make(&mut rng)));
        }
    }
}

/// A program under simulation, as it sees its world in one of its lives.
pub struct SimJob {
    outside: Arc<Outside>,
    life: Arc<Life>,
    checks: AtomicUsize,
}

struct Life {
    number: u32,
    disk: Arc<SimDisk>,
    overlap: u64,
    allowed: AtomicU64,
    context: OnceLock<Weak<Inner>>,
}

impl SimJob {
    pub(super) fn new(outside: Arc<Outside>, disk: Arc<SimDisk>, overlap: u64, number: u32) -> Self {
        let (allowed, context) = Default::default();
        let life = Arc::new(Life { number, disk, overlap, allowed, context });
        SimJob { outside, life, checks: AtomicUsize::new(0) }
    }

    pub(super) fn belongs_to(&self, ssc: &StreamingContext) {
        let _ = self.life.context.set(Arc::downgrade(&ssc.inner));
    }

    /// For how many batch intervals the time may go on while outputs run.
    pub(super) fn allow_overlap(&self, intervals: u64) {
        self.life.allowed.store(intervals, Ordering::Release);
    }

    /// A source of records that come at random times: `make` makes each from random numbers that the seed
    /// and the name decide.
    ///
    /// It behaves as a broker with offsets: a batch gets everything that is there when it is cut (which is
    /// more when it is cut later), and can get the same again until the program acknowledges it; then it is
    /// gone.
    #[track_caller]
    pub fn records<T: Record + Debug>(
        &self,
        ssc: &StreamingContext,
        name: &str,
        make: impl Fn(&mut Rng) -> T,
    ) -> DStream<T> {
        let arrivals = self.outside.arrivals(name, make);
        let input = arrivals.iter().map(|(_, record)| format!("{record:?}")).collect();
        let stream = ssc.input("records", Location::caller(), |stream| {
            Ok(SimSource {
                stream,
                name: name.to_owned(),
                arrivals: arrivals.into(),
                outside: self.outside.clone(),
                disk: self.life.disk.clone(),
                cut: Mutex::default(),
            })
        });
        let stream = stream.named(name);
        self.expect_all(name, &stream, input);
        stream
    }

    /// A source of lines in files that somebody moves into a directory at random times:
    /// [`text_file_stream_with`](StreamingContext::text_file_stream_with) and
    /// [`any_age`](FileOptions::any_age). `make` makes each line, without its end.
    ///
    /// # Errors
    /// As `text_file_stream_with`.
    #[track_caller]
    pub fn lines(
        &self,
        ssc: &StreamingContext,
        name: &str,
        make: impl Fn(&mut Rng) -> String,
    ) -> Result<DStream<Text>> {
        let mut input = Vec::new();
        let files = self.outside.arrivals(name, |rng| {
            let count = 1 + rng.below(3);
            (0..count).map(|_| make(rng)).collect::<Vec<String>>()
        });
        let dir = format!("/input/{name}");
        let is_first = lock(&self.outside.moved_in).insert(name.to_owned());
        for (n, (at, lines)) in files.into_iter().enumerate() {
            if is_first {
                let content = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
                // Written long before, as files are that are moved in.
                let modified = at - Duration::from_secs(3600);
                self.life.disk.put_at(at, format!("{dir}/{n:06}"), content.into_bytes(), modified);
            }
            input.extend(lines.iter().map(|line| format!("{:?}", Text::from(&line[..]))));
        }
        let stream = ssc.text_file_stream_with(dir, FileOptions::new().any_age())?.named(name);
        self.expect_all(name, &stream, input);
        Ok(stream)
    }

    /// Says what `output` should be, given what `input` was: `expect` gets the batches of the input in order
    /// of time, and gives those of the output; the order of the records of a batch does not matter, and a
    /// batch without records need not be given.
    ///
    /// Write it as simply as you can: it is what the program is compared with.
    pub fn check<T: Record + Debug, U: Record + Debug>(
        &self,
        input: &DStream<T>,
        output: &DStream<U>,
        expect: impl Fn(&[(BatchTime, Vec<T>)]) -> Vec<(BatchTime, Vec<U>)> + Send + 'static,
    ) {
        let number = self.checks.fetch_add(1, Ordering::Relaxed) + 1;
        let label = format!("output {number}, {}", output.node.label());
        let input = self.collect(&format!("input {number}"), input);
        let output = self.collect(&format!("output {number}"), output);
        lock(&self.outside.seen).check(&label.clone(), move || {
            let input: Vec<_> = lock(&input).clone().into_iter().collect();
            compare_batches(&label, &lock(&output), &expect(&input))
        });
    }

    /// Writes the stream to a sink of the world outside, by [`write_to`](DStream::write_to), and says that the sink
    /// should have exactly what the batches of the stream have.
    ///
    /// A batch that comes again must be the same, and none may come before all outputs of the batch have succeeded.
    pub fn sink<T: Record + Debug>(&self, name: &str, stream: &DStream<T>) {
        let expected = self.collect(&format!("what goes into {name}"), stream);
        let label = format!("sink {name}");
        let shown = lock(&self.outside.seen).stream::<T>(&label);
        let (outside, disk) = (self.outside.clone(), self.life.disk.clone());
        stream.write_to(SimSink { label: label.clone(), outside, disk, shown: shown.clone() }).named(name);
        lock(&self.outside.seen).check(&label.clone(), move || {
            let expected: Vec<_> = lock(&expected).clone().into_iter().collect();
            compare_batches(&label, &lock(&shown), &expected)
        });
    }

    fn expect_all<T: Record + Debug>(&self, name: &str, stream: &DStream<T>, input: Vec<String>) {
        let label = format!("source {name}");
        let batches = self.collect(&label, stream);
        let check = {
            let label = label.clone();
            move || compare_source(&label, &lock(&batches), &input)
        };
        lock(&self.outside.seen).check(&label, check);
    }

    /// Shows each batch of the stream to the world outside.
    fn collect<T: Record + Debug>(&self, label: &str, stream: &DStream<T>) -> Batches<T> {
        let batches = lock(&self.outside.seen).stream::<T>(label);
        if stream.node.slide() == self.outside.interval {
            lock(&self.outside.seen).comes_with_every_batch(label);
        }
        let (life, outside, label, kept) =
            (self.life.clone(), self.outside.clone(), label.to_owned(), batches.clone());
        stream.foreach_rdd(move |rdd, time| {
            let records = rdd.collect()?;
            let before = life.draw(&label, time);
            if before.is_multiple_of(2) {
                life.let_time_pass(&outside, before);
            }
            let what = || format!("{label} of {time}: {records:?}");
            life.disk.outside(what, || {
                lock(&outside.seen).see(&label, time, records.clone(), &kept);
            })?;
            if !before.is_multiple_of(2) {
                life.let_time_pass(&outside, before);
            }
            Ok(())
        });
        batches
    }
}

impl Life {
    /// A number that the seed decides for an output of a batch.
    fn draw(&self, label: &str, time: BatchTime) -> u64 {
        key_hash(&(label, time, self.number))
    }

    /// Lets the time go on while an output runs: further batches are cut meanwhile.
    fn let_time_pass(&self, outside: &Outside, draw: u64) {
        let mut rng = Rng::new(draw ^ outside.seed);
        let context = self.context.get().and_then(Weak::upgrade);
        let allowed = self.allowed.load(Ordering::Acquire);
        let Some(context) = context.filter(|_| rng.below(100) < self.overlap && self.disk.is_alive()) else {
            return;
        };
        for _ in 0..allowed.min(1 + rng.below(3)) {
            self.allowed.fetch_sub(1, Ordering::AcqRel);
            outside.clock.advance(outside.interval);
            let Some(zero) = context.graph.zero() else { return };
            let tick = outside.clock.now().floor(outside.interval, zero);
            if context.graph.settings.max_waiting_batches == 1 {
                lock(&outside.seen).may_pass_over(tick);
            }
            context.waiters.wait_for_tick(tick);
        }
    }
}
