//! `CreateCollection`: creates an empty collection.

use super::types::Tags;
use super::{OperationError, Service, arn, limits, now_ms};
use crate::gallery::CollectionId;
use crate::store::CollectionRecord;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// As on the wire.
    pub collection_id: CollectionId,
    /// As on the wire.
    pub tags: Tags,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// As on the wire.
    pub collection_arn: String,
    /// As on the wire.
    pub model_version: String,
}

pub(super) fn run(service: &Service, input: Input) -> Result<Output, OperationError> {
    if input.tags.len() > limits::TAGS_MAX {
        return Err(limits::invalid());
    }
    let record = CollectionRecord {
        id: input.collection_id,
        model_id: service.eyes.model_id().clone(),
        model_version: service.settings.model_version.clone(),
        dimensions: service.eyes.dimensions(),
        created_ms: now_ms().unwrap_or_default(),
        face_count: 0,
        user_count: 0,
    };
    let output =
        Output { collection_arn: arn::of(&service.settings, &record.id), model_version: record.model_version.clone() };
    service.create_collection(record, &input.tags)?;
    Ok(output)
}
