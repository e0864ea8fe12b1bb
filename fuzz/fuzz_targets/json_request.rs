#![no_main]
//! Any bytes as the body of any operation: the first byte picks the operation.

use libfuzzer_sys::fuzz_target;
use trombi::protocol::json::{NOT_SERVED, OWN, SERVED, parse_request};

fuzz_target!(|bytes: &[u8]| {
    let Some((&pick, body)) = bytes.split_first() else { return };
    let operations: Vec<&str> = SERVED.iter().chain(&NOT_SERVED).chain(&OWN).copied().collect();
    let operation = operations[usize::from(pick) % operations.len()];
    match parse_request(operation, body) {
        Ok(request) => assert_eq!(request.operation(), operation),
        // A refusal shows pieces of the body, never all of it; and it is told to the client as JSON.
        Err(fault) => {
            assert!(fault.message.len() < 64 * 1024 && fault.status < 500);
            assert!(!fault.body("id").is_empty());
        }
    }
});
