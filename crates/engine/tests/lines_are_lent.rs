//! Goal: the lines of a block are read where they lie, never copied, up to whoever needs records of their own.
//! Method: a source that hands lines on, and an end that counts how records reach it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use waterclock_base::Text;
use waterclock_engine::{Compute, Define, Engine, Rdd, Sink, Step, TaskCx, hand_lines};

struct Source(String);

impl Compute<Text> for Source {
    fn compute(&self, _: usize, cx: &TaskCx, out: &mut dyn Sink<Text>) -> Step {
        hand_lines(&self.0, cx, out)
    }
}

fn lines(engine: &Engine, text: &str) -> Rdd<Text> {
    Define::new("lines", 1).build(engine, Source(text.to_owned()))
}

/// Reads another dataset and notes how its records come.
struct Probe {
    parent: Rdd<Text>,
    seen: Arc<[AtomicUsize; 2]>,
}

struct Noting<'a>(&'a [AtomicUsize; 2]);

impl Sink<Text> for Noting<'_> {
    fn push(&mut self, chunk: &mut Vec<Text>) -> Step {
        self.0[0].fetch_add(chunk.len(), Ordering::Relaxed);
        chunk.clear();
        Ok(())
    }

    fn lend(&mut self, records: &[&Text]) -> Step {
        self.0[1].fetch_add(records.len(), Ordering::Relaxed);
        Ok(())
    }
}

impl Compute<Text> for Probe {
    fn compute(&self, partition: usize, cx: &TaskCx, _: &mut dyn Sink<Text>) -> Step {
        self.parent.compute(partition, cx, &mut Noting(&self.seen))
    }
}

/// How many records came owned, and how many lent.
fn owned_and_lent(rdd: &Rdd<Text>) -> (usize, usize) {
    let seen: Arc<[AtomicUsize; 2]> = Arc::default();
    let probe = Probe { parent: rdd.clone(), seen: seen.clone() };
    rdd.derive("probe").build(rdd.engine(), probe).count().unwrap();
    (seen[0].load(Ordering::Relaxed), seen[1].load(Ordering::Relaxed))
}

#[test]
fn filters_hand_lent_lines_on() {
    let engine = Engine::local(1);
    let text: String = (0..5000).map(|n| format!("line number {n} of a block\n")).collect();
    let lines = lines(&engine, &text);
    assert_eq!(owned_and_lent(&lines), (0, 5000));
    let some = lines.filter(|line| line.contains('7')).filter(|line| line.contains('3'));
    let count = text.lines().filter(|line| line.contains('7') && line.contains('3')).count();
    assert_eq!(owned_and_lent(&some), (0, count));
    assert_eq!(some.count().unwrap(), count as u64);
}

#[test]
fn blocks_of_many_pieces_and_long_lines_are_whole() {
    let engine = Engine::local(1);
    let long = "x".repeat(400_000);
    let text = format!("short\n{long}\n\r\n{}last", "a line\n".repeat(60_000));
    let expected: Vec<Text> = text.lines().map(Text::from).collect();
    assert_eq!(lines(&engine, &text).collect().unwrap(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// `words` is `split_whitespace`, over blocks and over records of their own.
    #[test]
    fn words_are_those_of_every_line(
        lines_of_words in prop::collection::vec("([a-z#\u{e9}]{0,20}[ \t\u{a0}\u{3000}]{0,2}){0,5}", 0..40),
        repeat in 1usize..200,
    ) {
        let text = (lines_of_words.join("\n") + "\r\n").repeat(repeat);
        let engine = Engine::local(1);
        let expected: Vec<Text> = text.split_whitespace().map(Text::from).collect();
        prop_assert_eq!(&lines(&engine, &text).words().collect().unwrap(), &expected);
        let owned = engine.parallelize(text.lines().map(Text::from).collect(), 3);
        prop_assert_eq!(&owned.words().collect().unwrap(), &expected);
        let kept = lines(&engine, &text).filter(|line| !line.is_empty()).words();
        prop_assert_eq!(&kept.collect().unwrap(), &expected);
    }
}
