//! Holds ARCHITECTURE.md's table of imports against the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms it may import. A new entry here is the rare change that deserves the hardest look.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("vision", &[]),
    ("models", &["vision", "gallery"]),
    ("gallery", &["vision"]),
    ("policy", &["ledger"]),
    ("ledger", &[]),
    ("store", &["vision", "gallery", "policy"]),
    ("operations", &["vision", "gallery", "store", "policy", "ledger"]),
    ("protocol", &["operations", "policy", "gallery", "vision", "ledger", "console"]),
    ("console", &[]),
    ("cli", &["vision", "models", "gallery", "policy", "ledger", "store", "operations", "protocol"]),
];

/// Words that must not appear in a room's code, with the invariant they would break.
const ABSENT: &[(&str, &[&str], &str)] = &[
    (
        "vision",
        &["SystemTime", "Instant::now", "std::fs", "std::net", "tokio", "serde"],
        "pure: no clock, no disk, no wire",
    ),
    (
        "gallery",
        &["SystemTime", "Instant::now", "std::fs", "std::net", "tokio", "serde"],
        "pure: no clock, no disk, no wire",
    ),
    (
        "policy",
        &["std::net", "axum", "hyper", "SystemTime", "Instant::now", "std::fs", "tokio"],
        "pure: no clock, no disk; does not know how decisions are sent",
    ),
    ("ledger", &["std::net", "axum", "hyper", "reqwest", "SystemTime"], "knows nothing of HTTP, and takes its times"),
    ("store", &["axum", "hyper::", "sigv4", "vision::Vision,"], "knows nothing of HTTP or inference"),
    ("operations", &["axum", "hyper", "http::", "sigv4"], "knows nothing of HTTP and signatures"),
    ("console", &["SystemTime", "std::fs", "std::net", "tokio", "hyper", "serde"], "files and nothing else"),
    (
        "protocol",
        &["rusqlite", "openvino", "gallery::Collection,", "gallery::collection", "vision::Vision"],
        "knows nothing of store, networks, search",
    ),
];

fn rust_files(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The code of a room without comments and without its unit tests.
fn code(room: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room), &mut files);
    assert!(!files.is_empty(), "room `{room}` has no files");
    files
        .into_iter()
        .filter(|path| path.file_stem().is_none_or(|stem| stem != "tests"))
        .filter(|path| path.parent().is_none_or(|folder| !folder.ends_with("tests")))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            (path, lines.join("\n"))
        })
        .collect()
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let rooms: BTreeSet<&str> = MAY_IMPORT.iter().map(|(room, _)| *room).collect();
    let mut breaches = Vec::new();
    for (room, allowed) in MAY_IMPORT {
        for (path, code) in code(room) {
            for (position, _) in code.match_indices("crate::") {
                let rest = &code[position + "crate::".len()..];
                let target: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if rooms.contains(target.as_str()) && target != *room && !allowed.contains(&target.as_str()) {
                    breaches.push(format!("{} imports `{target}`", path.display()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn what_a_room_must_not_know_is_absent() {
    let mut breaches = Vec::new();
    for (room, words, invariant) in ABSENT {
        for (path, code) in code(room) {
            for word in words.iter().filter(|word| code.contains(**word)) {
                breaches.push(format!("{} has `{word}`: {room} {invariant}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn every_source_folder_is_a_room_of_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(MAY_IMPORT.iter().any(|(room, _)| *room == name), "`src/{name}` is not in the table");
        }
    }
}

#[test]
fn only_network_names_the_inference_runtime() {
    for (room, _) in MAY_IMPORT {
        for (path, code) in code(room) {
            if !path.ends_with("vision/network.rs") {
                assert!(
                    !code.contains("openvino::") && !code.contains("openvino_sys"),
                    "{} names the runtime",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn only_align_makes_aligned_faces() {
    for (room, _) in MAY_IMPORT {
        for (path, code) in code(room) {
            if !path.ends_with("vision/align.rs") {
                assert!(!code.contains("AlignedFace {"), "{} makes an AlignedFace", path.display());
            }
        }
    }
}
