//! The same broker behind TLS and a password.

use std::time::Duration;

use waterclock_base::{BatchTime, FailurePolicy};
use waterclock_kafka::{KafkaSink, KafkaSource, NewRecord};
use waterclock_streaming::{Stop, testing};

use crate::broker::{self, committed, topic};

const SECOND: Duration = Duration::from_secs(1);

fn variable(name: &str) -> String {
    std::env::var(name).expect("run it by `cargo xtask servers kafka -- ..`")
}

/// How a client that is let in is set up; with another password it is not.
fn settings(password: Option<&str>) -> Vec<(&'static str, String)> {
    let account = variable("WATERCLOCK_KAFKA_USER");
    let (user, right) = account.split_once(':').unwrap();
    vec![
        ("security.protocol", "sasl_ssl".into()),
        ("ssl.ca.location", variable("WATERCLOCK_KAFKA_CA")),
        ("sasl.mechanism", "PLAIN".into()),
        ("sasl.username", user.into()),
        ("sasl.password", password.unwrap_or(right).into()),
    ]
}

fn source(topic: &str, settings: Vec<(&'static str, String)>) -> KafkaSource {
    let source = KafkaSource::new(variable("WATERCLOCK_KAFKA_TLS")).topics([topic]);
    settings.into_iter().fold(source, |source, (name, value)| source.setting(name, value))
}

/// Why a program that reads the topic does not start.
fn refusal(topic: &str, settings: Vec<(&'static str, String)>) -> String {
    let (ssc, _clock) = testing::manual_context("tls", SECOND).unwrap();
    let (stream, _) = source(topic, settings).time_out(2 * SECOND).stream(&ssc);
    stream.collect_batches();
    ssc.start().unwrap_err().full_text()
}

#[test]
fn records_come_and_go_by_tls_with_a_password() {
    let _up = broker::stays_up();
    let (from, to, dir) = (topic("tls-in", 1), topic("tls-out", 1), tempfile::tempdir().unwrap());
    broker::send(&from, 0, ["1", "2", "3"]);
    let sink = KafkaSink::new(variable("WATERCLOCK_KAFKA_TLS"), &to, |value: String| {
        NewRecord::value(value).partition(0)
    });
    let sink = settings(None).into_iter().fold(sink, |sink, (name, value)| sink.setting(name, value));
    let (ssc, clock) = testing::get_or_create(dir.path(), BatchTime::ZERO, |builder| {
        let ssc = builder.batch_interval(SECOND).on_failure(FailurePolicy::Stop).build()?;
        let (stream, _) = source(&from, settings(None)).stream(&ssc);
        stream.named("in").map(|record| record.value_text()).write_to(sink).named("out");
        Ok(ssc)
    })
    .unwrap();
    ssc.start().unwrap();
    clock.advance_batches(1);
    ssc.stop(Stop::Now).unwrap();
    assert_eq!(committed(&to, 1, 3), [["1", "2", "3"]]);
}

#[test]
fn a_wrong_password_and_an_unknown_certificate_are_told_without_the_secret() {
    let _up = broker::stays_up();
    let topic = topic("tls-refused", 1);
    let text = refusal(&topic, settings(Some("wrong-secret")));
    assert!(text.contains("uthentication"), "{text}");
    assert!(!text.contains("wrong-secret"), "{text}");
    let mut strange = settings(None);
    // The system's authorities don't know the broker.
    strange.retain(|(name, _)| *name != "ssl.ca.location");
    let secret = strange.last().unwrap().1.clone();
    let text = refusal(&topic, strange);
    assert!(text.contains("certificate"), "{text}");
    assert!(!text.contains(&secret), "{text}");
}
