//! `kafka_word_count`, a topic into another, and `kafka_to_postgres`, a topic into tables: one life each, in turn.

mod counts; // the topic of counts
mod topics; // topics, through Kafka's own programs

use std::path::Path;
use std::time::Duration;

use super::found::{Counts, Found, count};
use super::pipeline::{Kind, Pipeline};
use super::plan::{ANY_TIME, BATCH, KAFKA, POSTGRES, Target, server};
use super::postgres::Database;
use super::program::Programs;
use super::server::{address, can_be_killed};
use crate::random::Random;
use topics::Feeder;

pub(super) struct TopicToBoth {
    to_topic: Programs,
    to_tables: Programs,
    brokers: String,
    database: Database,
    /// The servers that were started here.
    servers: Vec<Target>,
    kills_of_a_check: u64,
    lives: u64,
}

impl TopicToBoth {
    /// For so many kills in all.
    pub(super) fn build(kills: u64) -> Result<Self, String> {
        // A sixth of all kills is of the broker.
        let servers = [server("kafka", 8), server("postgres", 1)];
        Ok(TopicToBoth {
            to_topic: Programs::build("kafka_word_count", "kafka,postgres")?,
            to_tables: Programs::build("kafka_to_postgres", "kafka,postgres")?,
            brokers: address("WATERCLOCK_KAFKA")?,
            database: Database::of_environment()?,
            servers: servers.into_iter().filter(|server| can_be_killed(server.name)).collect(),
            // Both kinds get their part of a short run too.
            kills_of_a_check: (kills / 2).clamp(1, 25),
            lives: 0,
        })
    }
}

impl Kind for TopicToBoth {
    fn mode(&self, unsynced: bool) -> String {
        if unsynced { "kafka-unsynced" } else { "kafka" }.to_owned()
    }

    fn targets(&self) -> Vec<Target> {
        [KAFKA, POSTGRES, &self.servers, BATCH, &[ANY_TIME]].concat()
    }

    fn kills_of_a_check(&self) -> u64 {
        self.kills_of_a_check
    }

    fn checks_of_a_life(&self) -> u64 {
        1
    }

    fn begin(&mut self, _: &Path, seed: u64) -> Result<Box<dyn Pipeline + '_>, String> {
        self.lives += 1;
        let into_topic = self.lives % 2 == 1;
        // Brokers that somebody else started may know the topics of an earlier run.
        let [from, to] = ["lines", "counts"].map(|kind| format!("{kind}-{seed}-{}", std::process::id()));
        topics::create(&self.brokers, &from, 3)?;
        if into_topic {
            topics::create(&self.brokers, &to, 2)?;
        } else {
            self.database.create_tables()?;
        }
        let random = Random::new(seed);
        Ok(Box::new(Way {
            kind: self,
            from,
            to: into_topic.then_some(to),
            random,
            feeder: None,
            input: None,
        }))
    }
}

struct Way<'a> {
    kind: &'a TopicToBoth,
    from: String,
    /// None: into tables.
    to: Option<String>,
    random: Random,
    feeder: Option<Feeder>,
    /// What is in the topic, once nothing comes any more.
    input: Option<Counts>,
}

impl Pipeline for Way<'_> {
    fn programs(&self) -> &Programs {
        if self.to.is_some() { &self.kind.to_topic } else { &self.kind.to_tables }
    }

    fn args(&self) -> Vec<String> {
        let output = match &self.to {
            Some(topic) => ["--to", topic],
            None => ["--url", &self.kind.database.url],
        };
        let input = ["--brokers", &self.kind.brokers, "--from", &self.from, "--batch-ms", "20"];
        [&input[..], &output].concat().into_iter().map(str::to_owned).collect()
    }

    fn targets(&self) -> Vec<Target> {
        let (into, servers) = match &self.to {
            Some(_) => {
                (KAFKA, self.kind.servers.iter().filter(|server| server.name == "kafka").copied().collect())
            }
            None => (POSTGRES, self.kind.servers.clone()),
        };
        [into, &servers, BATCH, &[ANY_TIME]].concat()
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(2_000)
    }

    fn pass(&mut self, _: Duration) -> Result<(), String> {
        if self.feeder.is_none() {
            let random = Random::new(self.random.below(u64::MAX));
            self.feeder = Some(Feeder::start(&self.kind.brokers, &self.from, random)?);
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), String> {
        self.feeder.take().map_or(Ok(()), Feeder::finish)?;
        let mut counts = Counts::new();
        count(&topics::read(&self.kind.brokers, &self.from)?, &mut counts);
        self.input = Some(counts);
        Ok(())
    }

    fn has_caught_up(&mut self) -> Result<bool, String> {
        Ok(self.compare()?.lost == 0)
    }

    fn compare(&mut self) -> Result<Found, String> {
        let input = self.input.as_ref().ok_or("more is coming")?;
        match &self.to {
            Some(topic) => counts::compare(input, &topics::read(&self.kind.brokers, topic)?),
            None => self.kind.database.compare(input),
        }
    }
}
