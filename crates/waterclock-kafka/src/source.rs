//! Streams from topics.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use waterclock_base::{BatchInterval, BoxError, Data, Error, Event};
use waterclock_engine::Rdd;
use waterclock_streaming::{DStream, OnLost, RangeSource, Ranges, StreamingContext};

use crate::client::Cluster;
use crate::cut::{Cutter, Start, Wishes};
use crate::group::Group;
use crate::offsets::{OffsetRange, OffsetRanges};
use crate::reader::Readers;
use crate::record::{KafkaMessage, KafkaRecord};
use crate::topics::{Overview, Topics};

/// How many consumers wait for their next batch, where nothing else is said.
const CONSUMERS: usize = 64;

/// A stream from topics of Kafka, to be described and then [made](Self::stream).
///
/// There is no receiver: when a batch is formed its offsets are fixed and, with a checkpoint, written down; tasks then
/// read exactly these, one partition of the dataset for each partition of the topics. So every record is in
/// exactly one batch, after any failure, as long as the topic keeps it.
///
/// ```no_run
/// use std::time::Duration;
/// use waterclock_kafka::{KafkaSource, Start};
/// use waterclock_streaming::StreamingContext;
/// let ssc = StreamingContext::builder("clicks").batch_interval(Duration::from_secs(1)).build()?;
/// let (clicks, offsets) = KafkaSource::new("localhost:9092")
///     .topics(["clicks"])
///     .start(Start::Latest)
///     .max_rate_per_partition(10_000)
///     .stream(&ssc);
/// clicks.named("clicks").map(|click| click.value_text()).print();
/// ssc.add_listener(move |event: &waterclock_base::Event| {
///     if let waterclock_base::Event::BatchStarted(batch) = event {
///         println!("{:?}", offsets.at(batch.time()).map(|ranges| ranges.describe()));
///     }
/// });
/// ssc.start()?;
/// # Ok::<(), waterclock_base::Error>(())
/// ```
///
/// # Recovery
/// The offsets stand in the checkpoint's log, and a restart goes on behind them. Without a checkpoint
/// [`commit_to_group`](Self::commit_to_group) and [`Start::Group`] go on at least once.
///
/// # Errors
/// `StreamingContext::start` fails where a setting is wrong, the brokers don't answer or a topic is not there.
/// Later, a batch reads nothing while the brokers don't answer, which listeners are told, and the next one begins
/// where it should have; a batch fails when its records can't be read.
#[derive(Clone)]
pub struct KafkaSource {
    cluster: Cluster,
    topics: Topics,
    wishes: Wishes,
    patience: Duration,
    consumers: usize,
}

impl KafkaSource {
    /// A source that knows its first brokers, `host:port,host:port`, and no topic yet.
    pub fn new(brokers: impl Into<String>) -> Self {
        KafkaSource {
            cluster: Cluster::new(brokers),
            topics: Topics::Named(BTreeSet::new()),
            wishes: Wishes::default(),
            patience: Duration::from_secs(60),
            consumers: CONSUMERS,
        }
    }

    /// Reads all partitions of these topics, which must be there at the start.
    #[must_use]
    pub fn topics(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.topics = Topics::Named(names.into_iter().map(Into::into).collect());
        self
    }

