//! AWS JSON 1.1: request bodies to [`Request`](crate::operations::Request), [`Response`](crate::operations::Response) to bodies.
//!
//! Every constraint of the service model is checked here, because SDKs check few of them, and all violations of a
//! request are told at once. Unknown members are ignored, `null` is absent.

mod members;
mod record;
mod request;
mod response;
mod value;

pub use request::parse_request;
pub use response::{EXPECTED, write_response};

/// Prefix of the header `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "RekognitionService.";

/// Prefix of the header for operations that Rekognition does not have.
pub const OWN_TARGET_PREFIX: &str = "Trombi.";

/// Those operations; their names are none of Rekognition's.
pub const OWN: [&str; 7] =
    ["CreateAccessKey", "GetExpectations", "GetLedger", "GetUsage", "ListAccessKeys", "ListEntries", "RevokeAccessKey"];

/// The operations that are served, by their wire names.
pub const SERVED: [&str; 21] = [
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
];

/// The other operations of the service, API version 2016-06-27.
pub const NOT_SERVED: [&str; 54] = [
    "CopyProjectVersion",
    "CreateDataset",
    "CreateFaceLivenessSession",
    "CreateProject",
    "CreateProjectVersion",
    "CreateStreamProcessor",
    "DeleteDataset",
    "DeleteProject",
    "DeleteProjectPolicy",
    "DeleteProjectVersion",
    "DeleteStreamProcessor",
    "DescribeDataset",
    "DescribeProjectVersions",
    "DescribeProjects",
    "DescribeStreamProcessor",
    "DetectCustomLabels",
    "DetectLabels",
    "DetectModerationLabels",
    "DetectProtectiveEquipment",
    "DetectText",
    "DistributeDatasetEntries",
    "GetCelebrityInfo",
    "GetCelebrityRecognition",
    "GetContentModeration",
    "GetFaceDetection",
    "GetFaceLivenessSessionResults",
    "GetFaceSearch",
    "GetLabelDetection",
    "GetMediaAnalysisJob",
    "GetPersonTracking",
    "GetSegmentDetection",
    "GetTextDetection",
    "ListDatasetEntries",
    "ListDatasetLabels",
    "ListMediaAnalysisJobs",
    "ListProjectPolicies",
    "ListStreamProcessors",
    "PutProjectPolicy",
    "RecognizeCelebrities",
    "StartCelebrityRecognition",
    "StartContentModeration",
    "StartFaceDetection",
    "StartFaceSearch",
    "StartLabelDetection",
    "StartMediaAnalysisJob",
    "StartPersonTracking",
    "StartProjectVersion",
    "StartSegmentDetection",
    "StartStreamProcessor",
    "StartTextDetection",
    "StopProjectVersion",
    "StopStreamProcessor",
    "UpdateDatasetEntries",
    "UpdateStreamProcessor",
];

/// The operation a target header names, as a name of ours, served or not; `None` for anything else.
#[must_use]
pub fn operation_of_target(target: &str) -> Option<&'static str> {
    if let Some(name) = target.strip_prefix(OWN_TARGET_PREFIX) {
        return OWN.iter().find(|known| **known == name).copied();
    }
    let name = target.strip_prefix(TARGET_PREFIX)?;
    SERVED.iter().chain(&NOT_SERVED).find(|known| **known == name).copied()
}

/// Whether requests of an operation are executed, by a name that [`operation_of_target`] gave.
#[must_use]
pub fn is_served(operation: &str) -> bool {
    SERVED.contains(&operation) || OWN.contains(&operation)
}

/// What the fuzz target `json_request` calls: parses `body` as a request of the operation that `target` names.
#[must_use]
pub fn accepts(target: &str, body: &[u8]) -> bool {
    operation_of_target(target).is_some_and(|operation| parse_request(operation, body).is_ok())
}

/// An answer ready for the wire. `headers` is the place for what typed SDK objects cannot show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// JSON.
    pub body: Vec<u8>,
    /// Extra headers, name and value.
    pub headers: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests;
