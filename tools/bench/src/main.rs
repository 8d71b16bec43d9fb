//! Benches: one job over a folder of text files, one file a batch, fed from memory through the public API.
//!
//! ```text
//! cargo run --release -p waterclock-bench -- JOB --input DIR [--threads N] [--batches N] [--form FORM]
//! ```
//!
//! Prints one JSON line. The first batches, which fill caches and windows, are not counted.
#![expect(clippy::disallowed_methods, reason = "a bench reads files and the time directly")]

mod burst; // ten times too much
mod by_hand; // the records job without any library of streams
mod checkpoint; // what it costs, and how soon a killed program is back
mod counted_disk; // how often something is made safe
mod hostile; // text that is meant to be slow
mod input; // files in memory
mod jobs; // the jobs on Waterclock
#[cfg(feature = "kafka")]
mod kafka; // from a topic, beside a bare loop of the client
mod latency; // from a socket to the output
mod measure; // seconds of the wall and of the processor, memory
mod soak; // memory over many batches
mod steady; // the stateful job with something and without it, in turns
mod visitor; // somebody who has the page open
mod watched; // what the page and events cost

use std::process::ExitCode;

use input::Input;
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
waterclock-bench JOB [--input DIR] [--threads N] [--batches N] [--form FORM] [--pattern WORD] [--keys N]
                     [--hostile DIR] [--interval-ms N] [--seconds N] [--turns N] [--rate N]

JOB  grep         lines that hold the pattern, counted
     wordcount    words of a batch, counted
     windowed     words of the last 30 batches, counted; the ten most frequent
     stateful     words since the start, counted
     records      JSON lines: parsed, grouped by a text, summed
     records-hand the same by a hand-written loop
     idle         batches without input through the word count graph: cost of a batch
     keyed        running counts: a batch of 1,000 keys among --keys N
     checkpoint   stateful with a checkpoint and without, --turns (2) times in turn, in batches of --interval-ms (100)
                  for --seconds (10): MB/s of batches one after the other, and the delays of batches at half that speed
     page         the same with the page, somebody who looks at it and ten shown streams, and without
     events       the events of --batches (500) told again with a listener: time for each
     restart      state of --keys N, killed and started again: how long until the first batch is over
     hostile      wordcount over the text of --input and that of --hostile in turn: time a byte. Writes the
                  hostile text (200 MB) if there is no such folder
     kafka        with the feature of this name and WATERCLOCK_KAFKA: the records of a topic (2 million, or 200,000
                  for each of --batches) read in batches, and by a bare loop of the client, in turn
     latency      wordcount of --rate lines a second (10,000) from a socket for --seconds (10) in batches of
                  --interval-ms (1): the delay of each line from its sender to the output
     burst        lines from a socket under a latency target of --interval-ms (100): ten times what can be processed
                  for --seconds (10), between ten seconds of half of it: losses, memory, and how soon the target is met
     soak         100,000 batches of wordcount, windows and state, with the page and somebody who looks at it: memory

FORM of wordcount, windowed and stateful:
     words        `words()` (default)
     into         the emitting `flat_map_into` over `Text`
     vec          `flat_map` returning a `Vec` of `Text`
     string       `flat_map` returning a `Vec` of `String`

The input is text files (*.txt), as peers/gen_text.py writes them, or *.jsonl for records; without any,
`records` makes its own.";

/// What the command line asks for.
#[derive(Clone)]
pub(crate) struct Options {
    job: String,
    input: String,
    threads: usize,
    batches: Option<usize>,
    form: String,
    pattern: String,
    keys: u64,
    hostile: String,
    interval_ms: u64,
    seconds: u64,
    turns: usize,
    rate: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}\n\n{HELP}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Value, String> {
    let options = options()?;
    let input = || Input::text(&options.input);
    let told = |error: waterclock::Error| error.full_text();
    let report = match options.job.as_str() {
        "grep" => jobs::grep(&input()?, &options).map_err(told)?,
        "wordcount" => jobs::word_count(&input()?, &options).map_err(told)?,
        "windowed" => jobs::windowed(&input()?, &options).map_err(told)?,
        "stateful" => jobs::stateful(&input()?, &options).map_err(told)?,
        "records" => jobs::records(&Input::records(&options)?, &options).map_err(told)?,
        "records-hand" => by_hand::records(&Input::records(&options)?, &options),
        "idle" => jobs::idle(&options).map_err(told)?,
        "keyed" => jobs::keyed(&options).map_err(told)?,
        // The `Debug` of our errors is the text for people.
        "checkpoint" => return checkpoint::run(&options).map_err(|error| format!("{error:?}")),
        "restart" => return checkpoint::restart(&options).map_err(|error| format!("{error:?}")),
        "restart-child" => {
            match checkpoint::restart_child(&options).map_err(|error| format!("{error:?}"))? {}
        }
        "hostile" => return hostile::run(&options).map_err(|error| format!("{error:?}")),
        "latency" => return latency::run(&options).map_err(|error| format!("{error:?}")),
        #[cfg(feature = "kafka")]
        "kafka" => return kafka::run(&options).map_err(|error| error.to_string()),
        "page" => return watched::page(&options).map_err(|error| format!("{error:?}")),
        "events" => return watched::events(&options).map_err(|error| format!("{error:?}")),
        "burst" => return burst::run(&options).map_err(|error| format!("{error:?}")),
        "soak" => return soak::run(&options).map_err(|error| format!("{error:?}")),
        other => return Err(format!("there is no job {other:?}")),
    };
    Ok(report.json())
}

fn options() -> Result<Options, String> {
    let mut args = std::env::args().skip(1);
    let mut options = Options {
        job: args.next().ok_or("no job is given")?,
        input: ".".into(),
        threads: 1,
        batches: None,
        form: "words".into(),
        pattern: "awib".into(),
        keys: 10_000,
        hostile: String::new(),
        interval_ms: 1,
        seconds: 10,
        turns: 2,
        rate: 10_000,
    };
    if matches!(options.job.as_str(), "checkpoint" | "page" | "burst") {
        options.interval_ms = 100;
    }
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("{name}: {value:?} is not a number"));
        match name.as_str() {
            "--input" => options.input = value,
            "--threads" => options.threads = number()?,
            "--batches" => options.batches = Some(number()?),
            "--form" => options.form = value,
            "--pattern" => options.pattern = value,
            "--keys" => options.keys = number()? as u64,
            "--hostile" => options.hostile = value,
            "--interval-ms" => options.interval_ms = number()? as u64,
            "--seconds" => options.seconds = number()? as u64,
            "--turns" => options.turns = number()?,
            "--rate" => options.rate = number()? as u64,
            _ => return Err(format!("there is no option {name:?}")),
        }
    }
    Ok(options)
}
