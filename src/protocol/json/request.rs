//! Bodies to requests: one small function per operation.

use super::members::{Members, present};
use super::value::Value;
use super::{SERVED, record};
use crate::operations::types::QualityFilter;
use crate::operations::{self, KeyBinding, Request};
use crate::protocol::errors::Fault;

const FACES_MAX: u32 = 4096;
const USERS_MAX: u32 = 500;
const PAGE_MAX: u32 = 4096;

/// Parses the body of one operation and checks every constraint of the service model.
///
/// # Errors
/// `UnknownOperationException` for an operation that is not served, `SerializationException` for what is not JSON
/// of the right types, `ValidationException` with all broken constraints, `InvalidParameterException` for members
/// that exclude each other.
pub fn parse_request(operation: &str, body: &[u8]) -> Result<Request, Fault> {
    let Some(parse) = parser_of(operation) else {
        let served = SERVED.join(", ");
        let text = format!("{operation} is not served by this Trombi; served operations: {served}");
        return Err(Fault::unknown_operation(text));
    };
    let value = Value::parse(body).map_err(|error| Fault::serialization(reason(&error)))?;
    parse(&Members::new(&value)?)
}

/// Where and of what kind, never a piece of the body.
fn reason(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Eof => format!("the body ends early, at line {line} column {column}"),
        _ => format!("the body is not JSON that can be read, at line {line} column {column}"),
    }
}

type Parser = fn(&Members<'_, '_>) -> Result<Request, Fault>;

fn parser_of(operation: &str) -> Option<Parser> {
    Some(match operation {
        "AssociateFaces" => associate_faces,
        "CompareFaces" => compare_faces,
        "CreateCollection" => create_collection,
        "CreateUser" => create_user,
        "DeleteCollection" => delete_collection,
        "DeleteFaces" => delete_faces,
        "DeleteUser" => delete_user,
        "DescribeCollection" => describe_collection,
        "DetectFaces" => detect_faces,
        "DisassociateFaces" => disassociate_faces,
        "IndexFaces" => index_faces,
        "ListCollections" => list_collections,
        "ListFaces" => list_faces,
        "ListTagsForResource" => list_tags_for_resource,
        "ListUsers" => list_users,
        "SearchFaces" => search_faces,
        "SearchFacesByImage" => search_faces_by_image,
        "SearchUsers" => search_users,
        "SearchUsersByImage" => search_users_by_image,
        "TagResource" => tag_resource,
        "UntagResource" => untag_resource,
        "GetLedger" => record::get_ledger,
        "GetUsage" => record::get_usage,
        "ListEntries" => record::list_entries,
        "CreateAccessKey" => create_access_key,
        "GetExpectations" => get_expectations,
        "ListAccessKeys" => list_access_keys,
        "RevokeAccessKey" => revoke_access_key,
        _ => return None,
    })
}

fn create_collection(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, tags) = (m.collection_id()?, m.tags()?.unwrap_or_default());
    m.finish()?;
    let collection_id = present(collection_id)?;
    Ok(Request::CreateCollection(operations::create_collection::Input { collection_id, tags }))
}

fn describe_collection(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let collection_id = m.collection_id()?;
    m.finish()?;
    let collection_id = present(collection_id)?;
    Ok(Request::DescribeCollection(operations::describe_collection::Input { collection_id }))
}

fn delete_collection(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let collection_id = m.collection_id()?;
    m.finish()?;
    let collection_id = present(collection_id)?;
    Ok(Request::DeleteCollection(operations::delete_collection::Input { collection_id }))
}

/// `MaxResults` of 0 is allowed by the model; it asks for the default.
fn page_size(m: &Members<'_, '_>) -> Result<Option<usize>, Fault> {
    Ok(m.count("MaxResults", 0, PAGE_MAX)?.filter(|&limit| limit > 0))
}

fn list_collections(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (next_token, limit) = (m.next_token()?, page_size(m)?);
    m.finish()?;
    Ok(Request::ListCollections(operations::list_collections::Input { next_token, limit }))
}

