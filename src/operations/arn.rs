//! ARNs of collections: `arn:aws:rekognition:REGION:ACCOUNT:collection/ID`.

use super::{OperationError, Settings};
use crate::gallery::CollectionId;

/// The ARN of a collection of this server.
pub(super) fn of(settings: &Settings, id: &CollectionId) -> String {
    format!("arn:aws:rekognition:{}:{}:collection/{id}", settings.region, settings.account_id)
}

/// The collection that an ARN names. Any region and account are accepted, because a server has one set of
/// collections and its settings may change after an ARN was handed out.
pub(super) fn collection(arn: &str) -> Option<CollectionId> {
    let rest = arn.strip_prefix("arn:aws:rekognition:")?;
    let (region, rest) = rest.split_once(':')?;
    let (account, resource) = rest.split_once(':')?;
    let region_fits = !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let account_fits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let id = resource.strip_prefix("collection/")?;
    (region_fits && account_fits).then(|| CollectionId::parse(id)).flatten()
}

/// As [`collection`], with the error of the tag operations.
pub(super) fn resource(arn: &str) -> Result<CollectionId, OperationError> {
    collection(arn).ok_or_else(|| not_found(arn))
}

pub(super) fn not_found(arn: &str) -> OperationError {
    OperationError::ResourceNotFound(arn.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back() {
        let id = CollectionId::parse("staff_2.a-b").unwrap();
        assert_eq!(collection(&of(&Settings::default(), &id)), Some(id));
    }

    #[test]
    fn anything_else_names_no_collection() {
        for arn in [
            "",
            "staff",
            "arn:aws:rekognition:us-east-1:000000000000:collection/",
            "arn:aws:rekognition:us-east-1:000000000000:collection/a/b",
            "arn:aws:rekognition:us-east-1:00000000000:collection/a",
            "arn:aws:rekognition::000000000000:collection/a",
            "arn:aws:s3:us-east-1:000000000000:collection/a",
            "arn:aws:rekognition:us-east-1:000000000000:project/a",
        ] {
            assert_eq!(collection(arn), None, "{arn}");
        }
    }
}
