//! Counts and running totals of words, from files into PostgreSQL, exactly once through crashes.

use std::time::Duration;

use waterclock::postgres::PostgresSink;
use waterclock::prelude::*;
use waterclock::{BoxError, FileOptions, State, StateSpec};
use waterclock_examples::{Args, Tuning, log, progress_line, run};

const HELP: &str = "\
cargo run --release --features postgres --example postgres_word_count -- OPTIONS

Counts the words of files that are moved into a directory. Killed and started again it goes on where it was, and every
word counts once. It writes into two tables, which have to be there:

  CREATE TABLE word_counts (word text, count bigint);               -- rows are added: each batch's counts
  CREATE TABLE word_totals (word text PRIMARY KEY, total bigint);   -- rows are replaced: the totals so far

  --input DIR        count files that are there, or are moved there
  --checkpoint DIR   what a restart needs
  --url URL          the database: postgres://USER:PASSWORD@HOST:PORT/DATABASE
  --batch-ms N       how often, in milliseconds (1000)
  --batches N        stop after so many batches (at Ctrl-C)
  --threads N        how many threads count (one for each core)
  --snapshot-bytes N how much is logged before all totals are written down anew (64 MiB)
  --help             this text";

struct Options {
    input: String,
    checkpoint: String,
    url: String,
    batch: Duration,
    batches: Option<u64>,
    tuning: Tuning,
}

fn options() -> Options {
    let mut args = Args::of_process();
    let [input, checkpoint, url] = ["--input", "--checkpoint", "--url"].map(|name| args.needed(name));
    let batch = Duration::from_millis(args.number("--batch-ms", 1_000));
    let batches = args.number_of("--batches");
    let tuning = Tuning::of(&mut args);
    args.done(HELP);
    Options { input, checkpoint, url, batch, batches, tuning }
}

fn program(options: &Options, builder: waterclock::Builder) -> Result<StreamingContext, BoxError> {
    let builder = builder.app_name("postgres_word_count").batch_interval(options.batch);
    let ssc = options.tuning.apply(builder).watch(progress_line()).build()?;
    let files = ssc.text_file_stream_with(&options.input, FileOptions::new().any_age())?.named("files");
    let counts = files.words().map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    // Only the totals that the batch changed: a batch costs what is in it, however many words there were before.
    let adding = StateSpec::function(|_, word: &Text, count: Option<u64>, total: &mut State<'_, u64>| {
        let sum = total.get().copied().unwrap_or(0) + count?;
        total.update(sum);
        Some((word.clone(), sum))
    });
    let totals = counts.map_with_state(adding).named("totals").stream();

    let patience = Duration::from_secs(60);
    let sink = |table, column| {
        let columns = ["word", column];
        PostgresSink::new(&options.url, table, columns, |(word, number): &(Text, u64), row| {
            row.value(word).value(number);
        })
    };
    counts.write_to(sink("word_counts", "count")?.retry_for(patience)).named("word_counts");
    let replacing = sink("word_totals", "total")?.upsert_by(["word"])?.retry_for(patience);
    totals.write_to(replacing).named("word_totals");
    Ok(ssc)
}

fn main() -> waterclock::Result<()> {
    log();
    let options = options();
    let ssc = StreamingContext::get_or_create(&options.checkpoint, |builder| program(&options, builder))?;
    run(&ssc, options.batches)
}
