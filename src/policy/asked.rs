//! Questions as people write them: the request file of `trombi policy explain` and the rows of `tests.toml`.

use std::fmt;

use serde::Deserialize;

use super::date::{self, End};
use super::gate::Gate;
use super::question::{AskedCollection, AskedTags, Asker, Carried, Carriers, Decision, Question, Ruling};
use super::table::hundredths;
use super::vocabulary::{Place, Role};

/// Most rows of a table.
const ROWS_MAX: usize = 10_000;

/// A question, with the same facts as [`Question`]; what is left out is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "as the fields of Question")]
pub struct Asked {
    pub operation: String,
    pub tenant: Option<String>,
    pub key: Option<String>,
    pub role: Option<String>,
    pub collection: Option<AskedOfCollection>,
    pub header: Named,
    pub session: Named,
    pub key_binding: Named,
    pub retagged: Option<AskedOfTags>,
    pub places: Vec<String>,
    pub person: Option<String>,
    pub threshold: Option<String>,
    pub max_faces: Option<u32>,
    pub strict: bool,
    pub review: bool,
    /// A date, or a date and time with offset; left out: the clock is not known.
    pub at: Option<String>,
    pub case_used: u64,
}

/// The collection of a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "as the fields of AskedCollection, and its tags")]
pub struct AskedOfCollection {
    pub id: String,
    pub purpose: Option<String>,
    pub case: Option<String>,
    pub place: Option<String>,
    pub source: Option<String>,
    pub faces: u64,
}

/// The tags that a collection is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "as the fields of AskedTags")]
pub struct AskedOfTags {
    pub purpose: Option<String>,
    pub case: Option<String>,
    pub place: Option<String>,
    pub source: Option<String>,
}

/// A carrier of a question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "as the fields of Carried")]
pub struct Named {
    pub purpose: Option<String>,
    pub case: Option<String>,
}

impl Named {
    fn carried(&self) -> Carried<'_> {
        Carried { purpose: self.purpose.as_deref(), case: self.case.as_deref() }
    }
}

impl Asked {
    /// How a gate rules on it.
    ///
    /// # Errors
    /// A word that cannot be read.
    pub fn ruled_by(&self, gate: &Gate) -> Result<Ruling, String> {
        let role = self.role.as_deref().map_or(Ok(Role::User), |role| {
            Role::parse(role).ok_or_else(|| format!("`{role}` is not {}", Role::expected()))
        })?;
        let place = |text: &String| Place::parse(text).ok_or_else(|| format!("`{text}` is not a place, as `US-CA`"));
        let places: Vec<Place> = self.places.iter().map(place).collect::<Result<_, _>>()?;
        let percent = |text: &str| hundredths(text).ok_or_else(|| format!("`{text}` is no percent, as 99.5"));
        let collection = self.collection.as_ref();
        let question = Question {
            asker: Asker { tenant: self.tenant.as_deref(), key: self.key.as_deref(), role },
            operation: &self.operation,
            collection: collection.map(|collection| AskedCollection {
                id: &collection.id,
                place: collection.place.as_deref(),
                source: collection.source.as_deref(),
                faces: collection.faces,
            }),
            carriers: Carriers {
                header: self.header.carried(),
                session: self.session.carried(),
                key: self.key_binding.carried(),
                collection: collection.map_or(Carried::default(), |collection| Carried {
                    purpose: collection.purpose.as_deref(),
                    case: collection.case.as_deref(),
                }),
            },
            retagged: self.retagged.as_ref().map(|tags| AskedTags {
                purpose: tags.purpose.as_deref(),
                case: tags.case.as_deref(),
                place: tags.place.as_deref(),
                source: tags.source.as_deref(),
            }),
            places: &places,
            person: self.person.as_deref(),
            threshold: self.threshold.as_deref().map(percent).transpose()?,
            faces_max: self.max_faces,
            strict: self.strict,
            review: self.review,
            now_ms: self.at.as_deref().map(|at| date::parse(at, End::First)).transpose()?,
            case_used: self.case_used,
        };
        Ok(gate.decide(&question))
    }
}

/// A row of `tests.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    asked: Asked,
    /// `allow`, or `deny`, or the name of the rule that denies.
    expected: String,
    threshold: Option<String>,
    max_faces: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    test: Vec<Row>,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The row's name.
    pub name: String,
    /// What does not hold; empty when all does.
    pub wrong: Vec<String>,
}

impl TestResult {
    /// Whether the row holds.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.wrong.is_empty()
    }
}

impl fmt::Display for TestResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.passes() {
            true => write!(f, "holds: {}", self.name),
            false => write!(f, "FAILS: {}: {}", self.name, self.wrong.join("; ")),
        }
    }
}

/// Holds a gate against a table of questions, the text of a `tests.toml`.
///
/// # Errors
/// What of the table cannot be read. A table without rows is an error too: it would always hold.
pub fn run_table(gate: &Gate, text: &str) -> Result<Vec<TestResult>, String> {
    let rows: Rows = toml::from_str(text).map_err(|error| error.to_string())?;
    if rows.test.is_empty() || rows.test.len() > ROWS_MAX {
        return Err(format!("has {} rows, expected 1 to {ROWS_MAX}", rows.test.len()));
    }
    rows.test.iter().map(|row| row.run(gate)).collect()
}

impl Row {
    fn run(&self, gate: &Gate) -> Result<TestResult, String> {
        let ruling = self.asked.ruled_by(gate).map_err(|why| format!("row `{}`: {why}", self.name))?;
        let mut wrong = Vec::new();
        let decided = match &ruling.decision {
            Decision::Allow => "allow",
            Decision::Deny { rule } => rule,
        };
        let as_expected = match self.expected.as_str() {
            "allow" => ruling.allows(),
            "deny" => !ruling.allows(),
            rule => !ruling.allows() && ruling.rules.iter().any(|other| other == rule),
        };
        if !as_expected {
            wrong.push(format!("expected {}, got {decided}", self.expected));
        }
        if let Some(expected) = &self.threshold {
            let expected = hundredths(expected).ok_or_else(|| format!("row `{}`: no percent", self.name))?;
            if ruling.threshold != Some(expected) {
                wrong.push(format!("expected threshold {expected} hundredths, got {:?}", ruling.threshold));
            }
        }
        if self.max_faces.is_some() && ruling.faces_max != self.max_faces {
            wrong.push(format!("expected at most {:?} candidates, got {:?}", self.max_faces, ruling.faces_max));
        }
        Ok(TestResult { name: self.name.clone(), wrong })
    }
}
