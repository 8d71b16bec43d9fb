//! Jobs that really run, batch by batch as the test says, each with a page at a port of its own.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use waterclock_base::BatchTime;
use waterclock_streaming::testing::{TestClock, get_or_create, manual};
use waterclock_streaming::{Builder, Stop, StreamingContext};
use waterclock_ui::Page;

/// A job with its page, stopped at the end.
pub(crate) struct Job {
    pub(crate) ssc: StreamingContext,
    pub(crate) clock: TestClock,
    pub(crate) url: String,
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.ssc.stop(Stop::Now);
    }
}

fn page() -> Page {
    Page::new().at("127.0.0.1:0")
}

fn job(name: &str, program: impl FnOnce(&StreamingContext)) -> Job {
    let page = page();
    let builder = StreamingContext::builder(name).batch_interval(Duration::from_secs(1)).threads(2);
    let (ssc, clock) = manual(builder.watch(page.clone())).unwrap();
    program(&ssc);
    ssc.start().unwrap();
    Job { ssc, clock, url: page.url() }
}

/// Counts the words of each batch, the most frequent first, and their sums over all batches.
pub(crate) fn hashtags(batches: Vec<Vec<&'static str>>) -> Job {
    job("hashtags", |ssc| {
        let words = ssc.queue_stream(batches).named("messages").map(str::to_owned);
        words.count_by_value().top_by(10, |(_, count)| *count).show("top hashtags");
        let sum = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>());
        words.map(|word| (word, 1u64)).update_state_by_key(sum).named("totals").foreach_rdd(|totals, _| {
            totals.count()?;
            Ok(())
        });
    })
}

/// Its second output fails in the second batch: in a task, after a job that went well.
pub(crate) fn failing() -> Job {
    job("failing", |ssc| {
        let numbers = ssc.queue_stream(vec![vec![1u32, 2], vec![3, 4], vec![5, 6]]).named("numbers");
        numbers.count().show("how many");
        numbers.foreach_rdd(|rdd, time| {
            rdd.count()?;
            let fails = time.as_millis() == 2000;
            let checked = rdd.map(move |n| if fails { panic!("<b>{n} is no good</b>") } else { n });
            checked.collect().map(drop)?;
            Ok(())
        });
    })
}

/// Its first batch stays at work in a stage of `reduce_by_key` until the test lets it go.
pub(crate) fn slow() -> (Job, Sender<()>) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let job = job("slow", move |ssc| {
        let waiting = move |n: u64| {
            // It ends when the test has let go.
            let _ = wait.lock().unwrap().recv();
            (n % 2, n)
        };
        let numbers = ssc.queue_stream((0..8).map(|n| vec![n])).named("numbers");
        numbers.map(waiting).reduce_by_key(|a, b| a + b).show("sums");
    });
    (job, go)
}

/// Its input has more than memory and disk may hold, while its first batch stays at work until the test lets it go.
pub(crate) fn crowded() -> (Job, Sender<()>) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let page = page();
    let builder = StreamingContext::builder("crowded").batch_interval(Duration::from_secs(1)).threads(2);
    let builder = builder.memory_budget(100_000).received_on_disk(60_000);
    let (ssc, clock) = manual(builder.watch(page.clone())).unwrap();
    let numbers = ssc.receiver_stream(|out| {
        for n in 0..50_000u64 {
            out.store(n)?;
        }
        out.until_stopped();
        Ok(())
    });
    numbers.named("numbers").foreach_rdd(move |rdd, _| {
        // It ends when the test has let go.
        let _ = wait.lock().unwrap().recv();
        rdd.count()?;
        Ok(())
    });
    ssc.start().unwrap();
    (Job { ssc, clock, url: page.url() }, go)
}

/// Follows a latency target of 100 ms.
pub(crate) fn paced() -> Job {
    let page = page();
    let builder = StreamingContext::builder("paced").latency(Duration::from_millis(100)).threads(2);
    let (ssc, clock) = manual(builder.watch(page.clone())).unwrap();
    ssc.generator_stream(1000, |n| n).unwrap().count().show("how many");
    ssc.start().unwrap();
    Job { ssc, clock, url: page.url() }
}

/// Keeps state in this directory, and goes on with it; so many batches run at once.
pub(crate) fn recoverable(dir: &Path, now: i64, batches: u32) -> Job {
    let page = page();
    let program = |builder: Builder| {
        let builder = builder.app_name("recoverable").batch_interval(Duration::from_secs(1)).threads(2);
        let ssc = builder.watch(page.clone()).build()?;
        let words = ssc.queue_stream(vec![vec![("a", 1u64)]; 8]).named("words");
        let sum = |new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.iter().sum::<u64>());
        words.map(|(word, n)| (word.to_owned(), n)).update_state_by_key(sum).named("totals").show("totals");
        Ok(ssc)
    };
    let (ssc, clock) = get_or_create(dir, BatchTime::from_millis(now), program).unwrap();
    ssc.start().unwrap();
    clock.advance_batches(batches);
    Job { ssc, clock, url: page.url() }
}
