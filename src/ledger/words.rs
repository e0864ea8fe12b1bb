//! Words that bodies have so often that they are stored as their number here.
//!
//! Part of the format: lists only grow at their end, and each growth is a version of the body, so that a body is the
//! same bytes for ever ([`WordList::of_version`]).

/// A list of words, and how many of them each version of the body knew.
pub struct WordList {
    words: &'static [&'static str],
    /// Of version 1; version 2 knows all.
    of_version_1: usize,
}

impl WordList {
    /// All words, by number.
    #[must_use]
    pub fn all(&self) -> &'static [&'static str] {
        self.words
    }

    /// The words that bodies of a version store as numbers.
    #[must_use]
    pub fn of_version(&self, version: u8) -> &'static [&'static str] {
        if version > 1 { self.words } else { self.words.get(..self.of_version_1).unwrap_or(self.words) }
    }
}

/// Wire names of operations.
pub const OPERATIONS: WordList = WordList {
    words: &[
        "AssociateFaces",
        "CompareFaces",
        "CreateCollection",
        "CreateUser",
        "DeleteCollection",
        "DeleteFaces",
        "DeleteUser",
        "DescribeCollection",
        "DetectFaces",
        "DisassociateFaces",
        "IndexFaces",
        "ListCollections",
        "ListFaces",
        "ListTagsForResource",
        "ListUsers",
        "SearchFaces",
        "SearchFacesByImage",
        "SearchUsers",
        "SearchUsersByImage",
        "TagResource",
        "UntagResource",
        "AssumeRole",
        "ImportEmbeddings",
        "MigrateCollection",
        "ListAccessKeys",
        "CreateAccessKey",
        "RevokeAccessKey",
        "GetExpectations",
        "GetLedger",
        "ListEntries",
        "GetUsage",
        "ApprovePolicy",
        "ChangePolicy",
        "Erase",
        "SearchFacesPairwise",
    ],
    of_version_1: 24,
};

/// Principals that are no access keys.
pub const PRINCIPALS: WordList = WordList { words: &["local", "anonymous", "trombi"], of_version_1: 3 };

/// Classes of actors; some were renamed before anybody recorded them.
pub const ACTORS: WordList = WordList {
    words: &[
        "person",
        "private",
        "ngo",
        "police",
        "police-contractor",
        "immigration",
        "border",
        "intelligence",
        "public-body",
        "unknown",
        "private-company",
        "media",
        "research",
        "prosecutor",
        "other-government",
    ],
    of_version_1: 10,
};

/// The closed vocabulary of purposes.
pub const PURPOSES: WordList = WordList {
    words: &[
        "personal-photos",
        "media-archive",
        "authentication",
        "access-control",
        "kyc",
        "find-missing-person",
        "identify-trafficking-victim",
        "identify-deceased",
        "investigate-suspect",
        "immigration-enforcement",
        "border-control",
        "event-security",
        "retail",
        "research-evaluation",
        "other",
    ],
    of_version_1: 15,
};

/// Names of errors: the API's codes, which version 1 expected, and those that are recorded.
pub const ERRORS: WordList = WordList {
    words: &[
        "AccessDeniedException",
        "InvalidParameterException",
        "InvalidImageFormatException",
        "ImageTooLargeException",
        "InvalidS3ObjectException",
        "ResourceNotFoundException",
        "ResourceAlreadyExistsException",
        "InternalServerError",
        "ThrottlingException",
        "ValidationException",
        "no-face",
        "invalid-parameter",
        "invalid-image-format",
        "image-too-large",
        "invalid-s3-object",
        "collection-not-found",
        "collection-exists",
        "user-not-found",
        "user-exists",
        "face-not-found",
        "key-not-found",
        "resource-not-found",
        "invalid-pagination-token",
        "idempotent-parameter-mismatch",
        "quota-exceeded",
        "access-denied",
        "over-limit",
        "overloaded",
        "internal",
    ],
    of_version_1: 10,
};

/// Ids of networks that the catalogue has.
pub const MODELS: WordList = WordList {
    words: &["face-reidentification-retail-0095", "auraface-v1", "sface-2021dec", "dlib-face-recognition-resnet-v1"],
    of_version_1: 4,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_has_two_numbers_and_version_1_knows_what_it_knew() {
        for (list, of_version_1, last) in [
            (&OPERATIONS, 24, "MigrateCollection"),
            (&PRINCIPALS, 3, "trombi"),
            (&ACTORS, 10, "unknown"),
            (&PURPOSES, 15, "other"),
            (&ERRORS, 10, "ValidationException"),
            (&MODELS, 4, "dlib-face-recognition-resnet-v1"),
        ] {
            let mut words = list.all().to_vec();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), list.all().len());
            assert_eq!((list.of_version(1).len(), list.of_version(1).last()), (of_version_1, Some(&last)));
            assert_eq!(list.of_version(2), list.all());
        }
    }
}
