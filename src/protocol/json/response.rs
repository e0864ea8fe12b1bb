//! Answers to bodies. Arrays are always there, absent scalars never; floats are 32 bits widened to 64, as AWS's.

use serde::Serialize;

use super::{Answer, record};
use crate::gallery::FaceId;
use crate::gallery::expectation::{Expectation, Fpir, Unknown};
use crate::gallery::similarity::{Anchor, RateSource};
use crate::operations::search_users::Probe;
use crate::operations::types::{
    BoxRatio, FaceDetail, FaceMatch, FaceRecord, FaceRefusal, Reason, RefusedFace, Tags, UnusedFace, UserMatch,
    UserStatus, UserSummary,
};
use crate::operations::{self, Response};

/// Writes an answer's body, and the headers for what AWS's shapes have no member for.
#[must_use]
pub fn write_response(response: &Response) -> Answer {
    let headers = expectation(response).map(|expected| (EXPECTED, expected_value(expected)));
    Answer { body: body_of(response), headers: headers.into_iter().collect() }
}

/// The header of every search answer: what the search of somebody who is not enrolled would find.
pub const EXPECTED: &str = "x-trombi-expected";

fn expectation(response: &Response) -> Option<&Expectation> {
    match response {
        Response::SearchFaces(out) => Some(&out.expected),
        Response::SearchFacesByImage(out) => Some(&out.expected),
        Response::SearchUsers(out) => Some(&out.expected),
        Response::SearchUsersByImage(out) => Some(&out.expected),
        _ => None,
    }
}

/// `fpir=0.0101;lo=0.00812;hi=0.0124;n=100;basis=counted`, or `fpir=unknown;why=uncalibrated;n=100`.
///
/// `fpir` is the share of searches of people who are not enrolled that return somebody, `lo` and `hi` its 95 %
/// interval, `n` the number of enrolled faces that were compared, or of users in searches of users; `basis=tail` says that the rate lies beyond what
/// the calibration's data could show.
fn expected_value(expected: &Expectation) -> String {
    let n = expected.enrolled;
    match expected.fpir {
        Fpir::Known { rate, low, high, source } => {
            let basis = basis(source);
            format!("fpir={};lo={};hi={};n={n};basis={basis}", share(rate), share(low), share(high))
        }
        Fpir::Unknown(unknown) => format!("fpir=unknown;why={};n={n}", why(unknown)),
    }
}

fn basis(source: RateSource) -> &'static str {
    match source {
        RateSource::Counted => "counted",
        RateSource::Tail => "tail",
    }
}

fn why(unknown: Unknown) -> &'static str {
    match unknown {
        Unknown::Uncalibrated => "uncalibrated",
        Unknown::UserVectors => "user-vectors",
    }
}

/// Three digits that count, without an exponent where that stays short.
fn share(share: f64) -> String {
    if share > 0.0 && share < 1e-4 {
        return format!("{share:.2e}");
    }
    let digits = if share < 0.001 {
        6
    } else if share < 0.01 {
        5
    } else if share < 0.1 {
        4
    } else {
        3
    };
    format!("{share:.digits$}")
}

