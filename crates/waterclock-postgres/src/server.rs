//! Where the database is, and connections to it.

use std::str::FromStr;
use std::time::Duration;

use postgres::config::Host;
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};

use crate::error::PostgresError;
use crate::table::{CREATE_MARKS, EXTEND_MARKS, FIND_MARKS};

/// How long the server may take to answer to a connection, where the URL says nothing about it.
const CONNECT: Duration = Duration::from_secs(10);

/// After how long what was sent and not acknowledged means that the connection is dead.
const SILENCE: Duration = Duration::from_secs(30);

/// What was said to be lost in a crash of the server is switched on again: a batch that is told to be there must stay.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'";

/// A database, and how to connect to it.
pub(crate) struct Server {
    config: Config,
    /// Host and port, for errors.
    pub(crate) label: String,
    #[cfg(feature = "tls")]
    tls: Option<tokio_postgres_rustls::MakeRustlsConnect>,
}

impl Server {
    pub(crate) fn new(url: &str) -> Result<Self, PostgresError> {
        let refused = |why| PostgresError::Url { why };
        // The client's own error may repeat a part of the URL, which may be a part of the password.
        let mut config = Config::from_str(url).map_err(|_| refused("it can't be read"))?;
        let hosts: Vec<_> = config.get_hosts().iter().map(host).collect();
        let rest = [config.get_dbname().unwrap_or_default()];
        if hosts
            .iter()
            .map(String::as_str)
            .chain(rest)
            .any(|part| part.contains(['@', ':', '/']) && !is_path(part))
        {
            return Err(refused(
                "host or database have a `@`, `:` or `/`: write those of a password as %40, %3A, %2F",
            ));
        }
        if hosts.is_empty() {
            return Err(refused("it names no host"));
        }
        let ports = config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let label = hosts.iter().enumerate().map(|(at, host)| format!("{host}:{}", port(at)));
        let label = label.collect::<Vec<_>>().join(",");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_application_name().is_none() {
            config.application_name("waterclock");
        }
        Ok(Server {
            config,
            label,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Connects with encryption or not at all.
    #[cfg(feature = "tls")]
    pub(crate) fn encrypt(&mut self, tls: tokio_postgres_rustls::MakeRustlsConnect) {
        self.config.ssl_mode(postgres::config::SslMode::Require);
        self.tls = Some(tls);
    }

    fn open(&self) -> Result<Client, postgres::Error> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return self.config.connect(tls.clone());
        }
        self.config.connect(NoTls)
    }

    /// Connects, and makes the table of marks where it is missing.
    pub(crate) fn connect(&self) -> Result<Client, PostgresError> {
        let failed = |source| PostgresError::Connect { server: self.label.clone(), source: Box::new(source) };
        let mut client = self.open().map_err(failed)?;
        client.execute(DURABLE, &[]).map_err(failed)?;
        // Looked for first: a user who may not create tables can use one that is there.
        let marks = client.query_one(FIND_MARKS, &[]).map_err(failed)?;
        let (has_marks, have_content): (bool, bool) = (marks.get(0), marks.get(1));
        if has_marks && !have_content {
            client.batch_execute(EXTEND_MARKS).map_err(failed)?;
        } else if !has_marks {
            client.batch_execute(CREATE_MARKS).or_else(|error| made_by_another(error).map_err(failed))?;
        }
        Ok(client)
    }
}

/// Of two that make the same table at once, one is told that it is there although it asked for that.
fn made_by_another(error: postgres::Error) -> Result<(), postgres::Error> {
    let is_there = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT];
    if error.code().is_some_and(|code| is_there.contains(code)) { Ok(()) } else { Err(error) }
}

fn host(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

/// The directory of a socket.
fn is_path(host: &str) -> bool {
    host.starts_with('/') && !host.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_host_and_port() {
        let label = |url| Server::new(url).map(|server| server.label).map_err(|error| error.to_string());
        assert_eq!(label("postgres://me:secret@db.example:6543/words").unwrap(), "db.example:6543");
        assert_eq!(label("postgres://me@one,two/words").unwrap(), "one:5432,two:5432");
        assert_eq!(label("host=/run/postgresql user=me").unwrap(), "/run/postgresql:5432");
        assert!(label("postgres:///words").unwrap_err().contains("no host"));
    }

    #[test]
    fn no_error_repeats_a_part_of_a_password() {
        let urls = [
            "postgres://me:sec@ret@db/words",
            "postgres://me:sec/ret@x/words",
            "postgres://me:x@sec/ret@db/words",
            "postgres://me:x?sec=ret@db/words",
            "postgres://me:ret#sec@db:port/words",
            "host=db password=sec ret",
            "mysql://me:secret@db",
        ];
        for url in urls {
            let server = Server::new(url);
            let text = server.map_or_else(|error| format!("{error} {error:?}"), |server| server.label);
            assert!(!text.contains("sec") && !text.contains("ret"), "{url}: {text}");
        }
    }
}
