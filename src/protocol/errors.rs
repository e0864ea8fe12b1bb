//! One table from what went wrong to the AWS error's code, HTTP status and text.
//!
//! Two forms of body exist and clients know both: modeled errors (`__type`, `Code`, `Logref`, `Message`) and
//! errors of AWS's own framework (`__type`, `message`), which answer before an operation has begun.

use serde::Serialize;

use super::sigv4::SignatureError;
use crate::operations::OperationError;

/// How an error's body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An error that the API's model names.
    Modeled,
    /// An error of the layer before the operation.
    Framework,
}

/// An error as the wire shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// AWS's name of the error; the body's `__type` and the header `x-amzn-ErrorType`.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// For the client: what to fix.
    pub message: String,
    /// Which body.
    pub form: Form,
    /// Header `x-amz-retry-after`, milliseconds, where waiting helps.
    pub retry_after_ms: Option<u32>,
}

/// How long an overloaded server asks clients to wait; SDKs add their own jitter.
pub const RETRY_AFTER_MS: u32 = 500;

const NO_FACE: &str = "There are no faces in the image. Should be at least 1.";
const INVALID_IMAGE: &str = "Request has invalid image format";
const IMAGE_TOO_LARGE: &str = "Image size is too large.";
const INVALID_OBJECT: &str =
    "Unable to get object metadata from S3. Check object key, region and/or access permissions.";
const SLOW_DOWN: &str = "Slow down; sudden increase in rate of requests.";

impl Fault {
    /// An error of the API's model, status 400.
    #[must_use]
    pub fn modeled(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: 400, message: message.into(), form: Form::Modeled, retry_after_ms: None }
    }

    /// An error of the framework, status 400.
    #[must_use]
    pub fn framework(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: 400, message: message.into(), form: Form::Framework, retry_after_ms: None }
    }

    /// The body is not what JSON 1.1 and the operation's shape ask for.
    #[must_use]
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::framework("SerializationException", message)
    }

    /// Members that cannot stand together, or none of those of which one is needed.
    #[must_use]
    pub fn invalid_parameters() -> Self {
        Self::modeled("InvalidParameterException", "Request has invalid parameters")
    }

    /// A bug or a broken disk; the cause goes to the log, not to the client.
    #[must_use]
    pub fn internal() -> Self {
        Self { status: 500, ..Self::modeled("InternalServerError", "Internal server error") }
    }

    /// Too much work waits.
    #[must_use]
    pub fn overloaded() -> Self {
        Self { retry_after_ms: Some(RETRY_AFTER_MS), ..Self::modeled("ThrottlingException", SLOW_DOWN) }
    }

    /// Not an answer of this operation, or no operation at all.
    #[must_use]
    pub fn unknown_operation(message: impl Into<String>) -> Self {
        Self::framework("UnknownOperationException", message)
    }

    /// The body is longer than `bytes_max`.
    #[must_use]
    pub fn body_too_large(bytes_max: usize) -> Self {
        let message = format!("the request body has more than {bytes_max} bytes; send smaller pictures");
        Self { status: 413, ..Self::framework("RequestEntityTooLargeException", message) }
    }

    /// The body did not arrive in time.
    #[must_use]
    pub fn body_too_slow() -> Self {
        let message = "the request body did not arrive in time";
        Self { status: 408, ..Self::framework("RequestTimeoutException", message) }
    }

    /// The JSON body; `logref` is the request's id, so that a client's report leads to the log line.
    #[must_use]
    pub fn body(&self, logref: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Modeled<'a> {
            __type: &'a str,
            #[serde(rename = "Code")]
            code: &'a str,
            #[serde(rename = "Logref")]
            logref: &'a str,
            #[serde(rename = "Message")]
            message: &'a str,
        }
        #[derive(Serialize)]
        struct Framework<'a> {
            __type: &'a str,
            message: &'a str,
        }
        let (code, message) = (self.code, self.message.as_str());
        match self.form {
            Form::Modeled => serde_json::to_vec(&Modeled { __type: code, code, logref, message }),
            Form::Framework => serde_json::to_vec(&Framework { __type: code, message }),
        }
        .unwrap_or_default()
    }
}

