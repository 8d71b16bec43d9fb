//! Goal: no operation does more work than it says, and large lineages cost time in proportion to their size.
//! Method: an accumulator counts the calls of a closure; lineages of many and of entangled datasets.

use waterclock_base::world::{Clock, SystemClock, World};
use waterclock_base::{Settings, Text};
use waterclock_engine::{Accumulator, Engine, Keyed, Rdd};

/// So many numbers in so many partitions, and how often one was computed.
fn counted(engine: &Engine, count: u64, partitions: usize) -> (Rdd<u64>, Accumulator<u64>) {
    let calls = engine.accumulator("calls", 0, |sum, n: u64| *sum += n);
    let counter = calls.clone();
    let rdd = engine.parallelize((0..count).collect(), partitions).map(move |n| {
        counter.add(1);
        n
    });
    (rdd, calls)
}

#[test]
fn taking_a_few_records_computes_a_few() {
    let engine = Engine::local(2);
    let (rdd, calls) = counted(&engine, 1000, 100);
    assert_eq!(rdd.take(3).unwrap(), [0, 1, 2]);
    assert_eq!(rdd.first().unwrap(), 0);
    assert!(!rdd.is_empty().unwrap());
    assert_eq!(calls.value(), 3 * 10);
    // One partition, then four: rounds of a growing number of partitions.
    assert_eq!(rdd.filter(|n| *n >= 30).take(1).unwrap(), [30]);
    assert_eq!(calls.value(), 30 + 10 + 40);
    assert_eq!(rdd.take(0).unwrap(), []);
    assert_eq!(calls.value(), 80);
    let (long, calls) = counted(&engine, 1_000_000, 1);
    long.take(5).unwrap();
    assert!(calls.value() <= 1024, "{}", calls.value());
}

#[test]
fn a_stage_that_is_done_is_not_done_again() {
    let engine = Engine::local(2);
    let (rdd, calls) = counted(&engine, 100, 4);
    let counts = rdd.map(|n| (n % 3, 1u64)).reduce_by_key(|a, b| a + b);
    for _ in 0..3 {
        counts.count().unwrap();
    }
    assert_eq!(counts.lookup(&1).unwrap(), [33]);
    assert_eq!(calls.value(), 100);
    // All but the last partition are counted first.
    let (rdd, calls) = counted(&engine, 100, 4);
    let numbered = rdd.zip_with_index();
    assert_eq!(numbered.count().unwrap(), 100);
    assert_eq!(calls.value(), 75 + 100);
    numbered.count().unwrap();
    assert_eq!(calls.value(), 75 + 200);
}

#[test]
fn what_is_in_its_place_is_not_moved() {
    let engine = Engine::local(2);
    let pairs = engine.parallelize((0..60u64).map(|n| (n % 6, n)).collect(), 4);
    let spread = pairs.partition_by(Keyed::new().partitions(3));
    let shuffles = |text: String| text.matches("+-").count();
    assert_eq!(shuffles(spread.to_debug_string()), 1);
    assert_eq!(shuffles(spread.reduce_by_key(|a, b| a + b).to_debug_string()), 1);
    assert_eq!(shuffles(spread.group_by_key().to_debug_string()), 1);
    assert_eq!(shuffles(spread.join(&spread.map_values(|n| n + 1)).to_debug_string()), 1);
    assert_eq!(shuffles(spread.join(&pairs).to_debug_string()), 2);
    assert_eq!(shuffles(pairs.join(&pairs).to_debug_string()), 2);
    assert_eq!(shuffles(spread.subtract_by_key(&spread).to_debug_string()), 1);
    assert_eq!(shuffles(pairs.coalesce(2).to_debug_string()), 0);
}

#[test]
fn looking_up_a_key_computes_its_partition_only() {
    let engine = Engine::local(2);
    let (rdd, calls) = counted(&engine, 1000, 4);
    let sorted = rdd.map(|n| (n, n)).sort_by_key(true, 10).unwrap();
    sorted.count().unwrap();
    let before = calls.value();
    let seen = engine.accumulator("seen", 0u64, |sum, n: u64| *sum += n);
    let counter = seen.clone();
    let watched = sorted.map_values(move |n| {
        counter.add(1);
        n
    });
    assert_eq!(watched.lookup(&500).unwrap(), [500]);
    assert!(seen.value() < 200, "{}", seen.value());
    seen.reset(0);
    assert_eq!(watched.filter_by_range(100..=110).count().unwrap(), 11);
    assert!(seen.value() <= 400, "{}", seen.value());
    for (range, expected) in [(0..0, 0), (990..2000, 10), (0..1000, 1000)] {
        assert_eq!(watched.filter_by_range(range).count().unwrap(), expected);
    }
    let descending = rdd.map(|n| (n, n)).sort_by_key(false, 10).unwrap().filter_by_range(100..=110);
    assert_eq!(descending.keys().collect().unwrap(), (100..=110).rev().collect::<Vec<_>>());
    assert!(descending.partitions() < 5);
    assert_eq!(calls.value(), before + 2 * 1000);
}

