//! The simulator finds what it is there to find. Method: faults of durability are planted one by one; for each
//! stands here the first seed that finds it, which finds nothing once the fault is gone.

use waterclock_base::BoxError;
use waterclock_streaming::testing::{Fault, SimJob, Simulation, plant};
use waterclock_streaming::{Builder, DStream, StreamingContext};

/// Each fault, the first seed that finds it, and a part of what it then says. Only the last one needs a sink.
const FAULTS: &[(Fault, u64, &str)] = &[
    (Fault::SkippedSync, 0, "and then"),
    (Fault::EffectBeforeLog, 0, "and then"),
    (Fault::AcknowledgedBeforeLog, 36, "were acknowledged, up to 8, and are gone"),
    (Fault::CommittedBeforeOutput, 2, "came in its place"),
    (Fault::LostKeyGroup, 0, "should have been"),
    (Fault::MissedOffByOne, 0, "there was no batch of"),
    (Fault::SkippedNameSync, 34, "no snapshot that it goes on from"),
    (Fault::PublishedAtStaging, 0, "was published before"),
];

/// Running counts of what comes.
fn counts(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    program(builder, job, |_| ())
}

/// The same, which go into a sink too.
fn counts_into_a_sink(builder: Builder, job: &SimJob) -> Result<StreamingContext, BoxError> {
    program(builder, job, |counts| job.sink("table", counts))
}

fn program(
    builder: Builder,
    job: &SimJob,
    more: impl Fn(&DStream<(u64, u64)>),
) -> Result<StreamingContext, BoxError> {
    let ssc = builder.build()?;
    let keys = job.records(&ssc, "keys", |rng| (rng.below(6), 1));
    let count = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.len() as u64);
    let counts = keys.update_state_by_key(count).named("counts");
    more(&counts);
    job.check(&keys, &counts, |batches| {
        let mut counts = std::collections::BTreeMap::new();
        let mut all = Vec::new();
        for (time, keys) in batches {
            keys.iter().for_each(|(key, _)| *counts.entry(*key).or_insert(0) += 1);
            all.push((*time, counts.clone().into_iter().collect()));
        }
        all
    });
    Ok(ssc)
}

fn failure(fault: Fault, seed: u64) -> Option<String> {
    let simulation = Simulation::new(seed);
    let outcome = match fault {
        Fault::PublishedAtStaging => simulation.try_run(counts_into_a_sink),
        _ => simulation.try_run(counts),
    };
    Some(outcome.err()?.why().to_owned())
}

/// One test for all, as a planted fault is one for the whole process.
#[test]
fn every_planted_fault_is_found() {
    for (fault, seed, why) in FAULTS {
        plant(Some(*fault));
        let found = (0..1000).find_map(|seed| Some((seed, failure(*fault, seed)?)));
        plant(None);
        let (found, text) = found.unwrap();
        println!("{fault:?} is found by seed {found}: {text}");
        assert!(found == *seed && text.contains(why), "{fault:?} is found by seed {found}: {text}");
        assert_eq!(failure(*fault, *seed), None, "{fault:?}");
    }
}