impl From<OperationError> for Fault {
    fn from(error: OperationError) -> Self {
        use OperationError as E;
        match error {
            E::NoFace => Self::modeled("InvalidParameterException", NO_FACE),
            E::InvalidParameter(text) => Self::modeled("InvalidParameterException", text),
            // Clients compare these texts as a whole: what would help goes to the log.
            E::InvalidImageFormat(_) => Self::modeled("InvalidImageFormatException", INVALID_IMAGE),
            E::ImageTooLarge(_) => Self::modeled("ImageTooLargeException", IMAGE_TOO_LARGE),
            E::InvalidS3Object => Self::modeled("InvalidS3ObjectException", INVALID_OBJECT),
            E::CollectionNotFound(id) => {
                Self::modeled("ResourceNotFoundException", format!("The collection id: {id} does not exist"))
            }
            E::CollectionExists(id) => {
                Self::modeled("ResourceAlreadyExistsException", format!("The collection id: {id} already exists"))
            }
            E::UserNotFound(id) => {
                Self::modeled("ResourceNotFoundException", format!("The user id: {id} does not exist"))
            }
            E::UserExists(id) => Self::modeled("ConflictException", format!("The user id: {id} already exists")),
            E::FaceNotFound(_) => Self::modeled("InvalidParameterException", "faceId was not found in the collection"),
            E::ResourceNotFound(arn) => {
                Self::modeled("ResourceNotFoundException", format!("The resource: {arn} does not exist"))
            }
            E::KeyNotFound(id) => {
                Self::modeled("ResourceNotFoundException", format!("The access key: {id} does not exist"))
            }
            E::InvalidPaginationToken => Self::modeled("InvalidPaginationTokenException", "Invalid Pagination Token"),
            E::IdempotentParameterMismatch(token) => Self::modeled(
                "IdempotentParameterMismatchException",
                format!("The ClientRequestToken: {token} you have supplied is already in use."),
            ),
            E::QuotaExceeded(text) => Self::modeled("ServiceQuotaExceededException", text),
            E::AccessDenied { operation, rule } => Self::modeled(
                "AccessDeniedException",
                format!("User is not authorized to perform: rekognition:{operation} (rule `{rule}`)"),
            ),
            // Ours: the API has no floors. The caller asked to be told instead of being served at the floor.
            E::OverLimit { rule, allowed } => Self::modeled(
                "InvalidParameterException",
                format!("Request has invalid parameters: rule `{rule}` allows {allowed}"),
            ),
            E::Overloaded => Self::overloaded(),
            E::Internal(_) => Self::internal(),
        }
    }
}

impl From<SignatureError> for Fault {
    fn from(error: SignatureError) -> Self {
        use SignatureError as E;
        let code = match error {
            E::Missing => "MissingAuthenticationTokenException",
            E::Incomplete(_) | E::Presigned => "IncompleteSignatureException",
            E::SessionExpired => "ExpiredTokenException",
            E::UnknownKey | E::SessionToken => "UnrecognizedClientException",
            E::Scope(_)
            | E::NotSigned(_)
            | E::Expired { .. }
            | E::NotYetCurrent { .. }
            | E::Payload(_)
            | E::Mismatch => "InvalidSignatureException",
        };
        Self::framework(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_clients_match_are_exact() {
        struct Case(OperationError, &'static str, u16, &'static str);
        let cases = [
            Case(OperationError::NoFace, "InvalidParameterException", 400, NO_FACE),
            Case(
                OperationError::FaceNotFound("x".into()),
                "InvalidParameterException",
                400,
                "faceId was not found in the collection",
            ),
            Case(
                OperationError::InvalidImageFormat("the bytes are base64 text".into()),
                "InvalidImageFormatException",
                400,
                "Request has invalid image format",
            ),
            Case(
                OperationError::ImageTooLarge("10000 x 20000 pixels".into()),
                "ImageTooLargeException",
                400,
                "Image size is too large.",
            ),
            Case(
                OperationError::InvalidParameter("Request has invalid parameters".into()),
                "InvalidParameterException",
                400,
                "Request has invalid parameters",
            ),
            Case(
                OperationError::CollectionExists("staff".into()),
                "ResourceAlreadyExistsException",
                400,
                "The collection id: staff already exists",
            ),
            Case(
                OperationError::IdempotentParameterMismatch("t1".into()),
                "IdempotentParameterMismatchException",
                400,
                "The ClientRequestToken: t1 you have supplied is already in use.",
            ),
            Case(
                OperationError::OverLimit { rule: "floor.x".into(), allowed: "at most 5 candidates".into() },
                "InvalidParameterException",
                400,
                "Request has invalid parameters: rule `floor.x` allows at most 5 candidates",
            ),
            Case(OperationError::Overloaded, "ThrottlingException", 400, SLOW_DOWN),
            Case(OperationError::UserExists("u".into()), "ConflictException", 400, "The user id: u already exists"),
        ];
        for Case(error, code, status, message) in cases {
            let fault = Fault::from(error);
            assert_eq!((fault.code, fault.status, fault.message.as_str()), (code, status, message));
        }
    }

    #[test]
    fn causes_of_internal_errors_stay_inside() {
        let fault = Fault::from(OperationError::Internal("/var/lib/trombi is full".into()));
        assert_eq!((fault.status, fault.message.as_str()), (500, "Internal server error"));
    }

    #[test]
    fn bodies_have_the_two_forms() {
        let modeled: serde_json::Value = serde_json::from_slice(&Fault::invalid_parameters().body("id-1")).unwrap();
        let expected = serde_json::json!({
            "__type": "InvalidParameterException", "Code": "InvalidParameterException",
            "Logref": "id-1", "Message": "Request has invalid parameters"
        });
        assert_eq!(modeled, expected);
        let framework: serde_json::Value = serde_json::from_slice(&Fault::serialization("no").body("id-1")).unwrap();
        assert_eq!(framework, serde_json::json!({"__type": "SerializationException", "message": "no"}));
    }
}