fn body_of(response: &Response) -> Vec<u8> {
    use Response as R;
    match response {
        R::CreateCollection(out) => bytes(&create_collection(out)),
        R::DescribeCollection(out) => bytes(&describe_collection(out)),
        R::ListCollections(out) => bytes(&list_collections(out)),
        R::DeleteCollection(_) => bytes(&StatusOnly { status_code: 200 }),
        R::IndexFaces(out) => bytes(&index_faces(out)),
        R::ListFaces(out) => bytes(&list_faces(out)),
        R::DeleteFaces(out) => bytes(&delete_faces(out)),
        R::SearchFaces(out) => bytes(&search_faces(out)),
        R::SearchFacesByImage(out) => bytes(&search_faces_by_image(out)),
        R::DetectFaces(out) => bytes(&DetectFaces { face_details: out.faces.iter().map(face_detail).collect() }),
        R::CompareFaces(out) => bytes(&compare_faces(out)),
        R::ListUsers(out) => bytes(&list_users(out)),
        R::AssociateFaces(out) => bytes(&associate_faces(out)),
        R::DisassociateFaces(out) => bytes(&disassociate_faces(out)),
        R::SearchUsers(out) => bytes(&search_users(out)),
        R::SearchUsersByImage(out) => bytes(&search_users_by_image(out)),
        R::ListTagsForResource(out) => bytes(&ListTags { tags: &out.tags }),
        R::ListAccessKeys(out) => bytes(&ListAccessKeys { access_keys: out.keys.iter().map(access_key).collect() }),
        R::CreateAccessKey(out) => bytes(&CreateAccessKey { access_key: new_access_key(out) }),
        R::RevokeAccessKey(_) => b"{}".to_vec(),
        R::GetExpectations(out) => bytes(&expectations(out)),
        R::GetLedger(out) => bytes(&record::ledger(out)),
        R::GetUsage(out) => bytes(&record::usage(out)),
        R::ListEntries(out) => bytes(&record::entries(out)),
        // Of another protocol: `sts`.
        R::AssumeRole(_) => Vec::new(),
        R::CreateUser(_) | R::DeleteUser(_) | R::TagResource(_) | R::UntagResource(_) => b"{}".to_vec(),
    }
}

/// Shapes of strings and finite numbers: writing them cannot fail.
fn bytes(shape: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(shape).unwrap_or_default()
}

