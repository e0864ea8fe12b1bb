//! The wire, judged by the official clients.

mod official_clients;
mod rust_sdk;
mod s3;
