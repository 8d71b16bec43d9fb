//! Programs are compared with a checkpoint before they start. Method: one program writes it, others are tried on
//! it; what the report says is what a start then does, and not a byte changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the tests look at the bytes of a checkpoint")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use waterclock_base::{BatchInterval, BatchTime, BoxError, Error};
use waterclock_streaming::testing::get_or_create;
use waterclock_streaming::{
    Builder, DStream, Fate, PartKind, RangeSource, StartReport, Stop, StreamingContext, inspect_checkpoint,
};

const SECOND: Duration = Duration::from_secs(1);

fn pairs(builder: Builder) -> Result<(StreamingContext, DStream<(u8, u32)>), BoxError> {
    let ssc = builder.app_name("program").batch_interval(SECOND).build()?;
    let pairs = ssc.queue_stream(vec![vec![(1u8, 1u32), (2, 1)]; 9]).named("pairs");
    Ok((ssc, pairs))
}

fn sum(new: Vec<u32>, old: Option<u32>) -> Option<u32> {
    Some(old.unwrap_or(0) + new.iter().sum::<u32>())
}

/// States `kept`, `grown`, `retyped` and `gone`, and an output for each.
fn first(builder: Builder) -> Result<StreamingContext, BoxError> {
    let (ssc, pairs) = pairs(builder)?;
    for name in ["kept", "grown", "retyped", "gone"] {
        pairs.update_state_by_key(sum).named(name).register().named(name);
    }
    Ok(ssc)
}

/// What the first program becomes, with all that it has to say of its old state.
fn second(builder: Builder) -> Result<StreamingContext, BoxError> {
    let (ssc, pairs) = pairs(builder.forget_state("gone"))?;
    pairs.update_state_by_key(sum).named("kept").register().named("kept");
    let wider = |new: Vec<u32>, old: Option<u64>| Some(old.unwrap_or(0) + new.len() as u64);
    pairs.update_state_by_key(wider).named("grown").register().named("grown");
    let text = |new: Vec<u32>, old: Option<String>| Some(format!("{}{}", old.unwrap_or_default(), new.len()));
    let retyped = pairs.update_state_by_key(text).migrate::<u32>(|old| old.to_string());
    retyped.named("retyped").register().named("elsewhere");
    pairs.update_state_by_key(sum).named("added").register().named("added");
    ssc.queue_stream(Vec::<Vec<u8>>::new()).named("more").register().named("more");
    Ok(ssc)
}

fn started(
    dir: &Path,
    now: i64,
    program: fn(Builder) -> Result<StreamingContext, BoxError>,
) -> Result<(), Error> {
    let (ssc, clock) = get_or_create(dir, BatchTime::from_millis(now), program)?;
    ssc.start()?;
    clock.advance_batches(2);
    ssc.stop(Stop::Now)
}

/// Every file with its bytes and the time of its last change.
fn content(dir: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    let read = |file: std::fs::DirEntry| {
        let modified = file.metadata().unwrap().modified().unwrap();
        (file.file_name().into_string().unwrap(), (std::fs::read(file.path()).unwrap(), modified))
    };
    files.map(read).collect()
}

fn fates(report: &StartReport) -> Vec<(PartKind, &str, Fate)> {
    report.parts.iter().map(|part| (part.kind, part.name.as_str(), part.fate)).collect()
}

