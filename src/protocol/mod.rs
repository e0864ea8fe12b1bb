//! HTTP, SigV4 and AWS JSON 1.1: the only room that knows them.

pub mod errors;
pub mod json;
pub mod server;
pub mod sigv4;
