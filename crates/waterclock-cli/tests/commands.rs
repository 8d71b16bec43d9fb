//! The command on checkpoints that programs really wrote. Method: a program under virtual time writes one; then the
//! command is run as a process. For `check` the program that it runs is this test binary itself, whose
//! [`the_program`] is a program where the environment says so.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the tests look at files and damage them")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use waterclock::testing::get_or_create;
use waterclock::{BatchTime, BoxError, Builder, DStream, FileOptions, Stop, StreamingContext, Text};

/// Runs the command.
fn waterclock(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_waterclock")).args(args).output().unwrap()
}

/// What it says on standard output, when all is well.
#[track_caller]
fn well(args: &[&str]) -> String {
    let Output { status, stdout, stderr } = waterclock(args);
    let (stdout, stderr) =
        (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr).into_owned());
    assert!(status.success(), "{args:?}: {status}\n{stdout}\n{stderr}");
    stdout
}

/// Status, standard output and standard error, when it is not.
#[track_caller]
fn refused(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = waterclock(args);
    assert!(!status.success(), "{args:?}: {}", String::from_utf8_lossy(&stdout));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Counts the words of the files of a directory; `grown` counts in a wider type, and has an output more.
fn program(builder: Builder, dir: &Path, version: &str) -> Result<StreamingContext, BoxError> {
    let builder = builder.app_name("words").batch_interval(Duration::from_secs(1)).threads(2).key_groups(64);
    let ssc = builder.build()?;
    let lines =
        ssc.text_file_stream_with(dir.join("in").display().to_string(), FileOptions::new().any_age())?;
    let ones: DStream<(Text, u32)> = lines.named("lines").words().map(|word| (word, 1));
    let sum = |new: Vec<u32>, old: Option<u32>| Some(old.unwrap_or(0) + new.iter().sum::<u32>());
    let saved = dir.join("out/counts").display().to_string();
    match version {
        "first" | "louder" => {
            let louder = move |new, old| sum(new, old).map(|n| n + u32::from(old.is_none()));
            let counts = match version {
                "louder" => ones.update_state_by_key(louder).named("counts"),
                _ => ones.update_state_by_key(sum).named("counts"),
            };
            counts.map(|(word, n)| format!("{word} {n}")).save_as_text_files(saved, "").named("files");
        }
        "migrating" => {
            let text = |new: Vec<u32>, old: Option<String>| {
                Some((old.map_or(0, |old| old.parse().unwrap_or(0)) + new.len()).to_string())
            };
            let counts = ones.update_state_by_key(text).migrate::<u32>(|old| old.to_string()).named("counts");
            counts.map(|(word, n)| format!("{word} {n}")).save_as_text_files(saved, "").named("files");
            ones.register().named("more");
        }
        _ => {
            ones.update_state_by_key(sum).named("totals").register().named("files");
        }
    }
    Ok(ssc)
}

/// Goes on for so many batches; the counts that the last one saved.
fn run(dir: &Path, checkpoint: &Path, now: i64, batches: u32) -> waterclock::Result<Vec<String>> {
    let (ssc, clock) =
        get_or_create(checkpoint, BatchTime::from_millis(now), |builder| program(builder, dir, "first"))?;
    ssc.start()?;
    clock.advance_batches(batches);
    ssc.stop(Stop::Now)?;
    let last = dir.join(format!("out/counts-{}", now + 1000 * i64::from(batches)));
    let parts = std::fs::read_dir(last).unwrap().map(|part| part.unwrap());
    let shown = parts.filter(|part| part.file_name().to_string_lossy().starts_with("part-"));
    let text: Vec<String> = shown.map(|part| std::fs::read_to_string(part.path()).unwrap()).collect();
    let mut lines: Vec<String> = text.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}

/// A directory with some input and a checkpoint of two batches.
fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("in")).unwrap();
    std::fs::write(dir.path().join("in/first.txt"), "to be or not to be\n").unwrap();
    let counts = run(dir.path(), &dir.path().join("checkpoint"), 0, 2).unwrap();
    assert_eq!(counts, ["be 2", "not 1", "or 1", "to 2"]);
    dir
}

fn path(dir: &tempfile::TempDir, name: &str) -> String {
    dir.path().join(name).display().to_string()
}

