//! What an entry says of an operation: what was asked, and what came of it. Nothing of pictures and vectors.

use std::collections::BTreeMap;

use super::{OperationError, Request, Response};
use crate::gallery::CollectionId;
use crate::gallery::expectation::Expectation;
use crate::ledger::{Class, Unit, Units};

/// What is asked, as far as rules and ledger look at it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Act {
    pub(super) operation: &'static str,
    pub(super) collection: Option<CollectionId>,
    /// Tags of a collection that is yet to be made.
    pub(super) tags: BTreeMap<String, String>,
    /// Tags that are set and those that are removed, of a collection that is there.
    pub(super) retags: Option<(BTreeMap<String, String>, Vec<String>)>,
    /// Hundredths of a percent.
    pub(super) threshold: Option<u32>,
    pub(super) faces_max: Option<u32>,
    pub(super) detail: Option<String>,
}

impl Act {
    pub(super) fn of(request: &Request) -> Self {
        let (threshold, faces_max) = request.limits();
        Self {
            operation: request.operation(),
            collection: request.collection(),
            tags: match request {
                Request::CreateCollection(input) => input.tags.clone(),
                _ => BTreeMap::new(),
            },
            retags: match request {
                Request::TagResource(input) => Some((input.tags.clone(), Vec::new())),
                Request::UntagResource(input) => Some((BTreeMap::new(), input.keys.clone())),
                _ => None,
            },
            threshold: threshold.map(hundredths),
            faces_max: faces_max.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
            detail: match request {
                Request::RevokeAccessKey(input) => Some(input.access_key_id.clone()),
                Request::AssumeRole(input) => Some(format!("session {}", input.session_name)),
                _ => None,
            },
        }
    }

    pub(super) fn class(&self) -> Class {
        match self.operation {
            "DetectFaces" => Class::Detect,
            "IndexFaces" | "ImportEmbeddings" | "MigrateCollection" => Class::Index,
            "CompareFaces" => Class::Compare,
            name if name.starts_with("Search") => Class::Search,
            name if ["List", "Describe", "Get"].iter().any(|start| name.starts_with(start)) => Class::Read,
            _ => Class::Manage,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) faces: u32,
    pub(super) matches: u32,
    /// Faces or users that the probe was compared with.
    pub(super) searched: Option<u64>,
    pub(super) model: Option<String>,
    pub(super) units: Units,
    pub(super) detail: Option<String>,
}

impl Tally {
    /// Faces enrolled without a request of the wire.
    pub(super) fn indexed(count: usize) -> Self {
        Self { faces: small(count), units: Units::of(Unit::Index, count as u64), ..Self::default() }
    }

    pub(super) fn managed() -> Self {
        Self { units: Units::of(Unit::Manage, 1), ..Self::default() }
    }

    fn search(faces: usize, matches: usize, expected: &Expectation) -> Self {
        Self {
            faces: small(faces),
            matches: small(matches),
            searched: Some(expected.enrolled),
            units: Units::of(Unit::Search, 1),
            ..Self::default()
        }
    }

    pub(super) fn of(response: &Response) -> Self {
        use Response as R;
        match response {
            R::DetectFaces(out) => {
                Self { faces: small(out.faces.len()), units: Units::of(Unit::Detect, 1), ..Self::default() }
            }
            R::IndexFaces(out) => Self {
                units: Units::of(Unit::Detect, 1).and(Unit::Index, out.records.len() as u64),
                ..Self::indexed(out.records.len())
            },
            R::CompareFaces(out) => Self {
                faces: small(out.matches.len() + out.unmatched.len()),
                matches: small(out.matches.len()),
                units: Units::of(Unit::Compare, 1),
                ..Self::default()
            },
            R::SearchFaces(out) => Self::search(0, out.matches.len(), &out.expected),
            R::SearchFacesByImage(out) => Self::search(1, out.matches.len(), &out.expected),
            R::SearchUsers(out) => Self::search(0, out.matches.len(), &out.expected),
            R::SearchUsersByImage(out) => {
                Self::search(usize::from(out.searched.is_some()), out.matches.len(), &out.expected)
            }
            R::DeleteFaces(out) => Self { faces: small(out.deleted.len()), ..Self::managed() },
            R::AssociateFaces(out) => Self { faces: small(out.associated.len()), ..Self::managed() },
            R::CreateAccessKey(out) => Self { detail: Some(out.access_key_id.clone()), ..Self::managed() },
            R::AssumeRole(out) => Self { detail: Some(out.assumed_role_arn.clone()), ..Self::managed() },
            _ => Self::managed(),
        }
    }
}

impl Request {
    /// The threshold asked, percent, and the number of candidates asked, of operations that identify or verify.
    fn limits(&self) -> (Option<f32>, Option<usize>) {
        match self {
            Self::SearchFaces(input) => (input.threshold, input.faces_max),
            Self::SearchFacesByImage(input) => (input.threshold, input.faces_max),
            Self::SearchUsers(input) => (input.threshold, input.users_max),
            Self::SearchUsersByImage(input) => (input.threshold, input.users_max),
            Self::CompareFaces(input) => (input.threshold, None),
            _ => (None, None),
        }
    }

