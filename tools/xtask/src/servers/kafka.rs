//! Apache Kafka: one process that is broker and controller.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::guard::Guard;
use super::maven;
use super::server::{Server, free_port, prepare};

const POM: &str = include_str!("kafka.pom.xml");

/// The directory of the cache; another version has a new one.
const RELEASE: &str = "kafka-4.3.1";

/// Any 16 bytes; each server is a cluster of its own.
const CLUSTER: &str = "d2F0ZXJjbG9jay10ZXN0cw";

/// Who may come in by TLS.
const USER: &str = "waterclock";
const PASSWORD: &str = "hunter2-of-the-tests";

/// Where the broker's key is, in its directory.
const STORE: &str = "broker.p12";

/// A small heap, and the compiler that is ready first: servers of tests live for seconds.
const JAVA: &[&str] = &["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/// Starts it; the address is for `bootstrap.servers`.
pub(super) fn start() -> Result<Server, String> {
    let class_path = maven::class_path(RELEASE, POM)?;
    let (port, tls, controller) = (free_port()?, free_port()?, free_port()?);
    // Its data is removed afterwards, so nothing is gained by an orderly end.
    let mut guard = Guard::new("kafka", "KILL")?;
    let settings = guard.directory.join("server.properties");
    let text = properties(controller, &guard.directory.join("data")) + &secured(port, tls, controller);
    fs::write(&settings, text).map_err(|e| format!("{}: {e}", settings.display()))?;
    let certificate = certify(&mut guard)?;
    let format = ["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config"];
    prepare("kafka", &mut guard, java(&class_path).args(format).arg(&settings))?;
    let mut launch = java(&class_path);
    launch.arg("kafka.Kafka").arg(&settings);
    let mut server = Server::start("kafka", guard, format!("127.0.0.1:{port}"), launch, move || {
        answers(port).is_ok_and(|yes| yes)
    })?;
    server.variables = vec![
        ("WATERCLOCK_KAFKA_TLS", format!("127.0.0.1:{tls}")),
        ("WATERCLOCK_KAFKA_CA", certificate.display().to_string()),
        ("WATERCLOCK_KAFKA_USER", format!("{USER}:{PASSWORD}")),
    ];
    Ok(server)
}

/// Makes a key and its certificate for the loopback address; where clients find the certificate.
fn certify(guard: &mut Guard) -> Result<PathBuf, String> {
    let keytool = || {
        let mut command = Command::new(from_java_home("keytool"));
        command.args([
            "-keystore",
            STORE,
            "-storetype",
            "PKCS12",
            "-storepass",
            PASSWORD,
            "-alias",
            "broker",
        ]);
        command
    };
    let for_loopback = ["-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1", "-validity", "3650"];
    prepare("kafka", guard, keytool().args(["-genkeypair", "-keyalg", "RSA"]).args(for_loopback))?;
    let certificate = guard.directory.join("broker.pem");
    prepare("kafka", guard, keytool().args(["-exportcert", "-rfc", "-file"]).arg(&certificate))?;
    Ok(certificate)
}

/// A second way in, by TLS and with a password.
fn secured(port: u16, tls: u16, controller: u16) -> String {
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule";
    format!(
        "listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{tls}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={login} required user_{USER}=\"{PASSWORD}\";
ssl.keystore.location={STORE}
ssl.keystore.type=PKCS12
ssl.keystore.password={PASSWORD}
"
    )
}

/// One of the programs that come with the server.
pub(crate) fn program(class: &str) -> Result<Command, String> {
    let mut command = java(&maven::class_path(RELEASE, POM)?);
    command.arg(class);
    Ok(command)
}

fn java(class_path: &str) -> Command {
    let mut command = Command::new(from_java_home("java"));
    command.args(JAVA).args(["-cp", class_path]);
    command
}

fn from_java_home(program: &str) -> PathBuf {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join(program));
    home.unwrap_or_else(|| program.into())
}

/// One replica of everything, since there is one broker. After SIGKILL the controller waits for the session of the
/// broker's former life to end before it lets it in again: 9 s where nothing else is said.
fn properties(controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=300
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.dirs={}
",
        data.display()
    )
}

/// Whether the broker names a broker when it is asked for the cluster, which it does once clients can use it.
fn answers(port: u16) -> std::io::Result<bool> {
    /// Metadata (3) in version 1, correlation 0, no client's name, no topics.
    const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    let limit = Duration::from_secs(2);
    let mut connection = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit)?;
    connection.set_read_timeout(Some(limit))?;
    connection.write_all(&REQUEST)?;
    // Length, correlation, number of brokers.
    let mut answer = [0; 12];
    connection.read_exact(&mut answer)?;
    Ok(answer[8..] != [0; 4])
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_broker_without_a_cluster_is_not_ready() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        for brokers in [0u8, 1] {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let (mut client, _) = listener.accept().unwrap();
                    let mut request = [0; 18];
                    client.read_exact(&mut request).unwrap();
                    client.write_all(&[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, brokers]).unwrap();
                });
                assert_eq!(answers(port).unwrap(), brokers == 1);
            });
        }
    }

    #[test]
    fn the_release_is_the_one_that_is_fetched() {
        let version = RELEASE.trim_start_matches("kafka-");
        assert_eq!(POM.matches(&format!("<version>{version}</version>")).count(), 2);
    }
}
