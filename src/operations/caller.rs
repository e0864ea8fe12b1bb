//! Who asks, and what came with the request beside its body.

use crate::policy::Principal;

/// A purpose and a case, in the words of whoever named them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// What it is for.
    pub purpose: Option<String>,
    /// Reference of the authorisation that it stands on.
    pub case: Option<String>,
    /// Where the people in question are: a country, or `US-CA`.
    pub place: Option<String>,
    /// The person sought, as the case names him.
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
