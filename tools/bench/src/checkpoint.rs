//! What a checkpoint costs while a program runs, and how soon one that was killed is back.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use waterclock::prelude::*;
use waterclock::testing::{self, scripted};
use waterclock::{BatchTime, Builder};

use crate::Options;
use crate::jobs::running_total;
use crate::measure::memory;
use crate::steady::{Addition, compare};

/// The stateful job with a checkpoint and without, in turns.
pub(crate) fn run(options: &Options) -> Result<Value, BoxError> {
    compare("checkpoint", options, || Ok(tempfile::tempdir()?))
}

impl Addition for TempDir {
    fn build(&self, builder: Builder) -> Builder {
        builder.checkpoint_dir(self.path())
    }
}

/// Makes state of so many keys, is killed, and starts again: how long until the first batch is over.
pub(crate) fn restart(options: &Options) -> Result<Value, BoxError> {
    let dir = tempfile::tempdir()?;
    let spawn = |batch: usize| -> Result<(std::process::Child, Value), BoxError> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["restart-child", "--input", &dir.path().to_string_lossy()])
            .args(["--batches", &batch.to_string()])
            .args(["--keys", &options.keys.to_string(), "--threads", &options.threads.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().ok_or("there is no output")?);
        std::io::BufRead::read_line(&mut out, &mut line)?;
        Ok((child, serde_json::from_str(&line)?))
    };
    let (mut child, _) = spawn(0)?;
    let mut bytes = size(dir.path())?;
    loop {
        // Until the log and the snapshot that follows the first batch are written.
        std::thread::sleep(Duration::from_secs(2));
        let now = size(dir.path())?;
        if std::mem::replace(&mut bytes, now) == now {
            break;
        }
    }
    child.kill()?;
    child.wait()?;
    let mut millis = Vec::new();
    let mut last = Value::Null;
    for batch in 3..6 {
        let begin = Instant::now();
        let (mut child, told) = spawn(batch)?;
        millis.push(begin.elapsed().as_secs_f64() * 1000.0);
        last = told;
        child.kill()?;
        child.wait()?;
    }
    millis.sort_by(f64::total_cmp);
    Ok(json!({
        "system": "waterclock",
        "job": "restart",
        "threads": options.threads,
        "keys": options.keys,
        "state_mb": bytes as f64 / 1e6,
        "goal_ms": 300.0 + bytes as f64 / 500e3,
        "first_batch_ms": millis,
        "start": last,
    }))
}

/// One of the processes of [`restart`]: the first makes the keys; each touches some, and says when that is over.
pub(crate) fn restart_child(options: &Options) -> Result<std::convert::Infallible, BoxError> {
    let begin = Instant::now();
    let (keys, threads) = (options.keys, options.threads);
    let create = |builder: Builder| -> Result<StreamingContext, BoxError> {
        let ssc =
            builder.app_name("restart").batch_interval(Duration::from_secs(1)).threads(threads).build()?;
        let all = AtomicU64::new(keys);
        let input = scripted(&ssc, move |t: BatchTime, engine| {
            let first = t.as_millis() == 1000;
            let count = if first { all.load(Ordering::Relaxed) } else { 1000 };
            Some(engine.parallelize((0..count).map(|key| (key, 1u64)).collect::<Vec<_>>(), threads))
        });
        input.map_with_state(running_total()).named("totals").stream().foreach_rdd(|rdd, _| {
            rdd.count()?;
            Ok(())
        });
        Ok(ssc)
    };
    // Which batch was the last.
    let before = options.batches.unwrap_or_default();
    let start = BatchTime::from_millis(before as i64 * 1000);
    let (ssc, clock) = testing::get_or_create(&options.input, start, create)?;
    ssc.start()?;
    let started = begin.elapsed();
    // The first process makes the keys, and a snapshot of them after a batch or two.
    clock.advance_batches(if before == 0 { 3 } else { 1 });
    let told = json!({
        "started_ms": started.as_secs_f64() * 1000.0,
        "first_batch_ms": begin.elapsed().as_secs_f64() * 1000.0,
        "peak_mb": memory()?.peak_mb,
    });
    println!("{told}");
    // Until it is killed.
    loop {
        std::thread::park();
    }
}

/// Bytes of all files below.
fn size(dir: &Path) -> std::io::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let meta = entry.metadata()?;
        Ok(sum + if meta.is_dir() { size(&entry.path())? } else { meta.len() })
    })
}