#[test]
fn every_name_is_kept_migrated_dropped_or_new() {
    let dir = tempfile::tempdir().unwrap();
    started(dir.path(), 0, first).unwrap();
    let before = content(dir.path());
    let report = StreamingContext::dry_run(dir.path(), second);
    let (source, state, output) = (PartKind::Source, PartKind::State, PartKind::Output);
    let expected = [
        (source, "pairs", Fate::Kept),
        (source, "more", Fate::New),
        (state, "kept", Fate::Kept),
        (state, "grown", Fate::Migrated),
        (state, "retyped", Fate::Migrated),
        (state, "added", Fate::New),
        (state, "gone", Fate::Dropped),
        (output, "kept", Fate::Kept),
        (output, "grown", Fate::Kept),
        (output, "elsewhere", Fate::New),
        (output, "added", Fate::New),
        (output, "more", Fate::New),
        (output, "gone", Fate::Dropped),
        (output, "retyped", Fate::Dropped),
    ];
    assert_eq!(fates(&report), expected, "{report}");
    assert!(report.would_start() && report.resumes, "{report}");
    let text = report.to_string();
    for line in [
        "  state   grown      migrated  its value was u32, and is read by its names as u64 now",
        "  state   retyped    migrated  its value was u32, and `migrate` makes it string now",
        "  state   gone       dropped   as `forget_state` says",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(content(dir.path()), before);
    started(dir.path(), 2000, second).unwrap();
}

#[test]
fn everything_that_would_be_refused_is_said_at_once() {
    fn careless(builder: Builder) -> Result<StreamingContext, BoxError> {
        let (ssc, pairs) = pairs(builder)?;
        pairs.update_state_by_key(sum).named("kept").register();
        let text = |_: Vec<u32>, old: Option<String>| old;
        pairs.update_state_by_key(text).named("retyped").register();
        let fails = |_: Vec<u32>, old: Option<bool>| old;
        pairs
            .update_state_by_key(fails)
            .migrate::<u32>(|_| panic!("not thought of"))
            .named("grown")
            .register();
        Ok(ssc)
    }
    let dir = tempfile::tempdir().unwrap();
    started(dir.path(), 0, first).unwrap();
    let before = content(dir.path());
    let report = StreamingContext::dry_run(dir.path(), careless);
    for (name, fate) in
        [("kept", Fate::Kept), ("retyped", Fate::Refused), ("grown", Fate::Refused), ("gone", Fate::Refused)]
    {
        assert_eq!(report.fate(PartKind::State, name), Some(fate), "{report}");
    }
    let [retyped, grown, gone] = &report.refusals[..] else { panic!("{report}") };
    assert!(retyped.contains("was written as u32 and is string now"), "{retyped}");
    assert!(grown.contains("migrate (state grown)") && grown.contains("not thought of"), "{grown}");
    assert!(gone.contains("it has state that the program does not have: gone"), "{gone}");
    assert_eq!(content(dir.path()), before);
    started(dir.path(), 2000, careless).unwrap_err();
}

#[test]
fn what_keeps_a_program_from_its_start_is_in_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let refusals = |program: fn(Builder) -> Result<StreamingContext, BoxError>| {
        StreamingContext::dry_run(dir.path(), program).refusals.join("; ")
    };
    started(dir.path(), 0, first).unwrap();
    assert!(refusals(|_| Err("no settings".into())).contains("no settings"));
    assert!(refusals(|builder| Ok(pairs(builder)?.0)).contains("no output operation was defined"));
    let unnamed = refusals(|builder| {
        let (ssc, pairs) = pairs(builder)?;
        pairs.update_state_by_key(sum).register();
        Ok(ssc)
    });
    assert!(unnamed.contains("with a checkpoint, these need a name"), "{unnamed}");
    for (name, (mut bytes, _)) in
        content(dir.path()).into_iter().filter(|(name, _)| name.contains("snapshot"))
    {
        bytes.truncate(40);
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    assert!(refusals(first).contains("can't be used"));
}

#[test]
fn a_checkpoint_in_use_is_looked_at_as_if_its_owner_had_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (ssc, clock) = get_or_create(dir.path(), BatchTime::ZERO, first).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(2);
    let before = content(dir.path());
    let report = StreamingContext::dry_run(dir.path(), second);
    let [owned] = &report.notes[..] else { panic!("{report}") };
    assert!(report.would_start(), "{report}");
    assert!(owned.contains(&format!("it belongs to process {}", std::process::id())), "{owned}");
    assert_eq!(report.fate(PartKind::State, "retyped"), Some(Fate::Migrated));
    // Its owner may have gone on writing at the end of its log meanwhile.
    let after = content(dir.path());
    assert!(after.keys().eq(before.keys()));
    assert!(before.iter().all(|(name, (bytes, _))| after[name].0.starts_with(bytes)));
    // What would be refused then is refused now.
    let refused =
        StreamingContext::dry_run(dir.path(), |builder| Ok(builder.batch_interval(SECOND).build()?));
    assert!(!refused.would_start() && refused.notes.len() == 1, "{refused}");
    ssc.stop(Stop::Now).unwrap();
    let report = StreamingContext::dry_run(dir.path(), second);
    assert!(report.would_start() && report.notes.is_empty(), "{report}");
}

#[test]
fn where_there_is_nothing_everything_is_new_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("checkpoint");
    let report = StreamingContext::dry_run(&missing, first);
    assert!(report.would_start() && !report.resumes, "{report}");
    assert!(report.parts.iter().all(|part| part.fate == Fate::New) && report.parts.len() == 9, "{report}");
    assert!(!missing.exists());
}

