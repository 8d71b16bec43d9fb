//! Goal: the target is met wherever it can be, and where it can't all is processed all the same.
//! Method: a simulated receiver, ticks of the grid and one server whose time for a batch is a cost of the batch and
//! one of each record; the delay of every record is known.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const TARGET: i64 = 100_000;
const STEP: i64 = 5_000;

/// A server of batches.
#[derive(Clone, Copy, Debug)]
struct Server {
    batch: f64,
    record: f64,
    /// How much slower or faster a batch may be than the line says.
    noise: f64,
}

/// What is simulated.
struct Rig {
    pace: Pace,
    server: Server,
    now: i64,
    from: i64,
    /// When the running batch is over, its begin and its records.
    running: Option<(i64, i64, u64)>,
    /// Records and when they came, as far as they were let in.
    waiting: VecDeque<(i64, u64)>,
    /// What a sender could not hand over.
    outside: f64,
    random: u64,
    taken: Vec<(i64, u64)>,
    /// Records with the time of their end and their delay.
    done: Vec<(i64, i64, u64)>,
    spans: Vec<i64>,
    sent: u64,
}

impl Rig {
    fn new(server: Server) -> Self {
        let pace = Pace::new(Duration::from_micros(TARGET as u64), Duration::from_micros(STEP as u64));
        Rig {
            pace,
            server,
            now: 0,
            from: 0,
            running: None,
            waiting: VecDeque::new(),
            outside: 0.0,
            random: 1,
            taken: Vec::new(),
            done: Vec::new(),
            spans: Vec::new(),
            sent: 0,
        }
    }

    fn waits(&self) -> u64 {
        self.waiting.iter().map(|(_, records)| records).sum()
    }

    /// Lets time pass while `rate` records a second are sent: those that are not let in are sent later, if `insists`,
    /// or never.
    fn run(&mut self, millis: i64, rate: f64, insists: bool) {
        for _ in 0..millis {
            self.now += 1000;
            self.outside += rate / 1000.0;
            if self.waits() < self.pace.most() && self.outside >= 1.0 {
                let room = (self.pace.most() - self.waits()) as f64;
                let let_in = self.outside.min(room).floor();
                self.outside -= let_in;
                self.waiting.push_back((self.now, let_in as u64));
                self.sent += let_in as u64;
            }
            if !insists {
                self.outside = self.outside.min(1.0);
            }
            self.end_batch();
            if self.now % STEP == 0 {
                self.tick();
            }
        }
    }

    fn end_batch(&mut self) {
        let Some((end, begin, records)) = self.running.filter(|(end, ..)| *end <= self.now) else { return };
        self.running = None;
        self.pace.ended(records, end - begin);
        self.done.extend(self.taken.drain(..).map(|(at, records)| (end, end - at, records)));
    }

    fn tick(&mut self) {
        let steps = ((self.now - self.from) / STEP) as u64;
        let unfinished = usize::from(self.running.is_some());
        if !self.pace.is_due(steps, unfinished, self.waits()) {
            return;
        }
        let (most, waited) = (self.pace.most(), self.waits());
        let mut records = 0;
        while records < most
            && let Some((at, waiting)) = self.waiting.front_mut()
        {
            let now = (*waiting).min(most - records);
            *waiting -= now;
            records += now;
            self.taken.push((*at, now));
            if *waiting == 0 {
                self.waiting.pop_front();
            }
        }
        self.pace.cut(BatchTime::from_millis(self.now / 1000), steps, waited, self.waits());
        self.spans.push(self.now - self.from);
        self.from = self.now;
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let noise = 1.0 + self.server.noise * ((self.random >> 33) as f64 / f64::from(1 << 30) - 1.0);
        let micros = (self.server.batch + self.server.record * records as f64) * noise;
        self.running = Some((self.now + micros as i64, self.now, records));
    }

    /// The share of the records that were done since `from` (milliseconds) whose delay was within the target.
    fn in_time(&self, from: i64) -> f64 {
        let since = || self.done.iter().filter(|(end, ..)| *end >= from * 1000);
        let all: u64 = since().map(|(.., records)| records).sum();
        let late: u64 = since().filter(|(_, delay, _)| *delay > TARGET).map(|(.., records)| records).sum();
        1.0 - late as f64 / all.max(1) as f64
    }
}

/// A million records a second at best.
const FAST: Server = Server { batch: 1000.0, record: 1.0, noise: 0.2 };

#[test]
fn batches_are_as_long_as_the_target_allows() {
    let mut rig = Rig::new(FAST);
    rig.run(5000, 1000.0, true);
    assert!(rig.spans.iter().skip(20).all(|span| *span == TARGET / 2), "{:?}", rig.spans);
    assert!(rig.in_time(0) > 0.99);
}

