//! Running totals of words, from files, a socket or standard input.

use std::time::Duration;

use waterclock::prelude::*;
use waterclock_examples::{Args, clock_time, log, progress_line, run};

const HELP: &str = "\
cargo run --release --example word_count -- SOURCE [OPTIONS]

Counts words from the start on: what stands between spaces, tabs, line ends and form feeds.

  --files DIR        count files that are moved into this directory
  --from HOST:PORT   count lines from this server
  --stdin            count standard input
  --batch MS         how often totals are made, in milliseconds (1000)
  --batches N        stop after so many batches (at Ctrl-C)
  --out PREFIX       save the totals of each batch as text files in PREFIX-TIME, one `(word,total)` a line;
                     without it the ten most frequent words are printed
  --help             this text";

const SPACES: [char; 5] = [' ', '\t', '\n', '\r', '\x0c'];

/// Where the text comes from.
enum Source {
    Files(String),
    Server(String),
    Stdin,
}

/// What the command line says.
struct Options {
    source: Source,
    batch: Duration,
    batches: Option<u64>,
    out: Option<String>,
}

fn options() -> Options {
    let mut args = Args::of_process();
    let sources = [
        args.value("--files").map(Source::Files),
        args.value("--from").map(Source::Server),
        args.switch("--stdin").then_some(Source::Stdin),
    ];
    let mut sources: Vec<_> = sources.into_iter().flatten().collect();
    if sources.len() != 1 {
        args.refuse("one of `--files`, `--from` and `--stdin` has to be given".to_owned());
    }
    let batch = Duration::from_millis(args.number("--batch", 1_000));
    let (batches, out) = (args.number_of("--batches"), args.value("--out"));
    args.done(HELP);
    Options { source: sources.pop().unwrap_or(Source::Stdin), batch, batches, out }
}

fn program(options: &Options) -> waterclock::Result<StreamingContext> {
    let builder = StreamingContext::builder("word_count").batch_interval(options.batch);
    let ssc = builder.watch(progress_line()).build()?;
    let lines = match &options.source {
        Source::Files(directory) => ssc.text_file_stream(directory)?,
        Source::Server(address) => ssc.socket_text_stream(address)?,
        Source::Stdin => ssc.stdin_stream(),
    };
    let totals = lines
        .named("lines")
        .flat_map_into(|line, out| {
            line.split(SPACES).filter(|word| !word.is_empty()).for_each(|word| out((Text::from(word), 1u64)));
        })
        .reduce_by_key(|a, b| a + b)
        .update_state_by_key(|new: Vec<u64>, total: Option<u64>| {
            Some(total.unwrap_or(0) + new.iter().sum::<u64>())
        })
        .named("totals");
    match &options.out {
        Some(prefix) => totals.save_as_text_files(prefix, ""),
        None => totals.top_by(10, |(_, total)| *total).foreach_rdd(|top, time| {
            println!("\n{}", clock_time(time));
            for (word, total) in top.collect()? {
                println!("{total:>9}  {word}");
            }
            Ok(())
        }),
    };
    Ok(ssc)
}

fn main() -> waterclock::Result<()> {
    log();
    let options = options();
    run(&program(&options)?, options.batches)
}