fn index_faces(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, image) = (m.collection_id()?, m.image("Image")?);
    let external_image_id = m.external_image_id()?;
    m.attributes("DetectionAttributes")?;
    let faces_max = m.count("MaxFaces", 1, i32::MAX as u32)?;
    let quality_filter = m.quality_filter(QualityFilter::Auto)?;
    m.finish()?;
    let (collection_id, image) = (present(collection_id)?, present(image)?);
    let input = operations::index_faces::Input { collection_id, image, external_image_id, faces_max, quality_filter };
    Ok(Request::IndexFaces(input))
}

fn list_faces(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, next_token, limit) = (m.collection_id()?, m.next_token()?, page_size(m)?);
    let (user_id, face_ids) = (m.user_id()?, m.face_ids(FACES_MAX as usize)?.unwrap_or_default());
    m.finish()?;
    let collection_id = present(collection_id)?;
    Ok(Request::ListFaces(operations::list_faces::Input { collection_id, next_token, limit, user_id, face_ids }))
}

fn delete_faces(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let collection_id = m.collection_id()?;
    let face_ids = m.required("FaceIds", m.face_ids(FACES_MAX as usize)?);
    m.finish()?;
    let (collection_id, face_ids) = (present(collection_id)?, present(face_ids)?);
    Ok(Request::DeleteFaces(operations::delete_faces::Input { collection_id, face_ids }))
}

fn search_faces(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, face_id) = (m.collection_id()?, m.required("FaceId", m.face_id()?));
    let (faces_max, threshold) = (m.count("MaxFaces", 1, FACES_MAX)?, m.percent("FaceMatchThreshold")?);
    m.finish()?;
    let (collection_id, face_id) = (present(collection_id)?, present(face_id)?);
    Ok(Request::SearchFaces(operations::search_faces::Input { collection_id, face_id, faces_max, threshold }))
}

fn search_faces_by_image(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, image) = (m.collection_id()?, m.image("Image")?);
    let (faces_max, threshold) = (m.count("MaxFaces", 1, FACES_MAX)?, m.percent("FaceMatchThreshold")?);
    let quality_filter = m.quality_filter(QualityFilter::None)?;
    m.finish()?;
    let (collection_id, image) = (present(collection_id)?, present(image)?);
    let input = operations::search_faces_by_image::Input { collection_id, image, faces_max, threshold, quality_filter };
    Ok(Request::SearchFacesByImage(input))
}

fn detect_faces(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let image = m.image("Image")?;
    m.attributes("Attributes")?;
    m.finish()?;
    Ok(Request::DetectFaces(operations::detect_faces::Input { image: present(image)? }))
}

fn compare_faces(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (source, target) = (m.image("SourceImage")?, m.image("TargetImage")?);
    let (threshold, quality_filter) = (m.percent("SimilarityThreshold")?, m.quality_filter(QualityFilter::None)?);
    m.finish()?;
    let (source, target) = (present(source)?, present(target)?);
    Ok(Request::CompareFaces(operations::compare_faces::Input { source, target, threshold, quality_filter }))
}

fn create_user(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, user_id) = (m.collection_id()?, m.required("UserId", m.user_id()?));
    let token = m.request_token()?;
    m.finish()?;
    let (collection_id, user_id) = (present(collection_id)?, present(user_id)?);
    Ok(Request::CreateUser(operations::create_user::Input { collection_id, user_id, token }))
}

fn delete_user(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, user_id) = (m.collection_id()?, m.required("UserId", m.user_id()?));
    let token = m.request_token()?;
    m.finish()?;
    let (collection_id, user_id) = (present(collection_id)?, present(user_id)?);
    Ok(Request::DeleteUser(operations::delete_user::Input { collection_id, user_id, token }))
}

fn list_users(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, next_token) = (m.collection_id()?, m.next_token()?);
    let limit = m.count("MaxResults", 1, USERS_MAX)?;
    m.finish()?;
    let collection_id = present(collection_id)?;
    Ok(Request::ListUsers(operations::list_users::Input { collection_id, next_token, limit }))
}

