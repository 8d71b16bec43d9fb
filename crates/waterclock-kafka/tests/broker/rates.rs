//! How much of what the broker has a batch reads. The batches are under virtual time, the broker is real.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use waterclock_base::BatchTime;
use waterclock_base::world::{Clock as _, ManualClock, SystemClock, World};
use waterclock_kafka::{KafkaSource, OffsetRange};
use waterclock_streaming::testing;
use waterclock_streaming::{Builder, Stop, StreamingContext};

use crate::broker::{self, address, topic};

const SECOND: Duration = Duration::from_secs(1);

/// T-390, T-392 (against a broker): rates hold from the first batch on.
#[test]
fn rates_hold_from_the_first_batch_on() {
    let _up = broker::stays_up();
    let fast = topic("fast", 2);
    for partition in [0, 1] {
        broker::send(&fast, partition, ["x"; 25]);
    }
    let (ssc, clock) = testing::manual_context("rates", SECOND).unwrap();
    ssc.remember(60 * SECOND).unwrap();
    let source = KafkaSource::new(address()).topics([&fast]).max_rate_per_partition(10);
    let (stream, ranges) = source.stream(&ssc);
    let seen = stream.map(|record| record.value_text()).collect_batches();
    ssc.start().unwrap();
    clock.advance_batches(4);
    let range = |partition| OffsetRange { topic: fast.clone(), partition, from: 10, to: 20 };
    let counts: Vec<_> = (1..=4).map(|n| seen.sorted_at(n).len()).collect();
    assert_eq!(counts, [20, 20, 10, 0]);
    assert_eq!(ranges.at(BatchTime::from_millis(2000)).unwrap().ranges, [0, 1].map(range));
    ssc.stop(Stop::Now).unwrap();
}

/// How many records of each partition batches read of a topic with more than they may, where each takes a second of
/// virtual time for so many records.
fn read(builder: Builder, source: KafkaSource, speeds: &[u64]) -> Vec<Vec<i64>> {
    let clock = ManualClock::new();
    let mut world = World::real();
    world.clock = clock.clone();
    let ssc = builder.batch_interval(SECOND).threads(2).world(world).build().unwrap();
    ssc.remember(60 * SECOND).unwrap();
    let (records, ranges) = source.stream(&ssc);
    let (serving, speed) = (clock.clone(), Mutex::new(VecDeque::from(speeds.to_vec())));
    records.foreach_rdd(move |rdd, _| {
        let (count, speed) = (rdd.count()?, speed.lock().unwrap().pop_front());
        serving.advance(Duration::from_micros(count * 1_000_000 / speed.unwrap_or(1_000_000)));
        Ok(())
    });
    ssc.start().unwrap();
    let patience = SystemClock::new();
    let until = patience.now_micros() + 60_000_000;
    for batch in 1..=speeds.len() as u64 {
        let into = clock.now_micros() % 1_000_000;
        clock.advance(Duration::from_micros(1_000_000 - into.unsigned_abs()));
        while ssc.status().completed_batches < batch {
            assert!(patience.now_micros() < until, "batch {batch} hangs");
            std::thread::yield_now();
        }
    }
    let counts = |n: usize| {
        let ranges = ranges.at(BatchTime::from_millis(n as i64 * 1000)).unwrap();
        ranges.ranges.iter().map(|range| range.to - range.from).collect()
    };
    let counts = (1..=speeds.len()).map(counts).collect();
    ssc.stop(Stop::Now).unwrap();
    counts
}

/// T-393 (against a broker): under back-pressure the first batch is bounded, and the size of those that come follows
/// the speed at which batches are processed, up and down; partitions share it by what they have waiting.
#[test]
fn the_controller_changes_what_batches_read() {
    let _up = broker::stays_up();
    let large = topic("large", 2);
    for partition in [0, 1] {
        broker::send(&large, partition, vec!["x"; 5000]);
    }
    let builder = || StreamingContext::builder("controlled").backpressure(Some(200.0));
    let source = || KafkaSource::new(address()).topics([&large]);
    // The first batch tells nothing yet. What a batch reads is the speed of the one before it.
    let rising = read(builder(), source(), &[1000, 500, 800, 1200]);
    assert_eq!(rising, [[100, 100], [100, 100], [250, 250], [400, 400]]);
    // Never more than the source's own limit.
    let capped = read(builder(), source().max_rate_per_partition(70), &[1000; 4]);
    assert_eq!(capped, [[70, 70]; 4]);
    let own = source().max_rate_per_partition(30).max_rate_of(&large, 1, 60);
    assert_eq!(read(StreamingContext::builder("own"), own, &[1000; 2]), [[30, 60]; 2]);
    // Batches that take longer than their interval: what comes after them is less, but never less than the least rate.
    let falling = read(builder().backpressure(Some(400.0)), source(), &[300; 16]);
    let sizes: Vec<i64> = falling.iter().map(|of| of.iter().sum()).collect();
    assert_eq!(sizes[0], 400);
    assert!(sizes[8..].iter().all(|size| (100..=320).contains(size)), "{sizes:?}");
    // Without it a batch reads what is there.
    assert_eq!(read(StreamingContext::builder("free"), source(), &[1000]), [[5000, 5000]]);
}
