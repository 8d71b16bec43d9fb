//! A browser that is driven from outside: ChromeDriver, which starts headless Chromium for each session.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::guard::Guard;
use super::server::{Server, free_port};
use crate::packages::need;

/// Starts it; the address is the URL of its WebDriver.
pub(super) fn start() -> Result<Server, String> {
    for (program, package) in [("chromium", "chromium"), ("chromedriver", "chromium-driver")] {
        need(&[package], program, &["--version"], &format!("browser: `{program}` is not there"))?;
    }
    let port = free_port()?;
    let guard = Guard::new("browser", "KILL")?;
    let mut launch = Command::new("chromedriver");
    launch.arg(format!("--port={port}"));
    // What the browser leaves behind goes with the directory.
    launch.env("TMPDIR", &guard.directory).env("HOME", &guard.directory);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answers = move || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
    Server::start("browser", guard, format!("http://{address}"), launch, answers)
}
