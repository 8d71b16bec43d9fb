//! The command `waterclock`: looks after checkpoints.

mod answer; // how a command ends
mod ask; // a program is run up to its start
mod check; // tries a program on a checkpoint
mod replay; // runs a batch again
mod show; // a checkpoint for people

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use answer::{Failure, is_path, to_json};
use waterclock::{Copied, FileState, copy_checkpoint, inspect_checkpoint, rescale_checkpoint};

const HELP: &str = "\
waterclock checkpoint inspect DIR [--json]
    Reads every file of the checkpoint in DIR and says what is in it, and whether it is whole.

waterclock checkpoint copy FROM TO
    Copies a checkpoint that no process has to TO, a new or an empty directory, and checks the copy. A program
    goes on from it as from the original. Both are the same application: let only one of them write to the same
    tables, topics and directories.

waterclock checkpoint rescale FROM TO --key-groups N
    The same with another number of key groups: the most partitions that state can be spread over. The program
    must have been stopped gracefully.

waterclock check DIR [--json] -- PROGRAM [ARGS..]
    Says what PROGRAM would do with the checkpoint in DIR: for each source, state and output whether it is kept,
    migrated, dropped or new, and why a start would be refused. PROGRAM runs up to its `start`, which starts
    nothing and changes nothing; DIR takes the place of the directory that it would use. What it prints goes to
    standard error. A process may have DIR meanwhile, such as the release that PROGRAM is to replace: the answer is
    whether a start would go through once that has ended, and notes that it has not.

waterclock replay DIR TIME [--json] -- PROGRAM [ARGS..]
    Has PROGRAM run the batch of TIME (in milliseconds, as `inspect` shows it) of the checkpoint in DIR again, with the
    input that it had and the state before it, and says whether anything comes out differently, and where first.
    Nothing is published or changed; DIR takes the place of the directory that PROGRAM would use. A process may have
    DIR meanwhile.

Exit status: 0 if all is well; 1 if the checkpoint is damaged, a start would be refused, a replay differs or a
command failed; 2 if the command line is wrong or PROGRAM did not come to its start.";

fn main() -> ExitCode {
    let args: Result<Vec<String>, _> = std::env::args_os().skip(1).map(OsString::into_string).collect();
    let answer = match &args {
        Ok(args) => run(&args.iter().map(String::as_str).collect::<Vec<_>>()),
        Err(arg) => Err(Failure::Usage(format!("{} is not UTF-8", arg.display()))),
    };
    match answer {
        Ok(text) => match writeln!(std::io::stdout(), "{text}") {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever read it has read enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => fail(&format!("can't write the answer: {error}"), 1),
        },
        Err(Failure::No(why)) => fail(&why, 1),
        Err(Failure::NoStart(why)) => fail(&why, 2),
        Err(Failure::Usage(why)) => fail(&format!("{why}\n\n{HELP}"), 2),
    }
}

fn fail(why: &str, status: u8) -> ExitCode {
    // Without anybody who reads it, the status has to do.
    let _ = writeln!(std::io::stderr(), "waterclock: {why}");
    ExitCode::from(status)
}

fn run(args: &[&str]) -> Result<String, Failure> {
    match args {
        ["--help" | "-h" | "help"] => Ok(HELP.into()),
        ["--version" | "-V"] => Ok(format!("waterclock {}", env!("CARGO_PKG_VERSION"))),
        ["checkpoint", "inspect", rest @ ..] => inspect(rest),
        ["checkpoint", "copy", from, to] if is_path(from) && is_path(to) => {
            Ok(copied(from, to, &copy_checkpoint(from, to)?))
        }
        ["checkpoint", "rescale", rest @ ..] => rescale(rest),
        ["check", rest @ ..] => check::check(rest),
        ["replay", rest @ ..] => replay::replay(rest),
        [] => Err(Failure::Usage("a command is missing".into())),
        _ => Err(Failure::Usage(format!("`{}` is no command as it stands", args.join(" ")))),
    }
}

fn inspect(args: &[&str]) -> Result<String, Failure> {
    let (dir, json) = match args {
        [dir] | [dir, "--json"] if is_path(dir) => (dir, args.len() == 2),
        ["--json", dir] if is_path(dir) => (dir, true),
        _ => {
            return Err(Failure::Usage("`checkpoint inspect` takes a directory and perhaps `--json`".into()));
        }
    };
    let inspection = inspect_checkpoint(dir)?;
    let text = if json { to_json(&inspection)? } else { show::inspection(&inspection) };
    let damaged = inspection.files.iter().filter(|file| matches!(file.state, FileState::Damaged(_)));
    let damaged: Vec<&str> = damaged.map(|file| file.name.as_str()).collect();
    let problem = match inspection.problem {
        Some(problem) => problem,
        None if damaged.is_empty() => return Ok(text),
        None => format!("a start would do without what is damaged: {}", damaged.join(", ")),
    };
    // What can be said is said, on standard output; the status and standard error say that it is not all well.
    let _ = writeln!(std::io::stdout(), "{text}");
    Err(Failure::No(problem))
}

fn rescale(args: &[&str]) -> Result<String, Failure> {
    let usage = || Failure::Usage("`checkpoint rescale` takes two directories and `--key-groups N`".into());
    let (from, to, groups) = match args {
        [from, to, "--key-groups", groups] | ["--key-groups", groups, from, to] => (from, to, groups),
        _ => return Err(usage()),
    };
    if !is_path(from) || !is_path(to) {
        return Err(usage());
    }
    let groups: u32 = groups
        .parse()
        .map_err(|_| Failure::Usage(format!("`--key-groups {groups}` is not a number of groups")))?;
    let done = rescale_checkpoint(from, to, groups)?;
    Ok(format!("{}\nkeys are in {groups} groups now", copied(from, to, &done)))
}

fn copied(from: &str, to: &str, done: &Copied) -> String {
    let (files, bytes) = (show::count(done.files, "file"), show::bytes(done.bytes));
    let mut text = format!("copied {from} to {to}: {files}, {bytes}; read again and found whole");
    for left in &done.left_out {
        text.push_str(&format!("\nleft out, as a start does not need it: {left}"));
    }
    text
}
