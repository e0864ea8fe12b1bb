//! Who asks, and what came with the request beside its body.

use serde::{Deserialize, Serialize};

use crate::policy::Principal;

/// A purpose and a case, in the words of whoever named them. Serialised in session tokens, which this program alone
/// reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Reference of the authorisation that it stands on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// Where the people in question are: a country, or `US-CA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The person sought, as the case names him.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// One request's sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who asks.
    pub principal: Principal,
    /// What the session's tags say; empty without a session.
    pub session: Declared,
    /// What the request's own headers say.
    pub header: Declared,
    /// Whether a threshold under the floor is an error instead of being raised.
    pub strict: bool,
    /// Id of the request, for the record; empty for a command of this machine.
    pub request_id: String,
}

impl From<&Principal> for Caller {
    fn from(principal: &Principal) -> Self {
        Self {
            principal: principal.clone(),
            session: Declared::default(),
            header: Declared::default(),
            strict: false,
            request_id: String::new(),
        }
    }
}
