//! Where the brokers are, and how to talk to them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};
use waterclock_base::world::{Clock, Signal, SystemClock, lock};

use crate::error::KafkaError;

/// How many events a client is asked for after a failure: each may be the reason, and none says whether another
/// follows.
pub(crate) const EVENTS: u32 = 100;

/// How many different reasons are kept.
const REASONS: usize = 5;

pub(crate) type Reading = BaseConsumer<Heard>;
pub(crate) type Writing = BaseProducer<Heard>;

/// What a client says beside its answers: most often why no broker can be reached. A question that fails only says
/// that it did.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl ClientContext for Heard {
    fn error(&self, error: ClientError, reason: &str) {
        tracing::warn!("Kafka: {error}: {reason}");
        let mut heard = lock(&self.0);
        if heard.len() < REASONS && !heard.iter().any(|known| known == reason) {
            heard.push(reason.to_owned());
        }
    }
}

impl ConsumerContext for Heard {}

impl ProducerContext for Heard {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// Address and settings of a cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    heard: Heard,
    pub(crate) brokers: String,
    pub(crate) settings: Vec<(String, String)>,
    /// How long a single question may take.
    pub(crate) time_out: Duration,
}

impl Cluster {
    pub(crate) fn new(brokers: impl Into<String>) -> Self {
        Cluster {
            heard: Heard::default(),
            brokers: brokers.into(),
            settings: Vec::new(),
            time_out: Duration::from_secs(10),
        }
    }

    /// Settings of a client: `usual` may be changed by the program, `fixed` may not.
    ///
    /// # Errors
    /// When the program did change one of them.
    pub(crate) fn config(
        &self,
        usual: &[(&str, &str)],
        fixed: &[(&str, &str)],
    ) -> Result<ClientConfig, KafkaError> {
        let mut config = ClientConfig::new();
        usual.iter().for_each(|(name, value)| {
            config.set(*name, *value);
        });
        for (name, value) in &self.settings {
            if name == "bootstrap.servers" || fixed.iter().any(|(fixed, _)| fixed == name) {
                let why = "it is set by Waterclock and can't be chosen".to_owned();
                return Err(KafkaError::Setting { name: name.clone(), why });
            }
            config.set(name, value);
        }
        fixed.iter().for_each(|(name, value)| {
            config.set(*name, *value);
        });
        config.set("bootstrap.servers", &self.brokers);
        Ok(config)
    }

    /// A client of these settings.
    ///
    /// # Errors
    /// When one of them can't be used.
    pub(crate) fn connect<C: FromClientConfigAndContext<Heard>>(
        &self,
        config: &ClientConfig,
    ) -> Result<C, KafkaError> {
        config.create_with_context(self.heard.clone()).map_err(|cause| self.failed("connecting", cause))
    }

    /// What the client said while `doing` something. A refused setting is told without its value.
    pub(crate) fn failed(&self, doing: impl Into<String>, cause: ClientError) -> KafkaError {
        match cause {
            ClientError::ClientConfig(_, why, name, _) => KafkaError::Setting { name, why },
            cause => KafkaError::Client {
                brokers: self.brokers.clone(),
                doing: doing.into(),
                cause: Box::new(cause),
                heard: std::mem::take(&mut *lock(&self.heard.0)),
            },
        }
    }
}

/// A point in real time: brokers know no other.
pub(crate) struct Deadline {
    clock: SystemClock,
    at_micros: i64,
    length: Duration,
}

impl Deadline {
    pub(crate) fn after(length: Duration) -> Self {
        let clock = SystemClock::new();
        let mut deadline = Deadline { at_micros: 0, clock, length };
        deadline.begin_again();
        deadline
    }

    pub(crate) fn begin_again(&mut self) {
        let length = i64::try_from(self.length.as_micros()).unwrap_or(i64::MAX);
        self.at_micros = self.clock.now_micros().saturating_add(length);
    }

    pub(crate) fn left(&self) -> Duration {
        let left = self.at_micros.saturating_sub(self.clock.now_micros());
        Duration::from_micros(u64::try_from(left).unwrap_or_default())
    }

    /// Waits a moment, for something to be tried again.
    pub(crate) fn pause(&self, length: Duration) {
        let length = i64::try_from(length.min(self.left()).as_micros()).unwrap_or(i64::MAX);
        let until = self.clock.now_micros().saturating_add(length);
        self.clock.wait(Some(until), &Signal::new());
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_changes_what_is_usual_and_not_what_is_fixed() {
        let mut cluster = Cluster::new("nowhere:1");
        cluster.settings.push(("fetch.wait.max.ms".into(), "7".into()));
        let config =
            cluster.config(&[("fetch.wait.max.ms", "100")], &[("enable.auto.commit", "false")]).unwrap();
        assert_eq!(config.get("fetch.wait.max.ms"), Some("7"));
        assert_eq!(config.get("bootstrap.servers"), Some("nowhere:1"));
        cluster.settings.push(("enable.auto.commit".into(), "secret".into()));
        let refused = cluster.config(&[], &[("enable.auto.commit", "false")]).unwrap_err().to_string();
        assert!(refused.contains("enable.auto.commit") && !refused.contains("secret"), "{refused}");
    }

    #[test]
    fn a_refused_value_is_not_shown() {
        let mut cluster = Cluster::new("nowhere:1");
        cluster.settings.push(("socket.keepalive.enable".into(), "hunter2".into()));
        let config = cluster.config(&[], &[]).unwrap();
        let refused = config.create_native_config().map(|_| ()).unwrap_err();
        let text = cluster.failed("connecting", refused).to_string();
        assert!(text.contains("socket.keepalive.enable"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
