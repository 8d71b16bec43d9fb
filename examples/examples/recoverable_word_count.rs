//! Running counts of words that go on exactly where they were after any end of the program: kill it at any
//! moment and start it again.

use std::time::Duration;

use waterclock::prelude::*;
use waterclock::{FileOptions, State, StateSpec};
use waterclock_examples::{Args, Tuning, log, progress_line, run};

const HELP: &str = "\
cargo run --release --example recoverable_word_count -- --input DIR --checkpoint DIR --output DIR [OPTIONS]

Counts the words of text files that are moved into a directory, also of those that are there already.

  --input DIR             where the files are moved to
  --checkpoint DIR        where the program keeps what it needs after a crash
  --output DIR            the totals that a batch changed are saved in DIR/counts-TIME, one `word<TAB>count`
                          a line
  --batch-ms N            how often totals are saved, in milliseconds (1000)
  --threads N             how many threads count (one for each core)
  --snapshot-bytes N      how much is logged before all totals are written down anew (64 MiB); less makes
                          restarts faster, more makes running cheaper
  --help                  this text";

/// What the command line says.
struct Options {
    input: String,
    checkpoint: String,
    output: String,
    batch: Duration,
    tuning: Tuning,
}

fn options() -> Options {
    let mut args = Args::of_process();
    let [input, checkpoint, output] = ["--input", "--checkpoint", "--output"].map(|name| args.needed(name));
    let batch = Duration::from_millis(args.number("--batch-ms", 1_000));
    let tuning = Tuning::of(&mut args);
    args.done(HELP);
    Options { input, checkpoint, output, batch, tuning }
}

fn program(options: &Options) -> waterclock::Result<StreamingContext> {
    StreamingContext::get_or_create(&options.checkpoint, |builder| {
        let builder = builder.app_name("recoverable_word_count").batch_interval(options.batch);
        let ssc = options.tuning.apply(builder).watch(progress_line()).build()?;
        let total = |_, word: &Text, count: Option<u64>, total: &mut State<'_, u64>| {
            let sum = total.get().copied().unwrap_or(0) + count.unwrap_or(0);
            total.update(sum);
            Some((word.clone(), sum))
        };
        ssc.text_file_stream_with(&options.input, FileOptions::new().any_age())?
            .named("lines")
            .words()
            .map(|word| (word, 1u64))
            .reduce_by_key(|a, b| a + b)
            .map_with_state(StateSpec::function(total))
            .named("totals")
            .stream()
            .map(|(word, total)| Text::from(format!("{word}\t{total}")))
            .save_as_text_files(format!("{}/counts", options.output), "");
        Ok(ssc)
    })
}

fn main() -> waterclock::Result<()> {
    log();
    run(&program(&options())?, None)
}
