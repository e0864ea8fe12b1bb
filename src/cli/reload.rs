//! Reads the rules again while the server runs: `kill -HUP`.
//!
//! A set that does not read, or that wants what is not there, changes nothing: the rules stay as they are, and stderr
//! and the ledger say so.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use super::rules::Sets;
use super::{house, interrupt, output};
use crate::operations::Service;

/// Reads the rules at each hang-up; ends when the terminal that the server was started from has gone.
pub(super) async fn at_hangups(service: &Arc<Service>, data_dir: &Path) {
    let Some(mut hangups) = interrupt::hangups() else { return std::future::pending().await };
    while hangups.next().await {
        let (service, data_dir) = (Arc::clone(service), data_dir.to_owned());
        if tokio::task::spawn_blocking(move || reload(&service, &data_dir)).await.is_err() {
            output::warning("reading the rules again panicked; they stay as they are");
        }
    }
}

/// One hang-up.
fn reload(service: &Service, data_dir: &Path) {
    let (said, refused) = match take(service, data_dir) {
        Ok(said) => (said, false),
        Err(failure) => (format!("the rules stay as they are: {failure}"), true),
    };
    output::warning(&said);
    if let Err(error) = service.oversight().record_rules(&said, refused) {
        output::warning(&format!("that could not be recorded: {error}"));
    }
}

/// Takes the written set, and says what stands now.
fn take(service: &Service, data_dir: &Path) -> Result<String, Failure> {
    let before = service.oversight().standing();
    let stands = Sets::of(data_dir).standing_witnessed(house::now_ms())?;
    let unchanged = stands.news.is_empty() && stands.standing.hash(house::now_ms()) == before.hash(house::now_ms());
    let said = match stands.news.is_empty() {
        false => stands.news.join("; "),
        true if unchanged => "the rules were read again and are the same".to_owned(),
        true => "the rules were read again".to_owned(),
    };
    service.change_rules(stands.standing)?;
    Ok(said)
}