#[test]
fn accumulators_are_compared_too() {
    fn counting(builder: Builder) -> Result<StreamingContext, BoxError> {
        let (ssc, pairs) = pairs(builder)?;
        let (a, b) = (
            ssc.accumulator("records", 0u32, |sum, n: u32| *sum += n),
            ssc.accumulator("keys", 0u32, u32_max),
        );
        let c = ssc.accumulator("odd", 0u32, u32_max);
        let counted = pairs.map(move |(key, value)| {
            a.add(1);
            b.add(u32::from(key));
            c.add(value);
            (key, value)
        });
        counted.register().named("out");
        Ok(ssc)
    }
    fn u32_max(most: &mut u32, n: u32) {
        *most = n.max(*most);
    }
    fn changed(builder: Builder) -> Result<StreamingContext, BoxError> {
        let (ssc, pairs) = pairs(builder)?;
        ssc.accumulator("records", 0u64, |sum, n: u64| *sum += n);
        ssc.accumulator("odd", false, |any, odd: bool| *any |= odd);
        ssc.accumulator("more", 0u8, |sum, n: u8| *sum += n);
        pairs.register().named("out");
        Ok(ssc)
    }
    let dir = tempfile::tempdir().unwrap();
    started(dir.path(), 0, counting).unwrap();
    let same = StreamingContext::dry_run(dir.path(), counting);
    assert!(same.parts.iter().all(|part| part.fate == Fate::Kept) && same.would_start(), "{same}");
    let report = StreamingContext::dry_run(dir.path(), changed);
    for (name, fate) in
        [("records", Fate::Migrated), ("odd", Fate::Refused), ("more", Fate::New), ("keys", Fate::Dropped)]
    {
        assert_eq!(report.fate(PartKind::Accumulator, name), Some(fate), "{report}");
    }
    assert!(report.refusals[0].contains("accumulator odd: its type changed"), "{report}");
    let content = inspect_checkpoint(dir.path()).unwrap().content.unwrap();
    let shown: Vec<_> = content.accumulators.iter().map(|a| (a.name.as_str(), a.value.as_str())).collect();
    assert_eq!(shown, [("keys", "u32"), ("odd", "u32"), ("records", "u32")]);
}

/// A batch that is still to be run can't be without what it reads.
#[test]
fn a_source_with_input_that_no_batch_has_finished_is_missed() {
    fn failing(builder: Builder) -> Result<StreamingContext, BoxError> {
        let (ssc, pairs) = pairs(builder)?;
        pairs.foreach_rdd(|_, _| Err("not now".into())).named("out");
        Ok(ssc)
    }
    fn renamed(builder: Builder) -> Result<StreamingContext, BoxError> {
        let ssc = builder.batch_interval(SECOND).build()?;
        ssc.queue_stream(vec![vec![1u8]]).named("other").register().named("out");
        Ok(ssc)
    }
    fn given_up(builder: Builder) -> Result<StreamingContext, BoxError> {
        renamed(builder.forget_state("pairs"))
    }
    let dir = tempfile::tempdir().unwrap();
    let (ssc, clock) = get_or_create(dir.path(), BatchTime::ZERO, failing).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    let report = StreamingContext::dry_run(dir.path(), renamed);
    assert_eq!(report.redo, [BatchTime::from_millis(1000)]);
    assert_eq!(report.fate(PartKind::Source, "pairs"), Some(Fate::Refused));
    let lost = "the program does not have the source pairs, and the input of 1 batch that is still to be run";
    assert!(report.refusals[0].contains(lost), "{report}");
    let error = started(dir.path(), 1000, renamed).unwrap_err();
    assert!(error.full_text().contains(lost), "{error}");
    let report = StreamingContext::dry_run(dir.path(), given_up);
    assert!(
        report.would_start() && report.fate(PartKind::Source, "pairs") == Some(Fate::Dropped),
        "{report}"
    );
    started(dir.path(), 1000, given_up).unwrap();
    // With nothing left to do, a source may go.
    assert!(StreamingContext::dry_run(dir.path(), failing).would_start());
}

/// A source that must not be touched.
struct Untouched;

impl RangeSource<u64> for Untouched {
    type Range = u64;
    fn start(&self, _: Option<&u64>) -> Result<(), BoxError> {
        panic!("a dry run started a source")
    }
    fn next(&self, _: Option<&u64>, _: BatchInterval) -> Result<u64, BoxError> {
        panic!("a dry run asked a source")
    }
    fn partitions(&self, _: &u64) -> usize {
        1
    }
    fn records(&self, _: &u64) -> u64 {
        0
    }
    fn describe(&self, _: &u64) -> String {
        String::new()
    }
    fn read(
        &self,
        _: &u64,
        _: usize,
        _: &mut dyn FnMut(u64) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        panic!("a dry run read a source")
    }
}

#[test]
fn nothing_is_started_not_even_by_a_program_that_does_it_itself() {
    let dir = tempfile::tempdir().unwrap();
    let program = |builder: Builder| -> Result<StreamingContext, BoxError> {
        let ssc = builder.batch_interval(SECOND).build()?;
        ssc.range_stream("untouched", Untouched).0.named("untouched").register();
        Ok(ssc)
    };
    assert!(StreamingContext::dry_run(dir.path(), program).would_start());
    let mut started = None;
    let report = StreamingContext::dry_run(dir.path(), |builder| {
        let ssc = program(builder)?;
        started = Some(ssc.start());
        Ok(ssc)
    });
    assert!(matches!(started, Some(Err(Error::DryRun { would_start: true }))), "{started:?}");
    assert!(report.refusals[0].contains("stopped"), "{report}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