fn associate_faces(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, user_id) = (m.collection_id()?, m.required("UserId", m.user_id()?));
    let face_ids = m.required("FaceIds", m.face_ids(100)?);
    let (threshold, token) = (m.percent("UserMatchThreshold")?, m.request_token()?);
    m.finish()?;
    let (collection_id, user_id, face_ids) = (present(collection_id)?, present(user_id)?, present(face_ids)?);
    let input = operations::associate_faces::Input { collection_id, user_id, face_ids, threshold, token };
    Ok(Request::AssociateFaces(input))
}

fn disassociate_faces(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, user_id) = (m.collection_id()?, m.required("UserId", m.user_id()?));
    let (face_ids, token) = (m.required("FaceIds", m.face_ids(100)?), m.request_token()?);
    m.finish()?;
    let (collection_id, user_id, face_ids) = (present(collection_id)?, present(user_id)?, present(face_ids)?);
    let input = operations::disassociate_faces::Input { collection_id, user_id, face_ids, token };
    Ok(Request::DisassociateFaces(input))
}

fn search_users(m: &Members<'_, '_>) -> Result<Request, Fault> {
    use operations::search_users::{Input, Probe};
    let (collection_id, user, face) = (m.collection_id()?, m.user_id()?, m.face_id()?);
    let (users_max, threshold) = (m.count("MaxUsers", 1, USERS_MAX)?, m.percent("UserMatchThreshold")?);
    let probe = match (user, face) {
        (Some(user), None) => Some(Probe::User(user)),
        (None, Some(face)) => Some(Probe::Face(face)),
        _ => {
            m.clash();
            None
        }
    };
    m.finish()?;
    let (collection_id, probe) = (present(collection_id)?, present(probe)?);
    Ok(Request::SearchUsers(Input { collection_id, probe, users_max, threshold }))
}

fn search_users_by_image(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, image) = (m.collection_id()?, m.image("Image")?);
    let (users_max, threshold) = (m.count("MaxUsers", 1, USERS_MAX)?, m.percent("UserMatchThreshold")?);
    let quality_filter = m.quality_filter(QualityFilter::None)?;
    m.finish()?;
    let (collection_id, image) = (present(collection_id)?, present(image)?);
    let input = operations::search_users_by_image::Input { collection_id, image, users_max, threshold, quality_filter };
    Ok(Request::SearchUsersByImage(input))
}

fn tag_resource(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (resource_arn, tags) = (m.resource_arn()?, m.required("Tags", m.tags()?));
    m.finish()?;
    let (resource_arn, tags) = (present(resource_arn)?, present(tags)?);
    Ok(Request::TagResource(operations::tag_resource::Input { resource_arn, tags }))
}

fn untag_resource(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (resource_arn, keys) = (m.resource_arn()?, m.required("TagKeys", m.tag_keys()?));
    m.finish()?;
    let (resource_arn, keys) = (present(resource_arn)?, present(keys)?);
    Ok(Request::UntagResource(operations::untag_resource::Input { resource_arn, keys }))
}

fn list_tags_for_resource(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let resource_arn = m.resource_arn()?;
    m.finish()?;
    let resource_arn = present(resource_arn)?;
    Ok(Request::ListTagsForResource(operations::list_tags_for_resource::Input { resource_arn }))
}

fn list_access_keys(m: &Members<'_, '_>) -> Result<Request, Fault> {
    m.finish()?;
    Ok(Request::ListAccessKeys(operations::list_access_keys::Input))
}

fn create_access_key(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let binding = KeyBinding {
        tenant: m.word("Tenant")?,
        purpose: m.word("Purpose")?,
        case: m.word("Case")?,
        role: m.word("Role")?,
    };
    m.finish()?;
    Ok(Request::CreateAccessKey(operations::create_access_key::Input { binding }))
}

fn revoke_access_key(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let access_key_id = m.access_key_id()?;
    m.finish()?;
    let access_key_id = present(access_key_id)?;
    Ok(Request::RevokeAccessKey(operations::revoke_access_key::Input { access_key_id }))
}

fn get_expectations(m: &Members<'_, '_>) -> Result<Request, Fault> {
    let (collection_id, users) = (m.some_collection_id()?, m.flag("Users")?.unwrap_or_default());
    m.finish()?;
    Ok(Request::GetExpectations(operations::get_expectations::Input { collection_id, users }))
}