    /// Takes over what the rules made of the limits; what they left alone stays as it was asked, to the bit.
    pub(super) fn limited(mut self, threshold: Option<u32>, faces_max: Option<u32>) -> Self {
        let (asked, most) = self.limits();
        let threshold = if threshold == asked.map(hundredths) { asked } else { threshold.map(percent) };
        let most = faces_max.map_or(most, |most| Some(most as usize));
        match &mut self {
            Self::SearchFaces(input) => (input.threshold, input.faces_max) = (threshold, most),
            Self::SearchFacesByImage(input) => (input.threshold, input.faces_max) = (threshold, most),
            Self::SearchUsers(input) => (input.threshold, input.users_max) = (threshold, most),
            Self::SearchUsersByImage(input) => (input.threshold, input.users_max) = (threshold, most),
            Self::CompareFaces(input) => input.threshold = threshold,
            _ => {}
        }
        self
    }
}

/// Hundredths of a percent, as rules and entries have it; a threshold is 0 to 100.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=10,000")]
pub(super) fn hundredths(percent: f32) -> u32 {
    (f64::from(percent) * 100.0).round().clamp(0.0, 10_000.0) as u32
}

pub(super) fn percent(hundredths: u32) -> f32 {
    hundredths as f32 / 100.0
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl OperationError {
    /// The error's name in the ledger; one word, and never a caller's text.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoFace => "no-face",
            Self::InvalidParameter(_) => "invalid-parameter",
            Self::InvalidImageFormat(_) => "invalid-image-format",
            Self::ImageTooLarge(_) => "image-too-large",
            Self::InvalidS3Object => "invalid-s3-object",
            Self::CollectionNotFound(_) => "collection-not-found",
            Self::CollectionExists(_) => "collection-exists",
            Self::UserNotFound(_) => "user-not-found",
            Self::UserExists(_) => "user-exists",
            Self::FaceNotFound(_) => "face-not-found",
            Self::KeyNotFound(_) => "key-not-found",
            Self::ResourceNotFound(_) => "resource-not-found",
            Self::InvalidPaginationToken => "invalid-pagination-token",
            Self::IdempotentParameterMismatch(_) => "idempotent-parameter-mismatch",
            Self::QuotaExceeded(_) => "quota-exceeded",
            Self::AccessDenied { .. } => "access-denied",
            Self::OverLimit { .. } => "over-limit",
            Self::Overloaded => "overloaded",
            Self::Internal(_) => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_recorded_often_has_its_number_in_the_format() {
        use crate::ledger::words;
        use crate::policy::vocabulary::{Actor, Operation, Purpose};
        let text = String::new;
        let errors = [
            OperationError::NoFace,
            OperationError::InvalidParameter(text()),
            OperationError::InvalidImageFormat(text()),
            OperationError::ImageTooLarge(text()),
            OperationError::InvalidS3Object,
            OperationError::CollectionNotFound(text()),
            OperationError::CollectionExists(text()),
            OperationError::UserNotFound(text()),
            OperationError::UserExists(text()),
            OperationError::FaceNotFound(text()),
            OperationError::KeyNotFound(text()),
            OperationError::ResourceNotFound(text()),
            OperationError::InvalidPaginationToken,
            OperationError::IdempotentParameterMismatch(text()),
            OperationError::QuotaExceeded(text()),
            OperationError::AccessDenied { operation: "", rule: text() },
            OperationError::OverLimit { rule: text(), allowed: text() },
            OperationError::Overloaded,
            OperationError::Internal(text()),
        ];
        // A variant that is not in the list above has no arm here.
        let known = |error: &OperationError| match error {
            OperationError::NoFace
            | OperationError::InvalidParameter(_)
            | OperationError::InvalidImageFormat(_)
            | OperationError::ImageTooLarge(_)
            | OperationError::InvalidS3Object
            | OperationError::CollectionNotFound(_)
            | OperationError::CollectionExists(_)
            | OperationError::UserNotFound(_)
            | OperationError::UserExists(_)
            | OperationError::FaceNotFound(_)
            | OperationError::KeyNotFound(_)
            | OperationError::ResourceNotFound(_)
            | OperationError::InvalidPaginationToken
            | OperationError::IdempotentParameterMismatch(_)
            | OperationError::QuotaExceeded(_)
            | OperationError::AccessDenied { .. }
            | OperationError::OverLimit { .. }
            | OperationError::Overloaded
            | OperationError::Internal(_) => 19,
        };
        assert_eq!(errors.len(), known(&errors[0]));
        for error in &errors {
            assert!(words::ERRORS.all().contains(&error.name()), "{}", error.name());
        }
        for actor in Actor::ALL {
            assert!(words::ACTORS.all().contains(&actor.name()), "{actor}");
        }
        for purpose in Purpose::ALL {
            assert!(words::PURPOSES.all().contains(&purpose.name()), "{purpose}");
        }
        // Of the operations, those that are served; the vocabulary of rules has some that are not yet.
        let served =
            |name: &str| !["Start", "Stop", "StreamProcessor", "GetFace", "unknown"].iter().any(|no| name.contains(no));
        for operation in Operation::ALL.iter().filter(|operation| served(operation.name())) {
            assert!(words::OPERATIONS.all().contains(&operation.name()), "{operation}");
        }
        for of_the_machine in ["ApprovePolicy", "ChangePolicy", "Erase"] {
            assert!(words::OPERATIONS.all().contains(&of_the_machine));
        }
    }

    #[test]
    fn what_rules_leave_alone_stays_to_the_bit() {
        let asked = 80.123_4_f32;
        let input = |threshold, faces_max| {
            Request::SearchFaces(crate::operations::search_faces::Input {
                collection_id: CollectionId::parse("c").unwrap(),
                face_id: crate::gallery::FaceId(uuid::Uuid::nil()),
                faces_max,
                threshold,
            })
        };
        let request = input(Some(asked), Some(7));
        assert_eq!(Act::of(&request).threshold, Some(8012));
        assert_eq!(request.clone().limited(Some(8012), Some(7)), request);
        assert_eq!(request.limited(Some(9900), Some(5)), input(Some(99.0), Some(5)));
        assert_eq!(input(None, None).limited(None, None), input(None, None));
        assert_eq!(input(None, None).limited(Some(9900), Some(5)), input(Some(99.0), Some(5)));
    }
}
