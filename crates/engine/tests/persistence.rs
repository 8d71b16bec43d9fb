//! Goal: a persisted dataset gives the same records at every level and with any budget; where there is room
//! it is computed once, where there is none and no disk is allowed, each time; and again after `unpersist`.
//! Method: an accumulator counts the calls of a closure.

use waterclock_base::world::World;
use waterclock_base::{Error, Settings};
use waterclock_engine::{Accumulator, Engine, Rdd, StorageLevel};

const LEVELS: [StorageLevel; 5] = [
    StorageLevel::MemoryOnly,
    StorageLevel::MemoryOnlySer,
    StorageLevel::MemoryAndDisk,
    StorageLevel::MemoryAndDiskSer,
    StorageLevel::DiskOnly,
];

fn engine(budget: u64) -> Engine {
    let mut settings = Settings::default();
    settings.threads = 2;
    settings.memory_budget = budget;
    Engine::new(settings, World::real())
}

fn counted(engine: &Engine) -> (Rdd<String>, Accumulator<u64>) {
    let calls = engine.accumulator("calls", 0, |sum, n: u64| *sum += n);
    let counter = calls.clone();
    let rdd = engine.parallelize((0..3000u64).collect(), 3).map(move |n| {
        counter.add(1);
        format!("record {n}")
    });
    (rdd, calls)
}

#[test]
fn with_room_every_level_computes_once() {
    for level in LEVELS {
        let engine = engine(1 << 30);
        let (rdd, calls) = counted(&engine);
        let expected = rdd.collect().unwrap();
        rdd.persist(level).unwrap();
        for _ in 0..3 {
            assert_eq!(rdd.collect().unwrap(), expected, "{level:?}");
        }
        assert_eq!(calls.value(), 2 * 3000, "{level:?}");
        assert_eq!(engine.memory().used() > 0, level.uses_memory(), "{level:?}");
        assert_eq!(engine.memory().spilled() > 0, level == StorageLevel::DiskOnly);
        assert_eq!(rdd.storage_level(), Some(level));
        drop(rdd);
        assert_eq!(engine.memory().used(), 0, "{level:?}");
    }
}

#[test]
fn without_room_it_is_computed_each_time_or_kept_on_disk() {
    for level in LEVELS {
        let engine = engine(1000);
        let (rdd, calls) = counted(&engine);
        let expected = rdd.collect().unwrap();
        rdd.persist(level).unwrap();
        for _ in 0..3 {
            assert_eq!(rdd.collect().unwrap(), expected, "{level:?}");
        }
        let times = if level.uses_disk() { 2 } else { 4 };
        assert_eq!(calls.value(), times * 3000, "{level:?}");
        assert_eq!(engine.memory().spilled() > 0, level.uses_disk(), "{level:?}");
        assert_eq!(engine.memory().used(), 0);
    }
}

#[test]
fn with_room_for_a_part_only_the_rest_is_computed_again() {
    // Two partitions of about 35 kB fit into half of the budget, the third does not.
    let engine = engine(160_000);
    let (rdd, calls) = counted(&engine);
    rdd.cache().unwrap();
    let expected = rdd.collect().unwrap();
    let first = calls.value();
    assert_eq!(rdd.collect().unwrap(), expected);
    let again = calls.value() - first;
    assert!(again == 1000 || again == 2000, "{again} calls, {} bytes in use", engine.memory().used());
}

/// Runs jobs that have nothing to do with what is kept.
fn other_jobs(engine: &Engine, jobs: usize) {
    (0..jobs).for_each(|_| assert!(engine.parallelize(vec![1u64, 2], 1).sum().is_ok_and(|sum| sum == 3)));
}

/// What nobody asks for any more makes room for what is asked for, and is the same when it is asked for after all:
/// read from disk where it may be, computed again where not.
#[test]
fn what_was_left_alone_makes_room() {
    // There is room for one of them.
    for (level, budget) in [
        (StorageLevel::MemoryOnly, 300_000),
        (StorageLevel::MemoryOnlySer, 100_000),
        (StorageLevel::MemoryAndDisk, 300_000),
        (StorageLevel::MemoryAndDiskSer, 100_000),
    ] {
        let engine = engine(budget);
        let ((old, calls), (new, new_calls)) = (counted(&engine), counted(&engine));
        let expected = old.persist(level).unwrap().collect().unwrap();
        other_jobs(&engine, 20);
        new.persist(level).unwrap();
        (0..3).for_each(|_| assert_eq!(new.collect().unwrap(), expected));
        assert_eq!((calls.value(), new_calls.value()), (3000, 3000), "{level:?}");
        assert_eq!(engine.memory().on_disk() > 0, level.uses_disk());
        assert!(engine.memory().used() <= budget / 2);
        assert_eq!(old.collect().unwrap(), expected);
        assert_eq!(calls.value() > 3000, !level.uses_disk(), "{level:?}");
        drop((old, new));
        assert_eq!((engine.memory().used(), engine.memory().on_disk()), (0, 0));
    }
}

