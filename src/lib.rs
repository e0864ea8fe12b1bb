//! Trombi: a self-hosted face recognition service that speaks Amazon Rekognition's API.
//!
//! The rooms, in reading order (ARCHITECTURE.md has the picture and the rules):
//!
//! - [`vision`]: picture bytes to embeddings; pure computation
//! - [`models`]: the networks' files: catalogue, fetching, checksums, licences
//! - [`gallery`]: who is enrolled, and who is it; in memory, pure
//! - [`store`]: the data directory
//! - [`policy`]: may this principal do this, and what is counted
//! - [`ledger`]: every request's entry, in a log that others can hold us to
//! - [`operations`]: the API, one file per operation
//! - [`protocol`]: HTTP, SigV4, AWS JSON 1.1
//! - [`console`]: the pages for people, clients of the same API
//! - [`cli`]: one file per command

#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "tests make their numbers themselves"))]

pub mod cli;
pub mod console;
pub mod gallery;
pub mod ledger;
pub mod models;
pub mod operations;
pub mod policy;
pub mod protocol;
pub mod store;
pub mod vision;
