//! Running totals of words, from a topic of Kafka into another, each line counted exactly once.

use std::time::Duration;

use waterclock::kafka::{KafkaSink, KafkaSource, NewRecord};
use waterclock::prelude::*;
use waterclock::{FailurePolicy, State, StateSpec};
use waterclock_examples::{Args, Tuning, log, progress_line, run};

const HELP: &str = "\
cargo run --release --features kafka --example kafka_word_count -- OPTIONS

Counts the words of the lines in a topic. For each batch it writes the words that came as records into another
topic, in one transaction: WORD is the key, `WORD<TAB>NEW<TAB>TOTAL` the value. Killed and started again, it goes
on from its checkpoint.

  --brokers HOST:PORT  where Kafka is (localhost:9092)
  --from TOPIC         the lines
  --to TOPIC           the counts
  --checkpoint DIR     what a restart needs
  --batch-ms N         how often counts are made, in milliseconds (1000)
  --threads N          how many threads count (one for each core)
  --snapshot-bytes N   how much is logged before all totals are written down anew (64 MiB)
  --help               this text";

fn main() -> waterclock::Result<()> {
    log();
    let mut args = Args::of_process();
    let brokers = args.value("--brokers").unwrap_or_else(|| "localhost:9092".to_owned());
    let [from, to, checkpoint] = ["--from", "--to", "--checkpoint"].map(|name| args.needed(name));
    let batch = Duration::from_millis(args.number("--batch-ms", 1_000));
    let tuning = Tuning::of(&mut args);
    args.done(HELP);

    let ssc = StreamingContext::get_or_create(checkpoint, |builder| {
        let builder = tuning.apply(builder.app_name("kafka_word_count").batch_interval(batch));
        // A batch that can't be written is not passed over: it waits for the next start.
        let ssc = builder.on_failure(FailurePolicy::Stop).watch(progress_line()).build()?;
        // The broker may be on its way up as well.
        let source = KafkaSource::new(&brokers).topics([&from]).time_out(Duration::from_secs(60));
        let (lines, _) = source.stream_with(&ssc, |line| {
            Text::from(&*String::from_utf8_lossy(line.value().unwrap_or_default()))
        });
        let count = |_: BatchTime, word: &Text, new: Option<u64>, total: &mut State<'_, u64>| {
            let new = new.unwrap_or(0);
            let sum = total.get().copied().unwrap_or(0) + new;
            total.update(sum);
            Some((word.clone(), new, sum))
        };
        let totals = lines
            .named("lines")
            .words()
            .map(|word| (word, 1u64))
            .reduce_by_key(|a, b| a + b)
            .map_with_state(StateSpec::function(count))
            .named("totals")
            .stream();
        totals
            .write_to(KafkaSink::new(&brokers, &to, |(word, new, total): (Text, u64, u64)| {
                NewRecord::value(format!("{word}\t{new}\t{total}")).key(word.as_bytes())
            }))
            .named("counts");
        Ok(ssc)
    })?;
    run(&ssc, None)
}