    /// Reads all topics whose name has a part that this regular expression (of the crate `regex-lite`) matches; `^`
    /// and `$` stand for its ends. Topics that begin with two underscores are the brokers' own and left out.
    #[must_use]
    pub fn topic_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.topics = Topics::Like(pattern.into());
        self
    }

    /// Reads these partitions of topics and no others.
    #[must_use]
    pub fn assign(mut self, partitions: impl IntoIterator<Item = (impl Into<String>, i32)>) -> Self {
        let partitions = partitions.into_iter().map(|(topic, partition)| (topic.into(), partition));
        self.topics = Topics::Assigned(partitions.collect());
        self
    }

    /// Where to begin without a past: [`Start::Earliest`] if nothing is said.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.wishes.start = start;
        self
    }

    /// At most this many offsets a second of each partition, from the first batch on. Back-pressure and a latency
    /// target of the context can ask for less: that is shared by what the partitions have waiting.
    #[must_use]
    pub fn max_rate_per_partition(mut self, records_per_second: u64) -> Self {
        self.wishes.rates.per_partition = Some(records_per_second);
        self
    }

    /// At most this many offsets a second of one partition, in place of
    /// [`max_rate_per_partition`](Self::max_rate_per_partition).
    #[must_use]
    pub fn max_rate_of(mut self, topic: impl Into<String>, partition: i32, records_per_second: u64) -> Self {
        self.wishes.rates.of.insert((topic.into(), partition), records_per_second);
        self
    }

    /// At most this many offsets a second of all partitions together, shared by what they have waiting, from the first
    /// batch on.
    #[must_use]
    pub fn max_rate(mut self, records_per_second: u64) -> Self {
        self.wishes.rates.together = Some(records_per_second);
        self
    }

    /// What each partition may read in a batch even where its rate says less: 1 if nothing is said.
    #[must_use]
    pub fn min_per_batch(mut self, records: u64) -> Self {
        self.wishes.rates.least = records;
        self
    }

    /// What to do when records that a batch was cut for are gone, as after the topic's retention, or when the topic
    /// is shorter than what was read of it: [`OnLost::Fail`] if nothing is said.
    ///
    /// [`OnLost::SkipAndCount`] goes on with what is there; listeners see `Event::RecordsDropped` with the number of
    /// offsets. A topic that is shorter is taken for a new one. One that was made anew and has at least as many
    /// records as were read of it before can't be told from the old one.
    #[must_use]
    pub fn on_lost(mut self, on_lost: OnLost) -> Self {
        self.wishes.on_lost = on_lost;
        self
    }

    /// Tells this consumer group how far batches are, once they are done and nothing will be read again, the last one
    /// at a graceful stop included. For others to see, and for [`Start::Group`]: where there is a checkpoint the
    /// offsets in it are the ones that count.
    #[must_use]
    pub fn commit_to_group(mut self, group: impl Into<String>) -> Self {
        self.wishes.group = Some(group.into());
        self
    }

    /// Looks for new partitions, and new topics that match, this often in the time of batches: every 5 seconds if
    /// nothing is said. They are read from their first record.
    #[must_use]
    pub fn look_for_partitions_every(mut self, interval: Duration) -> Self {
        self.wishes.look_every = interval;
        self
    }

    /// How long a question to the brokers may take, such as for the ends of partitions when a batch is formed: 10
    /// seconds if nothing is said.
    #[must_use]
    pub fn time_out(mut self, time_out: Duration) -> Self {
        self.cluster.time_out = time_out;
        self
    }

    /// How long a task waits for a record that is known to be there: a minute if nothing is said.
    #[must_use]
    pub fn read_time_out(mut self, time_out: Duration) -> Self {
        self.patience = time_out;
        self
    }

    /// How many consumers are kept between batches: 64 if nothing is said. There should be one for each partition; each
    /// fetches ahead up to 16 MiB (`queued.max.messages.kbytes`).
    #[must_use]
    pub fn cached_consumers(mut self, most: usize) -> Self {
        self.consumers = most;
        self
    }

    /// Sets a property of the client, librdkafka, such as `security.protocol`, `ssl.ca.location`, `sasl.username` or
    /// `isolation.level` (`read_committed` if nothing is said). TLS and SASL by SCRAM or PLAIN need the feature `tls`,
    /// Kerberos `gssapi`. What would break the source is refused at the start. No value appears in an error or log of
    /// ours.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.cluster.settings.push((name.into(), value.into()));
        self
    }

    /// The stream, and what each batch reads.
    ///
    /// Records are copied out of the client's memory; [`stream_with`](Self::stream_with) spares that.
    #[track_caller]
    pub fn stream(self, ssc: &StreamingContext) -> (DStream<KafkaRecord>, Ranges<OffsetRanges>) {
        self.stream_with(ssc, |message| message.to_record())
    }

    /// The stream of what `make` makes of each record, which it is lent, and what each batch reads.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # let (ssc, _) = waterclock_streaming::testing::manual_context("words", Duration::from_secs(1))?;
    /// use waterclock_base::Text;
    /// use waterclock_kafka::KafkaSource;
    /// let source = KafkaSource::new("localhost:9092").topics(["lines"]);
    /// let (lines, _) = source.stream_with(&ssc, |line| {
    ///     Text::from(&*String::from_utf8_lossy(line.value().unwrap_or_default()))
    /// });
    /// lines.named("lines").words().count_by_value().print();
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn stream_with<T: Data>(
        self,
        ssc: &StreamingContext,
        make: impl Fn(&KafkaMessage<'_>) -> T + Send + Sync + 'static,
    ) -> (DStream<T>, Ranges<OffsetRanges>) {
        let direct = self.direct(make);
        let tell = direct.tell.clone();
        let (stream, ranges) = ssc.range_stream("kafka", direct);
        let (engine, id) = (ssc.engine().clone(), stream.id());
        let dropped: Tell = Box::new(move |records, why| {
            engine.tell(Event::RecordsDropped { stream: id, why, records });
        });
        // It was made above and is set nowhere else.
        let _ = tell.set(dropped);
        (stream, ranges)
    }

    /// The source at work, which tells nobody yet of what is lost.
    fn direct<F>(self, make: F) -> Direct<F> {
        let KafkaSource { cluster, topics, wishes, patience, consumers } = self;
        let cutter = Cutter::new(wishes);
        let readers = Readers::new(cluster.clone(), patience, consumers);
        let (brokers, group, tell) = Default::default();
        Direct { cluster, topics, brokers, cutter, readers, group, make, tell }
    }
}

