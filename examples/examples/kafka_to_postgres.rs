//! Counts and running totals of words, from a topic of Kafka into PostgreSQL, each line counted exactly once.

use std::time::Duration;

use waterclock::kafka::KafkaSource;
use waterclock::postgres::PostgresSink;
use waterclock::prelude::*;
use waterclock::{FailurePolicy, State, StateSpec};
use waterclock_examples::{Args, Tuning, log, progress_line, run};

const HELP: &str = "\
cargo run --release --features kafka,postgres --example kafka_to_postgres -- OPTIONS

Counts the words of the lines in a topic. Killed and started again, it goes on from its checkpoint. It writes into two
tables, which have to be there:

  CREATE TABLE word_counts (word text, count bigint);               -- rows are added: each batch's counts
  CREATE TABLE word_totals (word text PRIMARY KEY, total bigint);   -- rows are replaced: the totals so far

  --brokers HOST:PORT  where Kafka is (localhost:9092)
  --from TOPIC         the lines
  --url URL            the database: postgres://USER:PASSWORD@HOST:PORT/DATABASE
  --checkpoint DIR     what a restart needs
  --batch-ms N         how often counts are made, in milliseconds (1000)
  --threads N          how many threads count (one for each core)
  --snapshot-bytes N   how much is logged before all totals are written down anew (64 MiB)
  --help               this text";

fn main() -> waterclock::Result<()> {
    log();
    let mut args = Args::of_process();
    let brokers = args.value("--brokers").unwrap_or_else(|| "localhost:9092".to_owned());
    let [from, url, checkpoint] = ["--from", "--url", "--checkpoint"].map(|name| args.needed(name));
    let batch = Duration::from_millis(args.number("--batch-ms", 1_000));
    let tuning = Tuning::of(&mut args);
    args.done(HELP);

    let sink = |table, column| {
        let columns = ["word", column];
        let sink = PostgresSink::new(&url, table, columns, |(word, number): &(Text, u64), row| {
            row.value(word).value(number);
        });
        Ok::<_, BoxError>(sink?.retry_for(Duration::from_secs(60)))
    };
    let ssc = StreamingContext::get_or_create(checkpoint, |builder| {
        let builder = tuning.apply(builder.app_name("kafka_to_postgres").batch_interval(batch));
        // A batch that can't be written is not passed over: it waits for the next start.
        let ssc = builder.on_failure(FailurePolicy::Stop).watch(progress_line()).build()?;
        // The broker may be on its way up as well.
        let source = KafkaSource::new(&brokers).topics([&from]).time_out(Duration::from_secs(60));
        let (lines, _) = source.stream_with(&ssc, |line| {
            Text::from(&*String::from_utf8_lossy(line.value().unwrap_or_default()))
        });
        let counts = lines.named("lines").words().map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
        let adding = StateSpec::function(|_, word: &Text, count: Option<u64>, total: &mut State<'_, u64>| {
            let sum = total.get().copied().unwrap_or(0) + count?;
            total.update(sum);
            Some((word.clone(), sum))
        });
        let totals = counts.map_with_state(adding).named("totals").stream();
        counts.write_to(sink("word_counts", "count")?).named("word_counts");
        totals.write_to(sink("word_totals", "total")?.upsert_by(["word"])?).named("word_totals");
        Ok(ssc)
    })?;
    run(&ssc, None)
}
