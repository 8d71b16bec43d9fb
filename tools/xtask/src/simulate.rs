//! Programs through crashes: any number of seeds of the simulator, in a release build.

use std::process::Command;

use crate::workspace;

/// `--seeds A..B`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    match args {
        [option, range] if option == "--seeds" && is_range(range) => seeds(range),
        _ => Err("`cargo xtask simulate --seeds A..B`: the seeds from A to before B".to_owned()),
    }
}

fn is_range(text: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    text.split_once("..").is_some_and(|(from, to)| number(from).zip(number(to)).is_some())
}

/// Runs the seeds of a range.
pub(crate) fn seeds(range: &str) -> Result<(), String> {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(["test", "--quiet", "--release", "-p", "waterclock-streaming", "--test", "simulation"]);
    command.env("WATERCLOCK_SIM_SEEDS", range).current_dir(workspace::root());
    let status = command.status().map_err(|e| format!("`cargo` can't be started: {e}"))?;
    if !status.success() {
        return Err(format!("the simulation of the seeds {range}: {status}"));
    }
    println!("seeds {range}: nothing lost, nothing doubled");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seeds_is_two_numbers() {
        assert!(is_range("0..1000") && !is_range("0..") && !is_range("7") && !is_range("a..b"));
    }
}