fn content(dir: &str) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

#[test]
fn a_copy_is_made_and_a_program_goes_on_from_it() {
    let dir = written();
    let (from, to) = (path(&dir, "checkpoint"), path(&dir, "copy"));
    let before = content(&from);
    let text = well(&["checkpoint", "copy", &from, &to]);
    assert!(text.contains(&format!("copied {from} to {to}: 2 files")), "{text}");
    assert!(text.contains("found whole"), "{text}");
    assert_eq!(content(&from), before);
    std::fs::write(dir.path().join("in/second.txt"), "that is not\n").unwrap();
    let counts = run(dir.path(), Path::new(&to), 2000, 1).unwrap();
    assert_eq!(counts, ["be 2", "is 1", "not 2", "or 1", "that 1", "to 2"]);
    assert_eq!(content(&from), before);
    let (status, _, text) = refused(&["checkpoint", "copy", &from, &to]);
    assert!(status == 1 && text.contains("it is not empty"), "{text}");
}

#[test]
fn a_checkpoint_in_use_is_not_copied() {
    let dir = written();
    let (from, to) = (path(&dir, "checkpoint"), path(&dir, "copy"));
    let owner =
        StreamingContext::get_or_create(&from, |builder| program(builder, dir.path(), "first")).unwrap();
    let (status, _, text) = refused(&["checkpoint", "copy", &from, &to]);
    let owned = format!("it belongs to process {}", std::process::id());
    assert!(status == 1 && text.contains(&owned), "{text}");
    let shown = well(&["checkpoint", "inspect", &from]);
    assert!(shown.contains(&owned), "{shown}");
    drop(owner);
    well(&["checkpoint", "copy", &from, &to]);
}

#[test]
fn an_inspection_tells_people_what_there_is() {
    let dir = written();
    let checkpoint = path(&dir, "checkpoint");
    let before = content(&checkpoint);
    let text = well(&["checkpoint", "inspect", &checkpoint]);
    for line in [
        "  program         words\n",
        "  batch interval  1000 ms\n",
        "  zero time       0 ms (1970-01-01 00:00:00.000 UTC)\n",
        "  key groups      64\n",
        "  owner epoch     1\n",
        "  owner           no process has it\n",
        "  last committed  2000 ms (1970-01-01 00:00:02.000 UTC)\n",
        "batches that a start runs again: 0\n",
        "    reads lines: ",
        "first.txt (19 B)\n",
        "    wrote files: content hash ",
        "  counts: string -> u32\n    4 keys of ",
        "log-00000001-00000000",
        "  whole\n",
    ] {
        assert!(text.contains(line), "`{line}` is missing:\n{text}");
    }
    assert_eq!(content(&checkpoint), before);
}

