//! The project's own commands: `cargo xtask help` lists them.
#![expect(
    clippy::disallowed_methods,
    reason = "a tool for the project's files and processes, not part of the library"
)]

mod bench; // the figures of BENCHMARKS.md
mod ci; // the outer ring
mod packages; // what the system has to have
mod page; // the page of a program that runs
mod random; // numbers from a seed
mod servers; // real servers for tests
mod simulate; // programs through crashes, by seed
mod source; // Rust as text
mod test_list; // which test covers which behaviour
mod tidy; // what no compiler checks
mod torture; // programs are killed again and again
mod workspace; // the project's files

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  bench ..       the figures of BENCHMARKS.md; `bench` alone tells what it needs
  ci [PART ..]   the outer ring: every part, or the ones named; `ci list` names them
  screenshots    takes the pictures in docs/images again
  servers ..     runs a command with real servers: Kafka, PostgreSQL, a browser; `servers` alone tells more
  simulate ..    programs through crashes: `--seeds A..B`
  tidy           sizes, layers, seams, words, lists (also a test under `cargo test`)
  torture .., torture-postgres .., torture-kafka ..
                 kills programs, and their servers, again and again and checks what they counted; `torture` alone
                 tells more
  tests          writes docs/tests.md: which test covers which behaviour
  help           this text";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let outcome = match args.first().map(String::as_str) {
        Some("servers") => return exit(servers::run(rest)),
        Some(command @ ("torture" | "torture-postgres" | "torture-kafka")) => {
            return exit(torture::run(command, rest));
        }
        Some("bench") => bench::run(rest),
        Some("ci") => ci::run(rest),
        Some("screenshots") => page::screenshots(),
        Some("simulate") => simulate::run(rest),
        Some("tidy") => tidy_up(),
        Some("tests") => test_list::write(&workspace::root()),
        Some("help" | "--help" | "-h") | None => {
            println!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("no command `{other}`\n\n{HELP}")),
    };
    exit(outcome.map(|()| ExitCode::SUCCESS))
}

fn exit(outcome: Result<ExitCode, String>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn tidy_up() -> Result<(), String> {
    let findings = tidy::findings(&workspace::root())?;
    if findings.is_empty() {
        println!("tidy");
        return Ok(());
    }
    Err(format!("{}\n{} findings", findings.join("\n"), findings.len()))
}
