//! The most frequent hashtags of the last while, every second, until Ctrl-C.

use std::time::Duration;

use waterclock::Builder;
use waterclock::prelude::*;
use waterclock::ui::Page;
use waterclock_examples::{Args, Feed, clock_time, log, progress_line, run};

const HELP: &str = "\
cargo run --release --example hashtags -- [OPTIONS]

Counts hashtags over a sliding window and prints the ten most frequent. Without --from or --files the
messages come from a feed that the program starts itself and reads over TCP.

  --from HOST:PORT   read lines from this server
  --files DIR        read the lines of files that are moved into this directory
  --rate N           lines a second of the program's own feed (10000)
  --window MS        what is counted: this much time, in milliseconds (30000)
  --slide MS         how often it is printed (1000)
  --batch MS         how often data is taken in (500)
  --batches N        stop after so many batches (at Ctrl-C)
  --checkpoint DIR   keep here what a restart needs: killed at any moment and started again with the same options,
                     the program goes on with the same window
  --page HOST:PORT   where the live page is (127.0.0.1:4040, or the next port that is free)
  --no-page          no page
  --help             this text

With --checkpoint every line of --files counts once, whatever happens, also of files that are moved in while nothing
runs. A server can't be asked again: what had come from it and was not written down yet when the program was killed,
that is, in the time of a block (200 ms) before, is lost, and so is what it sends while nothing runs.";

struct Options {
    from: Option<String>,
    files: Option<String>,
    rate: u64,
    window: Duration,
    slide: Duration,
    batch: Duration,
    batches: Option<u64>,
    checkpoint: Option<String>,
    page: Option<Page>,
}

fn options() -> Options {
    let mut args = Args::of_process();
    let options = Options {
        from: args.value("--from"),
        files: args.value("--files"),
        rate: args.number("--rate", 10_000),
        window: Duration::from_millis(args.number("--window", 30_000)),
        slide: Duration::from_millis(args.number("--slide", 1_000)),
        batch: Duration::from_millis(args.number("--batch", 500)),
        batches: args.number_of("--batches"),
        checkpoint: args.value("--checkpoint"),
        page: match (args.switch("--no-page"), args.value("--page")) {
            (true, _) => None,
            (false, None) => Some(Page::new()),
            (false, Some(address)) => Some(Page::new().at(address)),
        },
    };
    if options.from.is_some() && options.files.is_some() {
        args.refuse("`--from` or `--files`, not both".to_owned());
    }
    args.done(HELP);
    options
}

/// Where messages come from.
enum From {
    Server(String),
    Files(String),
}

fn program(options: &Options, from: &From, builder: Builder) -> waterclock::Result<StreamingContext> {
    let builder = builder.app_name("hashtags").batch_interval(options.batch).watch(progress_line());
    let ssc = options.page.iter().fold(builder, |builder, page| builder.watch(page.clone())).build()?;
    let messages = match from {
        From::Server(address) => ssc.socket_text_stream(address)?,
        From::Files(directory) => ssc.text_file_stream(directory)?,
    };
    let counts = messages
        .named("messages")
        .words()
        .filter(|word| word.starts_with('#'))
        .count_by_value_and_window(options.window, options.slide)
        .named("counts");
    let window = options.window;
    let top = counts.top_by(10, |(_, count)| *count);
    top.show("top hashtags");
    top.foreach_rdd(move |top, time| {
        println!("\n{}  the last {:?}", clock_time(time), window);
        for (tag, count) in top.collect()? {
            println!("{count:>9}  {tag}");
        }
        Ok(())
    });
    Ok(ssc)
}

fn main() -> waterclock::Result<()> {
    log();
    let options = options();
    let from = match (&options.from, &options.files) {
        (Some(address), _) => From::Server(address.clone()),
        (None, Some(directory)) => From::Files(directory.clone()),
        (None, None) => {
            let feed = Feed::start(options.rate)
                .map_err(|error| waterclock::Error::outside("can't open a port for", "the feed", error))?;
            println!("{} lines a second from {}", options.rate, feed.address());
            From::Server(feed.address().to_string())
        }
    };
    let ssc = match &options.checkpoint {
        Some(dir) => StreamingContext::get_or_create(dir, |builder| Ok(program(&options, &from, builder)?))?,
        None => program(&options, &from, StreamingContext::builder("hashtags"))?,
    };
    if let Some(page) = &options.page {
        println!("live page: {}", page.url());
    }
    run(&ssc, options.batches)
}
