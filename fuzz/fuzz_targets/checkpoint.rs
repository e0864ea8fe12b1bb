#![no_main]
//! Everything that outsiders hand to the ledger: notes, checkpoints, proofs, receipts, keys, a log's request to a
//! witness. What reads must write itself back, to the byte.

use std::str;

use libfuzzer_sys::fuzz_target;
use trombi::ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use trombi::ledger::leaf::Leaf;
use trombi::ledger::note::{KeyKind, Note, PublicKey, SecretKey, parse_signature_lines};
use trombi::ledger::proof::Proof;
use trombi::ledger::receipt::Receipt;
use trombi::ledger::tiles::{TileName, bundle_entries};
use trombi::ledger::tree::{is_consistent, is_included};
use trombi::ledger::witness::{AddCheckpoint, parse_witnesses};

fuzz_target!(|input: &[u8]| {
    let key = SecretKey::from_seed("trombi/0", KeyKind::Log, [1; 32]).unwrap();
    if let Ok(note) = Note::parse(input) {
        let _ = note.verify(key.public());
        let _ = Checkpoint::from_text(&note.text).map(|checkpoint| assert!(note.text.starts_with(&checkpoint.to_text())));
    }
    if let Ok(signed) = SignedCheckpoint::parse(input) {
        assert_eq!(SignedCheckpoint::parse(&signed.to_bytes()).as_ref(), Ok(&signed));
        let _ = SignedCheckpoint::open(input, key.public());
    }
    if let Ok(proof) = Proof::parse(input) {
        assert_eq!(Proof::parse(proof.to_text().as_bytes()).as_ref(), Ok(&proof));
        let checkpoint = &proof.checkpoint.checkpoint;
        let _ = is_included(&[1; 32], proof.index, checkpoint.size, &checkpoint.root, &proof.path);
        assert!(proof.verify(&[1; 32], key.public()).is_err());
    }
    if let Ok(request) = AddCheckpoint::parse(input) {
        assert_eq!(AddCheckpoint::parse(&request.to_bytes()).as_ref(), Ok(&request));
        let checkpoint = &request.checkpoint.checkpoint;
        let _ = is_consistent(request.old, &[1; 32], checkpoint.size, &checkpoint.root, &request.proof);
    }
    if let Some(leaf) = Leaf::parse(input) {
        assert_eq!(leaf.to_bytes(), input);
    }
    let _ = parse_signature_lines(input);
    let _ = parse_witnesses(input);
    let _ = bundle_entries(input);
    let Ok(text) = str::from_utf8(input) else { return };
    if let Some(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_string(), text.trim());
        assert!(!receipt.is_signed_by(key.public()));
    }
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
    }
    let _ = SecretKey::parse(text);
    let _ = TileName::parse(text).map(|name| assert_eq!(name.path(), text));
});