/// What is read by turns stays, also where not all of it has room: only what has none is computed again.
#[test]
fn what_is_in_use_is_not_pushed_out() {
    let engine = engine(500_000);
    let all: Vec<_> = (0..4).map(|_| counted(&engine)).collect();
    all.iter().for_each(|(rdd, _)| drop(rdd.cache().unwrap()));
    let mut before = Vec::new();
    for turn in 0..40 {
        all.iter().for_each(|(rdd, _)| assert_eq!(rdd.count().unwrap(), 3000));
        other_jobs(&engine, 5);
        if turn == 0 {
            before = all.iter().map(|(_, calls)| calls.value()).collect();
        }
    }
    let calls: Vec<_> = all.iter().map(|(_, calls)| calls.value()).collect();
    assert_eq!(calls[..2], before[..2], "they had room and keep it");
    assert!(calls[3] > before[3], "there is no room for all of them");
}

/// A dataset that is written out while tasks read it, and one whose shuffle is gone with it.
#[test]
fn what_made_room_while_it_is_read_is_read_to_the_end() {
    let engine = engine(300_000);
    let (old, _) = counted(&engine);
    let counts = old.map(|text| (text, 1u64)).reduce_by_key(|a, b| a + b);
    let expected = counts.cache().unwrap().sorted().unwrap();
    for _ in 0..20 {
        other_jobs(&engine, 40);
        let (new, _) = counted(&engine);
        new.cache().unwrap();
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| counts.sorted().unwrap());
            new.count().unwrap();
            assert_eq!(reading.join().unwrap(), expected);
        });
    }
}

#[test]
fn after_unpersist_it_is_computed_from_its_lineage() {
    let engine = engine(1 << 30);
    let (rdd, calls) = counted(&engine);
    let counts = rdd.map(|text| (text.len() as u64, 1u64)).reduce_by_key(|a, b| a + b);
    counts.cache().unwrap();
    let expected = counts.collect().unwrap();
    counts.unpersist();
    assert_eq!(engine.memory().used_by(waterclock_engine::Share::Cached), 0);
    assert_eq!(counts.collect().unwrap(), expected);
    // The buckets of the shuffle were still there.
    assert_eq!(calls.value(), 3000);
    rdd.cache().unwrap();
    rdd.count().unwrap();
    rdd.unpersist();
    rdd.count().unwrap();
    assert_eq!(calls.value(), 3 * 3000);
}

#[test]
fn what_is_kept_whole_cuts_the_lineage() {
    let engine = engine(1 << 30);
    let (rdd, calls) = counted(&engine);
    let counts = rdd.map(|text| (text.len() as u64, 1u64)).reduce_by_key(|a, b| a + b).map(|row| row);
    counts.cache().unwrap();
    let expected = counts.sorted().unwrap();
    assert_eq!(counts.map(|row| row).sorted().unwrap(), expected);
    assert_eq!(calls.value(), 3000);
    assert!(counts.to_debug_string().contains("kept"));
}

#[test]
fn the_level_can_not_be_changed() {
    let (rdd, _) = counted(&engine(1 << 30));
    rdd.persist(StorageLevel::DiskOnly).unwrap();
    rdd.persist(StorageLevel::DiskOnly).unwrap();
    assert!(matches!(rdd.persist(StorageLevel::MemoryOnly), Err(Error::Action { call: "persist", .. })));
}

#[test]
fn shuffles_without_room_go_through_the_disk_and_give_the_same() {
    let run = |engine: &Engine| {
        let pairs = engine.parallelize((0..5000u64).collect(), 4).map(|n| (format!("key {}", n % 300), n));
        let sums = pairs.reduce_by_key(|a, b| a + b).collect_partitions().unwrap();
        (sums, pairs.group_by_key().collect_partitions().unwrap())
    };
    let (large, small) = (engine(1 << 30), engine(1000));
    assert_eq!(run(&large), run(&small));
    assert!(small.memory().spilled() > 0);
    assert_eq!(large.memory().spilled(), 0);
}
