//! The outer ring: everything that `cargo test` leaves out, part by part, each against its share of the time.

pub(crate) mod commands; // starting a program and reading what it says
mod parts; // the parts
mod word_count; // the example against an independent count

use std::time::{Duration, Instant};

use parts::{GROUPS, PARTS, Part};

/// Runs every part, or those that `names` lists.
pub(crate) fn run(names: &[String]) -> Result<(), String> {
    if names.iter().any(|name| name == "list") {
        for part in PARTS {
            println!("{:<14} {:<18} {}", part.name, GROUPS[part.group].0, part.what);
        }
        return Ok(());
    }
    if let Some(unknown) = names.iter().find(|name| PARTS.iter().all(|part| part.name != **name)) {
        return Err(format!("ci: no part `{unknown}`; `cargo xtask ci list` names them"));
    }
    let mut done: Vec<(&Part, Duration)> = Vec::new();
    let mut failure = None;
    for part in PARTS.iter().filter(|part| names.is_empty() || names.iter().any(|name| name == part.name)) {
        println!("== {}: {}", part.name, part.what);
        let from = Instant::now();
        let outcome = (part.run)();
        done.push((part, from.elapsed()));
        if let Err(text) = outcome {
            failure = Some(format!("ci: part `{}` failed: {text}", part.name));
            break;
        }
    }
    print_times(&done);
    match failure {
        Some(text) => Err(text),
        None => over_budget(&done).map_or(Ok(()), Err),
    }
}

fn print_times(done: &[(&Part, Duration)]) {
    println!("\n{:<18} {:<14} {:>8}", "share", "part", "seconds");
    for (group, (name, budget)) in GROUPS.iter().enumerate() {
        let parts: Vec<_> = done.iter().filter(|(part, _)| part.group == group).collect();
        if parts.is_empty() {
            continue;
        }
        for (part, time) in &parts {
            println!("{name:<18} {:<14} {:>8.1}", part.name, time.as_secs_f64());
        }
        let sum: f64 = parts.iter().map(|(_, time)| time.as_secs_f64()).sum();
        println!("{name:<18} {:<14} {sum:>8.1} of {}", "together", budget.as_secs());
    }
}

fn over_budget(done: &[(&Part, Duration)]) -> Option<String> {
    GROUPS.iter().enumerate().find_map(|(group, (name, budget))| {
        let sum: Duration = done.iter().filter(|(part, _)| part.group == group).map(|(_, time)| *time).sum();
        let seconds = sum.as_secs();
        (sum > *budget).then(|| format!("ci: `{name}` took {seconds} s; its share is {} s", budget.as_secs()))
    })
}