#[test]
fn an_inspection_tells_scripts_what_there_is() {
    let dir = written();
    let text = well(&["checkpoint", "inspect", &path(&dir, "checkpoint"), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let content = &json["content"];
    assert_eq!((&content["key_groups"], &content["last_committed"]), (&64.into(), &2000.into()));
    assert_eq!(content["states"][0]["keys"], 4);
    assert_eq!(content["retained"][0]["inputs"][0]["range"]["files"][0]["bytes"], 19);
    assert_eq!((&json["owner"], &json["problem"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert!(json["files"].as_array().unwrap().iter().any(|file| file["state"] == "whole"), "{text}");
}

#[test]
fn damage_is_found_and_named() {
    let dir = written();
    let (checkpoint, copy) = (path(&dir, "checkpoint"), path(&dir, "copy"));
    let (name, mut bytes) =
        content(&checkpoint).into_iter().find(|(name, _)| name.contains("snapshot")).unwrap();
    let last = bytes.len() - 30;
    bytes[last] ^= 4;
    std::fs::write(Path::new(&checkpoint).join(&name), bytes).unwrap();
    let (status, shown, text) = refused(&["checkpoint", "inspect", &checkpoint]);
    assert!(status == 1 && text.contains("can't be used: damaged at byte"), "{text}");
    assert!(shown.lines().any(|line| line.contains(&name) && line.contains("damaged")), "{shown}");
    let (status, _, text) = refused(&["checkpoint", "copy", &checkpoint, &copy]);
    assert!(status == 1 && text.contains("can't be used") && !Path::new(&copy).exists(), "{text}");
}

#[test]
fn with_other_key_groups_every_word_is_still_counted() {
    let dir = written();
    let from = path(&dir, "checkpoint");
    std::fs::write(dir.path().join("in/second.txt"), "to be\n").unwrap();
    for groups in ["3", "4096"] {
        let to = path(&dir, groups);
        let text = well(&["checkpoint", "rescale", &from, &to, "--key-groups", groups]);
        assert!(text.contains(&format!("keys are in {groups} groups now")), "{text}");
        assert!(well(&["checkpoint", "inspect", &to]).contains(&format!("key groups      {groups}\n")));
        assert_eq!(run(dir.path(), Path::new(&to), 2000, 1).unwrap(), ["be 3", "not 1", "or 1", "to 3"]);
        std::fs::remove_dir_all(dir.path().join("out")).unwrap();
    }
    let (status, _, text) = refused(&["checkpoint", "rescale", &from, &path(&dir, "0"), "--key-groups", "0"]);
    assert!(status == 1 && text.contains("at least 1"), "{text}");
}

/// Not a test: the program that `check` runs. Its start must come to nothing.
#[test]
fn the_program() {
    let (Some(dir), Some(version)) = (std::env::var_os("PROGRAM_DIR"), std::env::var("PROGRAM").ok()) else {
        return;
    };
    println!("the program speaks");
    if version == "idle" {
        return;
    }
    let dir = Path::new(&dir);
    // What `check` looks at takes the place of this.
    let checkpoint = dir.join("checkpoint of its own");
    let made = StreamingContext::get_or_create(checkpoint, |builder| match version.as_str() {
        "broken" => Err("no settings were found".into()),
        "forgetful" => {
            let ssc = StreamingContext::builder("forgetful").build()?;
            ssc.queue_stream(vec![vec![1]]).print();
            Ok(ssc)
        }
        _ => program(builder, dir, &version),
    });
    let error = made.and_then(|ssc| ssc.start()).unwrap_err();
    println!("it says: {error}");
}

fn check(dir: &tempfile::TempDir, checkpoint: &str, version: &str, json: bool) -> (i32, String, String) {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_waterclock"));
    command.args(["check", checkpoint]).args(json.then_some("--json")).arg("--").arg(program);
    command.args(["--exact", "the_program", "--nocapture"]);
    let Output { status, stdout, stderr } =
        command.env("PROGRAM", version).env("PROGRAM_DIR", dir.path()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_program_is_tried_without_starting_it() {
    let dir = written();
    let checkpoint = path(&dir, "checkpoint");
    let before = content(&checkpoint);
    let (status, text, said) = check(&dir, &checkpoint, "migrating", false);
    let lines = [
        &format!("words and the checkpoint {checkpoint}:"),
        "  source  lines   kept",
        "  state   counts  migrated  its value was u32, and `migrate` makes it string now",
        "  output  files   kept",
        "  output  more    new",
        "a start would go through",
    ];
    assert_eq!((status, text.lines().collect::<Vec<_>>()), (0, lines.to_vec()), "{said}");
    assert!(said.contains("the program speaks") && said.contains("it says: this was a dry run"), "{said}");
    assert_eq!(content(&checkpoint), before);
    let outputs = || std::fs::read_dir(dir.path().join("out")).unwrap().count();
    assert_eq!(outputs(), 2);
    assert!(!dir.path().join("checkpoint of its own").exists());
    let (status, text, _) = check(&dir, &checkpoint, "migrating", true);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, json["parts"][1]["fate"].as_str()), (0, Some("migrated")));
}

#[test]
fn a_start_that_would_be_refused_is_refused() {
    let dir = written();
    let checkpoint = path(&dir, "checkpoint");
    let before = content(&checkpoint);
    let (status, text, said) = check(&dir, &checkpoint, "renamed", false);
    assert!(text.contains("  state   totals  new") && text.contains("  state   counts  refused"), "{text}");
    assert!(text.contains("it has state that the program does not have: counts"), "{text}");
    assert!(status == 1 && said.contains("the start would be refused"), "{said}");
    let (status, text, _) = check(&dir, &checkpoint, "broken", false);
    assert!(status == 1 && text.contains("no settings were found"), "{text}");
    let (status, _, said) = check(&dir, &checkpoint, "forgetful", false);
    assert!(status == 1 && said.contains("keeps no checkpoint"), "{said}");
    let (status, text, said) = check(&dir, &checkpoint, "idle", false);
    assert!(status == 2 && text.is_empty() && said.contains("without an answer of its `start`"), "{said}");
    assert_eq!(content(&checkpoint), before);
}

/// The release that is to be replaced runs until the last moment: whether a start would go through after it is the
/// question, not whether it could begin now.
#[test]
fn a_program_is_tried_while_another_has_the_checkpoint() {
    let dir = written();
    let checkpoint = path(&dir, "checkpoint");
    let create = |builder| program(builder, dir.path(), "first");
    let owner = StreamingContext::get_or_create(&checkpoint, create).unwrap();
    let owned = format!("note: the checkpoint is in use: it belongs to process {}", std::process::id());
    let (status, text, said) = check(&dir, &checkpoint, "migrating", false);
    assert!(status == 0 && text.contains(&owned), "{text}{said}");
    assert!(text.ends_with("a start would go through\n"), "{text}");
    let (status, text, _) = check(&dir, &checkpoint, "renamed", false);
    assert!(status == 1 && text.contains(&owned) && text.contains("a start would be refused:"), "{text}");
    drop(owner);
}

#[test]
fn a_batch_is_run_again_and_compared() {
    let dir = written();
    // What `replay` looks at takes the place of the program's own directory.
    let checkpoint = path(&dir, "checkpoint");
    let replay = |version: &str, time: &str, json: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waterclock"));
        command.args(["replay", &checkpoint, time]).args(json.then_some("--json")).arg("--");
        command.arg(std::env::current_exe().unwrap()).args(["--exact", "the_program", "--nocapture"]);
        let Output { status, stdout, stderr } =
            command.env("PROGRAM", version).env("PROGRAM_DIR", dir.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    };
    let (status, text, said) = replay("first", "1000", false);
    assert!(status == 0 && text.starts_with("batch 1000 ms: nothing differs\n"), "{text}{said}");
    assert!(text.contains("  same          counts (update_state_by_key at "), "{text}");
    let (status, text, _) = replay("first", "2000", true);
    assert!(status == 0 && text.contains("\"same\": true"), "{text}");
    let (status, text, said) = replay("louder", "1000", false);
    assert!(status == 1 && text.contains("  differs       counts"), "{text}");
    assert!(said.contains("the batch 1000 ms makes something else than before: first in counts"), "{said}");
    let (status, _, said) = replay("first", "9000", false);
    assert!(status == 2 && said.contains("the batch 9000 ms can't be run again"), "{said}");
    assert!(!dir.path().join("checkpoint of its own").exists());
}

#[test]
fn a_wrong_command_line_is_answered_with_the_right_one() {
    assert!(well(&["--help"]).contains("waterclock check DIR [--json] -- PROGRAM"));
    assert!(well(&["--version"]).starts_with("waterclock 0."));
    for args in [
        &[][..],
        &["checkpoint"],
        &["checkpoint", "copy", "a"],
        &["checkpoint", "inspect"],
        &["checkpoint", "inspect", "a", "--yaml"],
        &["checkpoint", "rescale", "a", "b"],
        &["checkpoint", "rescale", "a", "b", "--key-groups", "many"],
        &["check", "a"],
        &["check", "a", "--"],
        &["check", "--", "program"],
        &["replay", "a", "soon", "--", "program"],
        &["replay", "1000", "--", "program"],
        &["replay", "--json", "1000", "--", "program"],
        &["replay", "a", "1000"],
    ] {
        let (status, _, text) = refused(args);
        assert!(status == 2 && text.contains("waterclock checkpoint inspect DIR"), "{args:?}: {text}");
    }
    let (status, _, text) = refused(&["checkpoint", "inspect", "/there/is/none"]);
    assert!(status == 1 && text.contains("can't read the checkpoint /there/is/none"), "{text}");
    let (status, _, text) = refused(&["check", "/", "--", "/there/is/none"]);
    assert!(status == 2 && text.contains("can't run /there/is/none"), "{text}");
}
