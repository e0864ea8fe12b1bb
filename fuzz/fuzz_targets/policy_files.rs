#![no_main]
//! Any bytes as the files of a policy set. The first byte says how many, and of which kind the last one is; a set that
//! is taken rules on a question too, and on nothing it refuses is a rule missing.

use libfuzzer_sys::fuzz_target;
use trombi::policy::{Gate, Question, vocabulary::Operation};

const NAMES: [&str; 4] = ["a.toml", "a.cedar", "a.toml.note", "tests.toml"];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(bytes);
    // A NUL parts one file from the next.
    let files: Vec<(String, String)> = text
        .split('\0')
        .take(NAMES.len())
        .enumerate()
        .map(|(place, text)| (NAMES[(place + usize::from(*which)) % NAMES.len()].to_owned(), text.to_owned()))
        .collect();
    let Ok(gate) = Gate::from_files(&files) else { return };
    for operation in [Operation::SearchFaces, Operation::ListFaces, Operation::Unknown] {
        let question = Question { operation: operation.name(), now_ms: Some(1_600_000_000_000), ..Question::default() };
        assert!(!gate.decide(&question).rules.is_empty());
    }
});