/// Batches get shorter when processing takes its time, so that both together stay under the target.
#[test]
fn the_target_is_met_up_to_a_high_load() {
    for load in [0.3, 0.5, 0.7, 0.8] {
        let mut rig = Rig::new(FAST);
        rig.run(10_000, load * 1e6, true);
        assert!(rig.in_time(2000) > 0.99, "{load}: {}", rig.in_time(2000));
        assert!(!rig.pace.is_overloaded());
    }
}

/// A burst of ten times what can be processed: what is let in is processed in time or nearly, the sender is held back,
/// and after the burst all is as before.
#[test]
fn a_burst_is_held_back_and_gone_soon() {
    let mut rig = Rig::new(FAST);
    rig.run(5000, 500_000.0, true);
    rig.run(10_000, 10e6, false);
    assert!(rig.pace.is_overloaded());
    let (let_in, began) = (rig.in_time(6000), rig.sent);
    assert!(let_in > 0.99, "{let_in}");
    assert!(began > 2_500_000 + 8_000_000, "held back too much: {began}");
    rig.run(5000, 500_000.0, true);
    assert!(!rig.pace.is_overloaded());
    assert!(rig.in_time(16_000) > 0.99, "{}", rig.in_time(16_000));
}

/// Where the sender insists, what it could not send comes later, and the target is met again once that is over.
#[test]
fn what_was_held_back_is_caught_up_with() {
    let mut rig = Rig::new(FAST);
    rig.run(2000, 300_000.0, true);
    rig.run(300, 10e6, true);
    rig.run(8000, 300_000.0, true);
    assert!(rig.outside < 2.0, "{}", rig.outside);
    assert!(rig.in_time(9000) > 0.99);
}

/// A batch that costs more than the target allows: it can't be met, but records are processed at most of the speed
/// that there is.
#[test]
fn a_target_that_cannot_be_met_does_not_starve() {
    let server = Server { batch: 300_000.0, record: 10.0, noise: 0.0 };
    let mut rig = Rig::new(server);
    rig.run(60_000, 60_000.0, true);
    let rate = (rig.sent as f64 - rig.waits() as f64) / 60.0;
    assert!(rate > 45_000.0, "{rate}");
}

#[test]
fn records_are_shared_by_what_waits() {
    assert_eq!(share(100, &[Some(300), Some(100)]), [75, 25]);
    assert_eq!(share(100, &[Some(30), Some(40)]), [100, 100]);
    assert_eq!(share(100, &[Some(900), None]), [50, 50]);
    assert_eq!(share(1, &[Some(900), Some(1), None]), [1, 1, 1]);
    assert_eq!(share(5, &[]), [0u64; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Under any load that the server can bear, the queue is short, spans don't swing, and nothing waits for ever;
    /// after an overload of any size it is the same again. It can bear what takes nine tenths of its time in batches of
    /// a third of the target.
    #[test]
    fn it_neither_swings_nor_starves(
        batch in 10.0..15_000.0f64,
        record in 0.2..200.0f64,
        share in 0.01..1.0f64,
        burst in 1.0..50.0f64,
        noise in 0.0..0.3f64,
    ) {
        let load = share * (0.9 / (1.0 + noise) - batch / (TARGET as f64 / 3.0));
        let server = Server { batch, record, noise };
        let mut rig = Rig::new(server);
        let rate = load / record * 1e6;
        rig.run(5000, rate, true);
        rig.run(1000, burst / record * 1e6, false);
        rig.run(5000, rate, true);
        let settled = rig.spans.len();
        rig.run(5000, rate, true);
        prop_assert!(rig.in_time(11_000) > 0.98, "{}", rig.in_time(11_000));
        prop_assert!(!rig.pace.is_overloaded());
        let spans = &rig.spans[settled..];
        let (least, most) = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
        prop_assert!(*most <= 2 * least + STEP, "{spans:?}");
        prop_assert!(rig.waits() as f64 <= rate * 0.1 + 1.0);
    }

    /// Whatever batches tell, some records are always taken, and a batch is always cut in the end.
    #[test]
    fn something_is_always_taken(told in prop::collection::vec((0..10_000_000u64, -5..100_000_000i64), 0..50)) {
        let mut pace = Pace::new(Duration::from_millis(100), Duration::from_millis(5));
        for (records, micros) in told {
            pace.ended(records, micros);
            pace.cut(BatchTime::ZERO, 10, records, records / 2);
            prop_assert!(pace.most() >= 1 && (1..=10).contains(&pace.span()));
            prop_assert!(pace.is_due(10, 0, 0) && !pace.is_due(1000, 1, u64::MAX));
        }
    }
}
