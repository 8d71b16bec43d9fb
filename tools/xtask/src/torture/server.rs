//! Servers that are killed and started by whoever started them.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Its address, where the environment names one.
pub(super) fn address(variable: &str) -> Result<String, String> {
    std::env::var(variable).map_err(|_| format!("{variable} is not set"))
}

/// `kill` or `restart`; returns when it is done.
pub(super) fn ask(verb: &str, name: &str) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("`{verb} {name}`: {e}");
    let mut control = TcpStream::connect(address("WATERCLOCK_SERVERS")?).map_err(failed)?;
    writeln!(control, "{verb} {name}").map_err(failed)?;
    let mut answer = String::new();
    control.read_to_string(&mut answer).map_err(failed)?;
    if answer == "done\n" { Ok(()) } else { Err(format!("`{verb} {name}`: {}", answer.trim())) }
}

/// Whether it was started by `cargo xtask servers`: to start one that nobody killed is the only question that tells.
pub(super) fn can_be_killed(name: &str) -> bool {
    let can = ask("restart", name).is_ok();
    if !can {
        println!("`{name}` was not started here: only the program is killed");
    }
    can
}
