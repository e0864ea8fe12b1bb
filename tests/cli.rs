//! The `trombi` program from outside: help, usage errors, exit codes.

use std::process::{Command, Output};

fn trombi(words: &[&str]) -> Output {
    let data = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_trombi"))
        .args(words)
        .arg("--offline")
        .env("TROMBI_DATA", data.path().join("data"))
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let output = trombi(&["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for word in ["setup", "detect", "compare", "collections", "index", "search", "faces", "keys", "serve", "Exit codes"]
    {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
}

#[test]
fn a_wrong_command_line_has_exit_code_2() {
    for words in [&["nonsense"][..], &["detect"], &["collections", "create", "a b"], &["--threads", "0", "setup"]] {
        assert_eq!(trombi(words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_drawing_that_is_no_png_is_refused_before_any_work() {
    let output = trombi(&["detect", "missing.jpg", "--draw", "out.jpg"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("ends in .png"), "{}", stderr(&output));
}

#[test]
fn no_auth_on_a_public_address_is_refused() {
    let output = trombi(&["serve", "--no-auth", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("trombi: --no-auth is for a loopback address only"));
}

#[test]
fn a_missing_folder_is_one_line_that_names_it() {
    let output = trombi(&["index", "staff", "no/such/folder"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.starts_with("trombi: `no/such/folder`") && text.lines().count() == 1, "{text}");
}
