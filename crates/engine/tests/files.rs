//! Goal: files become the records that are in them: every line once, whatever its length, end and bytes.
//! Method: files with odd content, compared with what the standard library says.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test makes the files that the engine reads")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use waterclock_base::Error;
use waterclock_engine::{Engine, Rdd};

fn lines(engine: &Engine, path: &Path) -> Vec<String> {
    engine.text_files([path]).map(|line| line.to_string()).collect().unwrap()
}

/// The error behind that of a task.
fn cause(rdd: &Rdd<u64>) -> Error {
    match rdd.collect().unwrap_err() {
        Error::Task { operator, source, .. } => {
            assert!(["text_files", "binary_records"].contains(&operator.as_str()), "{operator}");
            *source
        }
        other => other,
    }
}

#[test]
fn lines_are_those_of_the_standard_library() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, path) = (Engine::local(2), dir.path().join("text"));
    let long = "é".repeat(400_000);
    let texts = ["", "\n", "a", "a\n", "a\r\nb\r\n\r\n\nc\r", &format!("{long}\n{long}\r\n x \n{long}")];
    for text in texts {
        fs::write(&path, text).unwrap();
        assert_eq!(lines(&engine, &path), text.lines().collect::<Vec<_>>());
    }
    fs::write(&path, b"a\xffb\n\xe2\x82\nc").unwrap();
    assert_eq!(lines(&engine, &path), ["a\u{fffd}b", "\u{fffd}", "c"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_as_if_at_once(
        pieces in prop::collection::vec(
            prop_oneof![Just(vec![b'\n']), prop::collection::vec(any::<u8>(), 0..9)],
            0..40,
        ),
        repeat in prop_oneof![Just(1usize), Just(4000)],
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (engine, path) = (Engine::local(1), dir.path().join("text"));
        let bytes = pieces.concat().repeat(repeat);
        fs::write(&path, &bytes).unwrap();
        let expected = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert_eq!(lines(&engine, &path), expected.lines().collect::<Vec<_>>());
    }
}

#[test]
fn a_directory_means_its_files_in_the_order_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::local(2);
    for name in ["b", "a", ".hidden", "_SUCCESS"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    fs::create_dir(dir.path().join("below")).unwrap();
    fs::write(dir.path().join("below/c"), "c").unwrap();
    let rdd = engine.text_files([dir.path().join("below/c"), dir.path().to_owned()]);
    assert_eq!(rdd.partitions(), 3);
    assert_eq!(rdd.map(|line| line.to_string()).collect().unwrap(), ["c", "a", "b"]);
    let whole = engine.whole_text_files([dir.path()]).map(|(_, text)| text.to_string());
    assert_eq!(whole.collect().unwrap(), ["a", "b"]);
}

#[test]
fn what_was_saved_as_text_is_read_as_text() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::local(2);
    let words = engine.parallelize(vec!["to be".to_owned(), "or".into()], 2);
    words.save_as_text_file(dir.path().join("out")).unwrap();
    let back = engine.text_files([dir.path().join("out")]).map(|line| line.to_string());
    assert_eq!(back.collect_partitions().unwrap(), words.collect_partitions().unwrap());
}

#[test]
fn a_path_that_can_not_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::local(2);
    let gone = dir.path().join("gone");
    let error = cause(&engine.text_files([&gone]).map(|_| 1u64));
    assert!(matches!(&error, Error::Outside { target, .. } if target.ends_with("gone")), "{error:?}");
    fs::write(&gone, "there").unwrap();
    let vanishing = engine.text_files([&gone]).map(|_| 1u64);
    fs::remove_file(&gone).unwrap();
    assert!(matches!(cause(&vanishing), Error::Outside { what: "can't open", .. }));
}

#[test]
fn binary_records_are_cut_by_their_length() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, path) = (Engine::local(2), dir.path().join("bytes"));
    let bytes: Vec<u8> = (0..30_000).map(|n| n as u8).collect();
    fs::write(&path, &bytes).unwrap();
    let records = engine.binary_records(&path, 10).collect().unwrap();
    assert_eq!(records.concat(), bytes);
    assert!(records.iter().all(|record| record.len() == 10));
    let error = cause(&engine.binary_records(&path, 7).map(|_| 1u64));
    assert!(matches!(&error, Error::Encoding { why, .. } if why.contains("5 bytes")), "{error:?}");
    let error = cause(&engine.binary_records(&path, 0).map(|_| 1u64));
    assert!(matches!(error, Error::Definition { call: "binary_records", .. }), "{error:?}");
}
