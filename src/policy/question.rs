//! What the gate is asked, and what it rules.

use super::vocabulary::{Place, Purpose, Role};

/// A purpose and a case as one carrier names them; the words as they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried<'a> {
    /// One purpose, or several that it may be, separated by blanks or commas.
    pub purpose: Option<&'a str>,
    /// Reference of a case.
    pub case: Option<&'a str>,
}

/// Everything that may name a purpose or a case. Those that speak must agree; the first that names one is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carriers<'a> {
    /// Headers of the request.
    pub header: Carried<'a>,
    /// Tags of the session.
    pub session: Carried<'a>,
    /// Binding of the access key.
    pub key: Carried<'a>,
    /// Tags of the collection.
    pub collection: Carried<'a>,
}

/// The collection that a request touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AskedCollection<'a> {
    /// Id.
    pub id: &'a str,
    /// Where the people in it are, from a tag.
    pub place: Option<&'a str>,
    /// Where its faces come from, from a tag.
    pub source: Option<&'a str>,
    /// Enrolled faces.
    pub faces: u64,
}

/// A collection's tags that rules read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AskedTags<'a> {
    /// What it is for.
    pub purpose: Option<&'a str>,
    /// The case it stands on.
    pub case: Option<&'a str>,
    /// Where the people in it are.
    pub place: Option<&'a str>,
    /// Where its faces come from.
    pub source: Option<&'a str>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker<'a> {
    /// Tenant of the key; `None`: the set's default tenant.
    pub tenant: Option<&'a str>,
    /// Access key id; `None`: the person at this machine.
    pub key: Option<&'a str>,
    /// What it may do at most.
    pub role: Role,
}

impl Default for Asker<'_> {
    fn default() -> Self {
        Self { tenant: None, key: None, role: Role::User }
    }
}

/// One request, as far as rules look at it. Facts that are not known are `None` or empty, and count as caught.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Question<'a> {
    /// Who asks.
    pub asker: Asker<'a>,
    /// Wire name of the operation.
    pub operation: &'a str,
    /// `None` for operations without a collection.
    pub collection: Option<AskedCollection<'a>>,
    /// Who names purpose and case.
    pub carriers: Carriers<'a>,
    /// The tags that the collection is to have, where the request changes them.
    pub retagged: Option<AskedTags<'a>>,
    /// Places of probe and subject.
    pub places: &'a [Place],
    /// The person sought, as the case has it.
    pub person: Option<&'a str>,
    /// Asked threshold, in hundredths of a percent.
    pub threshold: Option<u32>,
    /// Asked number of candidates.
    pub faces_max: Option<u32>,
    /// Whether a threshold under the floor is refused instead of raised.
    pub strict: bool,
    /// Whether the answer is withheld until people have looked at it.
    pub review: bool,
    /// Milliseconds since 1970; `None` when the clock is not to be trusted.
    pub now_ms: Option<i64>,
    /// Requests that stood on the case before this one: [`super::Gate::case_of`] says which case that is.
    pub case_used: u64,
}

/// The answer of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Stop; the rule's name goes to the client.
    Deny {
        /// Name of the rule.
        rule: String,
    },
}

/// What the gate rules on a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Go on or stop.
    pub decision: Decision,
    /// Every rule that decided: those that deny, or else those that permit.
    pub rules: Vec<String>,
    /// The purpose, where exactly one is known.
    pub purpose: Option<Purpose>,
    /// The case it stands on, as named.
    pub case: Option<String>,
    /// The threshold to search at, in hundredths; `None`: none was asked and none is owed.
    pub threshold: Option<u32>,
    /// Whether `threshold` is a floor and not what was asked.
    pub floored: bool,
    /// Most candidates; `None`: none was asked and none is owed.
    pub faces_max: Option<u32>,
    /// For people: what was passed over, what a rule wants.
    pub notes: Vec<String>,
}

impl Ruling {
    /// Whether to go on.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.decision == Decision::Allow
    }

    /// The rule of a refusal that a caller can mend alone, by asking for a threshold or a number of candidates that
    /// floor and ceiling let through: strict callers only. `None` where any other rule refuses too.
    #[must_use]
    pub fn refused_limit(&self) -> Option<&str> {
        let is_limit = |rule: &str| rule.starts_with("floor.") || rule.starts_with("ceiling.");
        match &self.decision {
            Decision::Deny { rule } if self.rules.iter().all(|rule| is_limit(rule)) => Some(rule),
            _ => None,
        }
    }

    /// The stricter of two rulings on one question: both must allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (allows, other_allows) = (self.allows(), other.allows());
        // A refusal that the caller cannot mend is told before one that he can.
        let by_other = allows || (self.refused_limit().is_some() && !other_allows && other.refused_limit().is_none());
        let mut rules = match (allows, other_allows) {
            (false, true) => self.rules,
            (true, false) => other.rules,
            _ => [self.rules, other.rules].concat(),
        };
        let mut seen = std::collections::BTreeSet::new();
        rules.retain(|rule| seen.insert(rule.clone()));
        let mut notes = self.notes;
        notes.extend(other.notes.into_iter().filter(|note| !notes.contains(note)).collect::<Vec<_>>());
        Self {
            decision: if by_other { other.decision } else { self.decision },
            rules,
            purpose: self.purpose.or(other.purpose),
            case: self.case.or(other.case),
            threshold: self.threshold.max(other.threshold),
            floored: self.floored || other.floored,
            faces_max: [self.faces_max, other.faces_max].into_iter().flatten().min(),
            notes,
        }
    }
}