#[test]
fn a_local_iterator_computes_a_partition_when_it_is_needed() {
    let engine = Engine::local(2);
    let (rdd, calls) = counted(&engine, 40, 4);
    let mut records = rdd.to_local_iterator();
    assert_eq!(calls.value(), 0);
    assert!(records.by_ref().take(11).map(Result::unwrap).eq(0..11));
    assert_eq!(calls.value(), 20);
    assert_eq!(records.count(), 29);
    let failing = rdd.map(|n| if n == 25 { panic!("25") } else { n });
    let mut records = failing.to_local_iterator();
    assert!(records.by_ref().take(20).all(|record| record.is_ok()));
    assert!(records.next().is_some_and(|record| record.is_err()));
    assert!(records.next().is_none());
}

#[test]
fn a_chain_of_a_thousand_maps_works() {
    let engine = Engine::local(2);
    for count in [10, 20_000] {
        let chain = (0..1000).fold(engine.parallelize(vec![0u64; count], 3), |rdd, _| rdd.map(|n| n + 1));
        assert_eq!(chain.sum().unwrap(), 1000 * count as u64);
        assert_eq!(chain.to_debug_string().lines().count(), 1001);
    }
}

#[test]
fn a_union_of_a_thousand_datasets_works() {
    let engine = Engine::local(2);
    let many: Vec<Rdd<u64>> = (0..1000).map(|n| engine.parallelize(vec![n], 1)).collect();
    assert_eq!(engine.union(&many).collect().unwrap(), (0..1000).collect::<Vec<_>>());
    let chain = many.iter().skip(1).fold(many[0].clone(), |all, one| all.union(one));
    assert_eq!(chain.sum().unwrap(), 999 * 500);
}

#[test]
fn a_chain_of_shuffles_runs_each_stage_once() {
    let engine = Engine::local(2);
    let (rdd, calls) = counted(&engine, 50, 2);
    let chain = (0..200).fold(rdd.map(|n| (n, 0u64)), |rdd, _| {
        rdd.map(|(key, n)| (key + 1, n + 1)).reduce_by_key(|a, b| a + b)
    });
    assert_eq!(chain.values().sum().unwrap(), 50 * 200);
    assert_eq!(calls.value(), 50);
}

/// Each level reads the one before twice: 2^20 ways lead to the first.
#[test]
fn a_lineage_that_joins_itself_again_and_again_is_planned_once() {
    let engine = Engine::local(2);
    let (rdd, calls) = counted(&engine, 20, 2);
    let counts = engine.accumulator("rows", 0u64, |sum, n: u64| *sum += n);
    let mut pairs = rdd.map(|n| (n, n));
    for _ in 0..20 {
        let counter = counts.clone();
        pairs = pairs.join(&pairs).map(move |(key, (a, b))| {
            counter.add(1);
            (key, a.max(b))
        });
    }
    assert_eq!(pairs.sorted().unwrap(), (0..20).map(|n| (n, n)).collect::<Vec<_>>());
    // Both sides of a join are shuffled, so each level is computed twice by the next one.
    assert_eq!(calls.value(), 2 * 20);
    assert_eq!(counts.value(), 19 * 2 * 20 + 20);
    assert!(pairs.to_debug_string().lines().count() < 500);
}

/// 2^60 ways lead to the first dataset, and none of them is walked twice, not even to see how much is read.
#[test]
fn a_kept_lineage_of_unions_with_itself_is_walked_in_linear_time() {
    let engine = Engine::local(2);
    let clock = SystemClock::new();
    let before = clock.now_micros();
    let mut rdd = engine.empty::<(u64, u64)>().partition_by(Keyed::new().partitions(2));
    for _ in 0..60 {
        rdd = rdd.union(&rdd).cache().unwrap();
    }
    assert_eq!(rdd.count().unwrap(), 0);
    assert!(rdd.to_debug_string().lines().count() < 200);
    let failing =
        rdd.map(|pair| pair).union(&engine.parallelize(vec![(1, 1)], 1)).map(|_| -> u64 { panic!("one") });
    assert!(failing.count().unwrap_err().to_string().contains("map at"));
    assert!(clock.now_micros() - before < 5_000_000);
}

#[test]
fn many_idle_jobs_leave_nothing_behind() {
    let mut settings = Settings::default();
    settings.threads = 1;
    let engine = Engine::new(settings, World::real());
    for _ in 0..1000 {
        let counts = engine.parallelize(Vec::<(Text, u64)>::new(), 2).reduce_by_key(|a, b| a + b);
        assert_eq!(counts.count().unwrap(), 0);
    }
    assert_eq!(engine.memory().used(), 0);
}