/// # Without a stream
impl KafkaSource {
    /// A dataset of the records in these ranges, one partition for each: for jobs over what is there already.
    ///
    /// The ranges say what is read, and where it ends; topics, [`start`](Self::start), rates and the group don't count.
    /// Records are read, from the brokers, whenever an action needs them. With [`OnLost::SkipAndCount`] a warning
    /// tells how many are gone.
    ///
    /// # Errors
    /// `Error::User` for a setting that can't be used.
    ///
    /// ```no_run
    /// # let ssc = waterclock_streaming::StreamingContext::builder("past").build()?;
    /// use waterclock_kafka::{KafkaSource, OffsetRange};
    /// let range = OffsetRange { topic: "clicks".into(), partition: 0, from: 100, to: 200 };
    /// let clicks = KafkaSource::new("localhost:9092").create_rdd(&ssc, [range])?;
    /// println!("{} of them", clicks.count()?);
    /// # Ok::<(), waterclock_base::Error>(())
    /// ```
    #[track_caller]
    pub fn create_rdd(
        self,
        ssc: &StreamingContext,
        ranges: impl IntoIterator<Item = OffsetRange>,
    ) -> waterclock_base::Result<Rdd<KafkaRecord>> {
        self.create_rdd_with(ssc, ranges, |message| message.to_record())
    }

    /// The dataset of what `make` makes of each record in these ranges, which it is lent.
    ///
    /// # Errors
    /// As [`create_rdd`](Self::create_rdd).
    #[track_caller]
    pub fn create_rdd_with<T: Data>(
        self,
        ssc: &StreamingContext,
        ranges: impl IntoIterator<Item = OffsetRange>,
        make: impl Fn(&KafkaMessage<'_>) -> T + Send + Sync + 'static,
    ) -> waterclock_base::Result<Rdd<T>> {
        // No range begins where another has ended, so that no consumer is used again.
        let direct = self.cached_consumers(0).direct(make);
        direct.readers.check().map_err(|error| Error::user("kafka", None, error.into()))?;
        let engine = ssc.engine().clone();
        let warn: Tell = Box::new(move |records, why| {
            engine.tell(Event::Warning { text: format!("{records} records were not read: {why}") });
        });
        // It was made above and is set nowhere else.
        let _ = direct.tell.set(warn);
        let ranges = OffsetRanges { ranges: ranges.into_iter().collect() };
        Ok(ssc.range_rdd("kafka", direct, ranges))
    }
}

/// Tells listeners that so many records were dropped, and why.
type Tell = Box<dyn Fn(u64, &'static str) + Send + Sync>;

/// The source at work.
struct Direct<F> {
    cluster: Cluster,
    topics: Topics,
    brokers: OnceLock<Overview>,
    cutter: Cutter,
    readers: Readers,
    group: OnceLock<Group>,
    make: F,
    tell: Arc<OnceLock<Tell>>,
}

impl<T: Data, F: Fn(&KafkaMessage<'_>) -> T + Send + Sync + 'static> RangeSource<T> for Direct<F> {
    type Range = OffsetRanges;

    fn start(&self, last: Option<&OffsetRanges>) -> Result<(), BoxError> {
        self.readers.check()?;
        let brokers = Overview::new(self.cluster.clone(), self.topics.clone())?;
        self.cutter.begin(&brokers, last.is_some())?;
        if let Some(name) = &self.cutter.wishes.group {
            let _ = self.group.set(Group::new(&self.cluster, name)?);
        }
        // A context starts once.
        let _ = self.brokers.set(brokers);
        Ok(())
    }

    fn next(&self, before: Option<&OffsetRanges>, interval: BatchInterval) -> Result<OffsetRanges, BoxError> {
        let brokers = self.brokers.get().ok_or("the source was not started")?;
        Ok(self.cutter.next(brokers, before, interval, None)?)
    }

    fn next_at_most(
        &self,
        before: Option<&OffsetRanges>,
        interval: BatchInterval,
        records: u64,
    ) -> Result<OffsetRanges, BoxError> {
        let brokers = self.brokers.get().ok_or("the source was not started")?;
        Ok(self.cutter.next(brokers, before, interval, Some(records))?)
    }

    fn partitions(&self, range: &OffsetRanges) -> usize {
        range.ranges.len()
    }

    fn records(&self, range: &OffsetRanges) -> u64 {
        range.count()
    }

    fn describe(&self, range: &OffsetRanges) -> String {
        range.describe()
    }

    fn read(
        &self,
        range: &OffsetRanges,
        partition: usize,
        out: &mut dyn FnMut(T) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let Some(range) = range.ranges.get(partition) else { return Ok(()) };
        let skip = self.cutter.wishes.on_lost == OnLost::SkipAndCount;
        let lost = self.readers.read(range, skip, &mut |message| out((self.make)(message)))?;
        if lost > 0
            && let Some(tell) = self.tell.get()
        {
            tell(lost, "the brokers have them no more");
        }
        Ok(())
    }

    fn acknowledge(&self, range: &OffsetRanges) {
        if let Some(group) = self.group.get() {
            group.commit(range);
        }
    }

    fn stop(&self) {
        if let Some(group) = self.group.get() {
            group.stopping();
        }
    }
}
