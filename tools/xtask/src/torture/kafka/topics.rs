//! The topics, through the programs that come with Kafka.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::random::Random;
use crate::servers::kafka_program;
use crate::torture::input::word;

/// How long the consumer waits for more before it takes a topic for read.
const SILENCE_MS: &str = "4000";

pub(super) fn create(brokers: &str, topic: &str, partitions: u32) -> Result<(), String> {
    let mut command = kafka_program("org.apache.kafka.tools.TopicCommand")?;
    command.args(["--bootstrap-server", brokers, "--create", "--topic", topic]);
    command.args(["--partitions", &partitions.to_string(), "--replication-factor", "1"]);
    output(&mut command).map(|_| ())
}

/// What a reader of committed records finds in the topic, a record a line; those of a partition in their order.
pub(super) fn read(brokers: &str, topic: &str) -> Result<String, String> {
    let mut command = kafka_program("org.apache.kafka.tools.consumer.ConsoleConsumer")?;
    command.args(["--bootstrap-server", brokers, "--topic", topic, "--from-beginning"]);
    command.args(["--isolation-level", "read_committed", "--timeout-ms", SILENCE_MS]);
    output(&mut command)
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("`java` can't be started: {e}"))?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}

/// Writes lines of random words into a topic, for as long as it is there.
pub(super) struct Feeder {
    producer: Child,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<ChildStdin>>,
}

impl Feeder {
    pub(super) fn start(brokers: &str, topic: &str, mut random: Random) -> Result<Feeder, String> {
        let mut command = kafka_program("org.apache.kafka.tools.ConsoleProducer")?;
        command.args(["--bootstrap-server", brokers, "--topic", topic]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut producer = command.spawn().map_err(|e| format!("`java` can't be started: {e}"))?;
        let mut pipe = producer.stdin.take().ok_or("the producer has no input")?;
        let end = Arc::new(AtomicBool::new(false));
        let ends = end.clone();
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let words: Vec<_> = (0..5).map(|_| word(&mut random)).collect();
                if writeln!(pipe, "{}", words.join(" ")).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(3));
            }
            pipe
        });
        Ok(Feeder { producer, end, thread: Some(thread) })
    }

    /// Writes no more, and waits until everything is in the topic.
    pub(super) fn finish(mut self) -> Result<(), String> {
        self.end.store(true, Ordering::Relaxed);
        let pipe = self.thread.take().and_then(|thread| thread.join().ok());
        drop(pipe.ok_or("the thread that writes lines panicked")?);
        let status = self.producer.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the producer: {status}")) }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        // It may have ended already.
        let _ = self.producer.kill();
        let _ = self.producer.wait();
    }
}
