//! Goal: what the types promise, the compiler checks, and says so in words that name the cure.
//!
//! Method: programs that must not compile, each with phrases that the compiler has to print. The whole of its
//! text differs between compilers, so it is not compared.
#![expect(clippy::disallowed_methods, reason = "the compiler is a process, its programs are files")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is said of a type that is no record, and of one that is no key.
const DERIVE_RECORD: &str = "derive it: `#[derive(Clone, serde::Serialize, serde::Deserialize)]`";
const DERIVE_KEY: &str =
    "derive it: `#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]`";

/// Program; what is to be said of it.
const CASES: &[(&str, &[&str])] = &[
    ("not_send", &["`Rc<{integer}>` cannot be an element of a stream", "replace `Rc` by `Arc`"]),
    (
        "key_without_hash",
        &["`Page` cannot be the key of a pair", "Hash` is not implemented for `Page`", DERIVE_KEY],
    ),
    ("float_key", &["`f64` cannot be the key of a pair", "for a floating-point key use an integer unit"]),
    (
        "not_serializable_persist",
        &["`Click` cannot be written down as bytes", "may have to store records of `Click`", DERIVE_RECORD],
    ),
    (
        "not_serializable_group",
        &["`Click` cannot be written down as bytes", "may have to store records of `Click`", DERIVE_RECORD],
    ),
    // Whether an implementation holds for every lifetime is checked after the traits: `Record` has no say here.
    ("borrowed_text", &["Deserialize` is not general enough", "`&str` must implement", "for any lifetime"]),
    ("borrowed_key", &["Deserialize` is not general enough", "`&str` must implement", "for any lifetime"]),
    ("borrowed_closure", &["`least` does not live long enough"]),
];

/// T-279: what a closure or record must be is asked for by the bounds of each operation.
#[test]
fn the_compiler_says_what_is_wrong_and_what_helps() {
    let mut wrong = String::new();
    for (name, phrases) in CASES {
        let said = compile(name);
        for phrase in phrases.iter().filter(|phrase| !said.contains(**phrase)) {
            wrong.push_str(&format!("{name}: not said: {phrase}\n{said}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What the compiler says about one of the programs, in a package of its own that depends on this one.
fn compile(name: &str) -> String {
    let package = package();
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet", "--color", "never", "--bin", name])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{name} compiles");
    said
}

/// Writes the package; every program is one of its binaries.
fn package() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail");
    fs::create_dir_all(&package).unwrap();
    let mut manifest = format!(
        "[package]\nname = \"compile_fail\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\nwaterclock = {{ path = {here:?} }}\n"
    );
    for (name, _) in CASES {
        let path = here.join("tests/compile_fail").join(name).with_extension("rs");
        manifest.push_str(&format!("[[bin]]\nname = \"{name}\"\npath = {path:?}\n"));
    }
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    // The versions of the workspace, which are at hand without a network.
    fs::copy(here.join("../../Cargo.lock"), package.join("Cargo.lock")).unwrap();
    package
}
