//! `DescribeCollection`: counts and model of one collection.

use super::{OperationError, Service, Settings, arn, internal};
use crate::gallery::CollectionId;
use crate::store::StoreError;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub face_count: u64,
    /// As on the wire.
    pub user_count: u64,
    /// As on the wire.
    pub model_version: String,
    /// As on the wire.
    pub collection_arn: String,
    /// As on the wire.
    pub created_ms: i64,
}

/// The version alone for a collection of another network than the one in use, else with the licence of what is used.
fn described(service: &Service, version: String) -> String {
    let Settings { model_version, model_licence, .. } = &service.settings;
    if version == *model_version && !model_licence.is_empty() {
        format!("{version} ({model_licence})")
    } else {
        version
    }
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    let record = service.store.collection(&input.collection_id).map_err(|error| match error {
        StoreError::Missing => OperationError::CollectionNotFound(input.collection_id.to_string()),
        other => internal(other),
    })?;
    Ok(Output {
        face_count: record.face_count,
        user_count: record.user_count,
        model_version: described(service, record.model_version),
        collection_arn: arn::of(&service.settings, &record.id),
        created_ms: record.created_ms,
    })
}
