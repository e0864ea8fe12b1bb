//! json

/// Placeholder.
#[must_use]
pub fn write_response(_response: &crate::operations::Response) -> serde_json::Value {
    unimplemented!()
}
