//! Words that bodies have so often that they are stored as their number here.
//!
//! Part of the format: lists only grow at their end.

/// Wire names of operations.
pub(super) const OPERATIONS: &[&str] = &[
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
];

/// Principals that are no access keys.
pub(super) const PRINCIPALS: &[&str] = &["local", "anonymous", "trombi"];

/// Classes of actors.
pub(super) const ACTORS: &[&str] = &[
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
];

/// The closed vocabulary of purposes.
pub(super) const PURPOSES: &[&str] = &[
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
];

/// Error codes of the API.
pub(super) const ERRORS: &[&str] = &[
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
];

/// Ids of networks that the catalogue has.
pub(super) const MODELS: &[&str] =
    &["face-reidentification-retail-0095", "auraface-v1", "sface-2021dec", "dlib-face-recognition-resnet-v1"];