/// JSON has no NaN and no infinity, and `null` would be read as absent.
fn wide(number: f32) -> f64 {
    if number.is_finite() { f64::from(number) } else { 0.0 }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusOnly {
    status_code: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateCollection<'a> {
    status_code: u16,
    collection_arn: &'a str,
    face_model_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeCollection<'a> {
    face_count: u64,
    face_model_version: &'a str,
    #[serde(rename = "CollectionARN")]
    collection_arn: &'a str,
    creation_timestamp: f64,
    user_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListCollections<'a> {
    collection_ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
    face_model_versions: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BoundingBox {
    width: f64,
    height: f64,
    left: f64,
    top: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Landmark {
    #[serde(rename = "Type")]
    kind: &'static str,
    x: f64,
    y: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Pose {
    roll: f64,
    yaw: f64,
    pitch: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Quality {
    brightness: f64,
    sharpness: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Detail {
    bounding_box: BoundingBox,
    landmarks: Vec<Landmark>,
    pose: Pose,
    quality: Quality,
    confidence: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Face<'a> {
    face_id: String,
    bounding_box: BoundingBox,
    image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_image_id: Option<&'a str>,
    confidence: f64,
    index_faces_model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    face: Face<'a>,
    face_detail: Detail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unindexed {
    reasons: Vec<&'static str>,
    face_detail: Detail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IndexFaces<'a> {
    face_records: Vec<Record<'a>>,
    face_model_version: &'a str,
    unindexed_faces: Vec<Unindexed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListFaces<'a> {
    faces: Vec<Face<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
    face_model_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Refused<'a> {
    face_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    reasons: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteFaces<'a> {
    deleted_faces: Vec<String>,
    unsuccessful_face_deletions: Vec<Refused<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Match<'a> {
    similarity: f64,
    face: Face<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SearchFaces<'a> {
    searched_face_id: String,
    face_matches: Vec<Match<'a>>,
    face_model_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SearchFacesByImage<'a> {
    searched_face_bounding_box: BoundingBox,
    searched_face_confidence: f64,
    face_matches: Vec<Match<'a>>,
    face_model_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DetectFaces {
    face_details: Vec<Detail>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SourceFace {
    bounding_box: BoundingBox,
    confidence: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ComparedMatch {
    similarity: f64,
    face: Detail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CompareFaces {
    source_image_face: SourceFace,
    face_matches: Vec<ComparedMatch>,
    unmatched_faces: Vec<Detail>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct User<'a> {
    user_id: &'a str,
    user_status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListUsers<'a> {
    users: Vec<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FaceIdOnly {
    face_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserIdOnly<'a> {
    user_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssociateFaces<'a> {
    associated_faces: Vec<FaceIdOnly>,
    unsuccessful_face_associations: Vec<Refused<'a>>,
    user_status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DisassociateFaces<'a> {
    disassociated_faces: Vec<FaceIdOnly>,
    unsuccessful_face_disassociations: Vec<Refused<'a>>,
    user_status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MatchedUser<'a> {
    similarity: f64,
    user: User<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SearchUsers<'a> {
    user_matches: Vec<MatchedUser<'a>>,
    face_model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    searched_face: Option<FaceIdOnly>,
    #[serde(skip_serializing_if = "Option::is_none")]
    searched_user: Option<UserIdOnly<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SearchedFace {
    face_detail: Detail,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unsearched {
    face_details: Detail,
    reasons: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SearchUsersByImage<'a> {
    user_matches: Vec<MatchedUser<'a>>,
    face_model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    searched_face: Option<SearchedFace>,
    unsearched_faces: Vec<Unsearched>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListTags<'a> {
    tags: &'a Tags,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccessKey<'a> {
    access_key_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<&'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_date: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListAccessKeys<'a> {
    access_keys: Vec<AccessKey<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateAccessKey<'a> {
    access_key: AccessKey<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Level {
    similarity: f64,
    false_match_rate: f64,
    lower: f64,
    upper: f64,
    basis: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Threshold {
    threshold: f64,
    false_match_rate: f64,
    basis: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fpir: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Expectations<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    faces: Option<u64>,
    data_set: &'a str,
    comparisons: u64,
    levels: Vec<Level>,
    thresholds: Vec<Threshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<&'static str>,
}

fn access_key(key: &operations::list_access_keys::KeySummary) -> AccessKey<'_> {
    AccessKey {
        access_key_id: &key.access_key_id,
        secret_access_key: None,
        status: if key.active { "Active" } else { "Inactive" },
        create_date: Some(key.created_ms as f64 / 1000.0),
    }
}

fn new_access_key(out: &operations::create_access_key::Output) -> AccessKey<'_> {
    AccessKey {
        access_key_id: &out.access_key_id,
        secret_access_key: Some(&out.secret_access_key),
        status: "Active",
        create_date: None,
    }
}

fn expectations(out: &operations::get_expectations::Output) -> Expectations<'_> {
    let level = |anchor: &Anchor| Level {
        similarity: wide(anchor.percent),
        false_match_rate: anchor.fmr.rate,
        lower: anchor.fmr.low,
        upper: anchor.fmr.high,
        basis: basis(anchor.fmr.source),
    };
    Expectations {
        model: out.model.as_str(),
        faces: out.faces,
        data_set: &out.calibration.data_set,
        comparisons: out.calibration.comparisons,
        levels: out.calibration.anchors().iter().map(level).collect(),
        thresholds: out.thresholds.iter().map(threshold).collect(),
        unknown: out.unknown.map(why),
    }
}

fn threshold(at: &operations::get_expectations::AtThreshold) -> Threshold {
    let (fpir, lower, upper) = match at.fpir {
        Some(Fpir::Known { rate, low, high, .. }) => (Some(rate), Some(low), Some(high)),
        Some(Fpir::Unknown(_)) | None => (None, None, None),
    };
    Threshold {
        threshold: wide(at.percent),
        false_match_rate: at.fmr.rate,
        basis: basis(at.fmr.source),
        fpir,
        lower,
        upper,
    }
}

fn create_collection(out: &operations::create_collection::Output) -> CreateCollection<'_> {
    CreateCollection { status_code: 200, collection_arn: &out.collection_arn, face_model_version: &out.model_version }
}

fn describe_collection(out: &operations::describe_collection::Output) -> DescribeCollection<'_> {
    DescribeCollection {
        face_count: out.face_count,
        face_model_version: &out.model_version,
        collection_arn: &out.collection_arn,
        // Seconds: SDKs refuse milliseconds and text.
        creation_timestamp: out.created_ms as f64 / 1000.0,
        user_count: out.user_count,
    }
}

fn list_collections(out: &operations::list_collections::Output) -> ListCollections<'_> {
    ListCollections {
        collection_ids: out.collections.iter().map(|(id, _)| id.as_str()).collect(),
        next_token: out.next_token.as_deref(),
        face_model_versions: out.collections.iter().map(|(_, version)| version.as_str()).collect(),
    }
}

fn index_faces(out: &operations::index_faces::Output) -> IndexFaces<'_> {
    IndexFaces {
        face_records: out
            .records
            .iter()
            .map(|(record, detail)| Record { face: face(record), face_detail: face_detail(detail) })
            .collect(),
        face_model_version: &out.model_version,
        unindexed_faces: out.unindexed.iter().map(unindexed).collect(),
    }
}

fn unindexed(unused: &UnusedFace) -> Unindexed {
    Unindexed { reasons: reasons(&unused.reasons), face_detail: face_detail(&unused.detail) }
}

fn list_faces(out: &operations::list_faces::Output) -> ListFaces<'_> {
    ListFaces {
        faces: out.faces.iter().map(face).collect(),
        next_token: out.next_token.as_deref(),
        face_model_version: &out.model_version,
    }
}

fn delete_faces(out: &operations::delete_faces::Output) -> DeleteFaces<'_> {
    DeleteFaces {
        deleted_faces: out.deleted.iter().map(FaceId::to_string).collect(),
        unsuccessful_face_deletions: out.refused.iter().map(refused).collect(),
    }
}

fn search_faces(out: &operations::search_faces::Output) -> SearchFaces<'_> {
    SearchFaces {
        searched_face_id: out.searched_face_id.to_string(),
        face_matches: out.matches.iter().map(face_match).collect(),
        face_model_version: &out.model_version,
    }
}

fn search_faces_by_image(out: &operations::search_faces_by_image::Output) -> SearchFacesByImage<'_> {
    SearchFacesByImage {
        searched_face_bounding_box: bounding_box(&out.searched_box),
        searched_face_confidence: wide(out.searched_confidence),
        face_matches: out.matches.iter().map(face_match).collect(),
        face_model_version: &out.model_version,
    }
}

fn compare_faces(out: &operations::compare_faces::Output) -> CompareFaces {
    let matched = |(similarity, face): &(f32, FaceDetail)| ComparedMatch {
        similarity: wide(*similarity),
        face: face_detail(face),
    };
    CompareFaces {
        source_image_face: SourceFace {
            bounding_box: bounding_box(&out.source_box),
            confidence: wide(out.source_confidence),
        },
        face_matches: out.matches.iter().map(matched).collect(),
        unmatched_faces: out.unmatched.iter().map(face_detail).collect(),
    }
}

fn list_users(out: &operations::list_users::Output) -> ListUsers<'_> {
    ListUsers { users: out.users.iter().map(user).collect(), next_token: out.next_token.as_deref() }
}

fn associate_faces(out: &operations::associate_faces::Output) -> AssociateFaces<'_> {
    AssociateFaces {
        associated_faces: out.associated.iter().map(face_id_only).collect(),
        unsuccessful_face_associations: out.refused.iter().map(refused).collect(),
        user_status: user_status(out.status),
    }
}

fn disassociate_faces(out: &operations::disassociate_faces::Output) -> DisassociateFaces<'_> {
    DisassociateFaces {
        disassociated_faces: out.disassociated.iter().map(face_id_only).collect(),
        unsuccessful_face_disassociations: out.refused.iter().map(refused).collect(),
        user_status: user_status(out.status),
    }
}

fn search_users(out: &operations::search_users::Output) -> SearchUsers<'_> {
    let (searched_face, searched_user) = match &out.searched {
        Probe::Face(id) => (Some(face_id_only(id)), None),
        Probe::User(id) => (None, Some(UserIdOnly { user_id: id.as_str() })),
    };
    SearchUsers {
        user_matches: out.matches.iter().map(user_match).collect(),
        face_model_version: &out.model_version,
        searched_face,
        searched_user,
    }
}

fn search_users_by_image(out: &operations::search_users_by_image::Output) -> SearchUsersByImage<'_> {
    let unsearched = |unused: &UnusedFace| Unsearched {
        face_details: face_detail(&unused.detail),
        reasons: reasons(&unused.reasons),
    };
    SearchUsersByImage {
        user_matches: out.matches.iter().map(user_match).collect(),
        face_model_version: &out.model_version,
        searched_face: out.searched.as_ref().map(|face| SearchedFace { face_detail: face_detail(face) }),
        unsearched_faces: out.unsearched.iter().map(unsearched).collect(),
    }
}

fn bounding_box(ratio: &BoxRatio) -> BoundingBox {
    BoundingBox { width: wide(ratio.width), height: wide(ratio.height), left: wide(ratio.left), top: wide(ratio.top) }
}

fn face_detail(detail: &FaceDetail) -> Detail {
    let points = &detail.landmarks_ratio;
    let landmark = |kind, point: crate::vision::PointPx| Landmark { kind, x: wide(point.x), y: wide(point.y) };
    // Sides: the subject's inside, the picture's on the wire.
    let mut landmarks = vec![landmark("eyeLeft", points.right_eye), landmark("eyeRight", points.left_eye)];
    if detail.mouth_seen {
        landmarks.push(landmark("mouthLeft", points.mouth_right));
        landmarks.push(landmark("mouthRight", points.mouth_left));
    }
    landmarks.push(landmark("nose", points.nose));
    Detail {
        bounding_box: bounding_box(&detail.box_ratio),
        landmarks,
        pose: Pose {
            roll: wide(detail.pose.roll_deg),
            yaw: wide(detail.pose.yaw_deg),
            pitch: wide(detail.pose.pitch_deg),
        },
        quality: Quality { brightness: wide(detail.quality.brightness), sharpness: wide(detail.quality.sharpness) },
        confidence: wide(detail.confidence),
    }
}

fn face(record: &FaceRecord) -> Face<'_> {
    Face {
        face_id: record.face_id.to_string(),
        bounding_box: bounding_box(&record.box_ratio),
        image_id: record.image_id.to_string(),
        external_image_id: record.external_image_id.as_ref().map(|id| id.as_str()),
        confidence: wide(record.confidence),
        index_faces_model_version: &record.model_version,
        user_id: record.user_id.as_ref().map(|id| id.as_str()),
    }
}

fn face_match(found: &FaceMatch) -> Match<'_> {
    Match { similarity: wide(found.similarity), face: face(&found.face) }
}

