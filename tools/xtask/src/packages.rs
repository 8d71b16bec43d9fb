//! The system's packages that servers and tests need.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

/// Installs `packages` unless this command, which can't do so without them, ends well.
pub(crate) fn need(packages: &[&str], program: &str, args: &[&str], why: &str) -> Result<(), String> {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if status.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    packages.iter().try_for_each(|package| install(package, why))
}

/// Installs a package by the system's own package manager, whose lists may have to be fetched first.
pub(crate) fn install(package: &str, why: &str) -> Result<(), String> {
    eprintln!("{why}; apt-get installs the package `{package}`");
    let apt = |args: &[&str]| {
        let mut words: Vec<OsString> = Vec::new();
        if !is_root()? {
            words.push("sudo".into());
        }
        words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"].map(OsString::from));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(args).stdout(Stdio::from(std::io::stderr()));
        let status =
            command.status().map_err(|e| format!("`{}` can't be started: {e}", words[0].display()))?;
        if status.success() { Ok(()) } else { Err(format!("`apt-get {}`: {status}", args.join(" "))) }
    };
    let install = ["install", "-y", "--no-install-recommends", package];
    apt(&install)
        .or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
        .map_err(|text| format!("{text}; install the package `{package}` by hand"))
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> Result<bool, String> {
    fs::metadata("/proc/self").map(|own| own.uid() == 0).map_err(|e| format!("/proc/self: {e}"))
}
