//! What the command may ask for while it runs: to kill a server, and to start it again.
//!
//! One request per connection, one line: `kill kafka`, `restart postgres`. The answer is `done`, or says what is wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use super::server::Server;

/// Answers on a thread of its own, one request after the other, until the program ends. The address.
pub(super) fn serve(servers: Arc<Mutex<Vec<Server>>>) -> Result<String, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?.to_string();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            // Whoever asks may leave before the answer.
            let _ = respond(&mut client, &servers);
        }
    });
    Ok(address)
}

fn respond(client: &mut TcpStream, servers: &Mutex<Vec<Server>>) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(&mut *client).read_line(&mut line)?;
    let mut servers = servers.lock().unwrap_or_else(PoisonError::into_inner);
    match request(&line, &mut servers) {
        Ok(()) => writeln!(client, "done"),
        Err(text) => writeln!(client, "{text}"),
    }
}

fn request(line: &str, servers: &mut [Server]) -> Result<(), String> {
    let (verb, name) = line.trim().split_once(' ').ok_or("`kill NAME` or `restart NAME`")?;
    let server = servers.iter_mut().find(|server| server.name == name);
    let server = server.ok_or_else(|| format!("no server `{name}` was started here"))?;
    match verb {
        "kill" => server.kill(),
        "restart" => server.restart(),
        _ => Err(format!("`{verb}` is neither `kill` nor `restart`")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::servers::server::tests::{shell, starts};

    #[test]
    fn a_command_kills_and_restarts() {
        let server = shell("control-test", "touch ready; exec sleep 1000").unwrap();
        let servers = Arc::new(Mutex::new(vec![server]));
        let address = serve(Arc::clone(&servers)).unwrap();
        let ask = |line: &str| {
            let mut client = TcpStream::connect(&address).unwrap();
            writeln!(client, "{line}").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            answer.trim().to_owned()
        };
        assert_eq!(ask("kill control-test"), "done");
        assert_eq!(ask("restart control-test"), "done");
        assert_eq!(starts(&servers.lock().unwrap()[0]), 2);
        assert_eq!(ask("kill kafka"), "no server `kafka` was started here");
        assert_eq!(ask("stop control-test"), "`stop` is neither `kill` nor `restart`");
        assert_eq!(ask("kill"), "`kill NAME` or `restart NAME`");
        // The thread keeps the list, and with it the server.
        servers.lock().unwrap().clear();
    }
}