fn user_match(found: &UserMatch) -> MatchedUser<'_> {
    MatchedUser { similarity: wide(found.similarity), user: user(&found.user) }
}

fn user(summary: &UserSummary) -> User<'_> {
    User { user_id: summary.user_id.as_str(), user_status: user_status(summary.status) }
}

fn face_id_only(id: &FaceId) -> FaceIdOnly {
    FaceIdOnly { face_id: id.to_string() }
}

fn refused(face: &RefusedFace) -> Refused<'_> {
    Refused {
        face_id: face.face_id.to_string(),
        user_id: face.user_id.as_ref().map(|id| id.as_str()),
        confidence: face.confidence.map(wide),
        reasons: face.reasons.iter().map(|reason| refusal(*reason)).collect(),
    }
}

fn user_status(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "ACTIVE",
        UserStatus::Created => "CREATED",
    }
}

fn refusal(reason: FaceRefusal) -> &'static str {
    match reason {
        FaceRefusal::AssociatedToAnExistingUser => "ASSOCIATED_TO_AN_EXISTING_USER",
        FaceRefusal::FaceNotFound => "FACE_NOT_FOUND",
        FaceRefusal::AssociatedToADifferentUser => "ASSOCIATED_TO_A_DIFFERENT_USER",
        FaceRefusal::LowMatchConfidence => "LOW_MATCH_CONFIDENCE",
    }
}

fn reasons(reasons: &[Reason]) -> Vec<&'static str> {
    let name = |reason: &Reason| match reason {
        Reason::ExceedsMaxFaces => "EXCEEDS_MAX_FACES",
        Reason::ExtremePose => "EXTREME_POSE",
        Reason::LowBrightness => "LOW_BRIGHTNESS",
        Reason::LowSharpness => "LOW_SHARPNESS",
        Reason::LowConfidence => "LOW_CONFIDENCE",
        Reason::SmallBoundingBox => "SMALL_BOUNDING_BOX",
        Reason::LowFaceQuality => "LOW_FACE_QUALITY",
        Reason::FaceNotLargest => "FACE_NOT_LARGEST",
    };
    reasons.iter().map(name).collect()
}
