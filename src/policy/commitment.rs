//! A commitment (moratorium): who may not do what, where, for what, from when until when, and the exceptions.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::date::{End, day};
use super::table::{PolicyError, Table};
use super::vocabulary::{Actor, EU, Operation, Place, Purpose};

/// What counts as caught wherever a fact is not known.
pub(super) const UNKNOWN: &str = "unknown";

/// When a commitment stops to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// Not by itself.
    Never,
    /// After this millisecond since 1970.
    Ms(i64),
    /// When an event of this name is declared in the set.
    Event(String),
}

/// Places of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlacePattern {
    /// A whole country, with all its parts.
    Country(String),
    /// One part of a country.
    Part(Place),
}

/// A commitment as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// Name, unique in the set.
    pub id: String,
    /// Text for people, hashed with the file.
    pub text: String,
    /// File it stands in.
    pub file: String,
    /// First millisecond it holds.
    pub from_ms: i64,
    /// When it ends.
    pub until: Until,
    /// It cannot be lifted up to this millisecond.
    pub lock_until_ms: Option<i64>,
    /// `None`: everyone.
    pub actors: Option<BTreeSet<Actor>>,
    /// `None`: everywhere.
    pub places: Option<BTreeSet<PlacePattern>>,
    /// `None`: every operation.
    pub actions: Option<BTreeSet<Operation>>,
    /// `None`: every purpose.
    pub purposes: Option<BTreeSet<Purpose>>,
    /// Any of them lifts it for one request.
    pub exceptions: Vec<Exception>,
    /// Who signed the file, of the set's signers.
    pub signed_by: Vec<String>,
}

/// One `except` block: all that it names must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The request's purpose is known, and one of these.
    pub purposes: Option<BTreeSet<Purpose>>,
    /// The tenant is one of these.
    pub tenants: Option<BTreeSet<String>>,
    /// The request stands on a valid case.
    pub needs_authorisation: bool,
    /// The answer is withheld until people have looked at it.
    pub needs_review: bool,
}

impl Commitment {
    /// Reads `[commitment.id]`.
    pub(super) fn read(id: &str, file: &str, table: Table<'_>) -> Result<Self, PolicyError> {
        table.only(&["text", "from", "until", "lock_until", "actors", "places", "actions", "purposes", "except"])?;
        let from_ms = table
            .moment("from", End::First)?
            .ok_or_else(|| table.error(format!("commitment `{id}`: `from` is missing; write the day it begins")))?;
        let until = until(id, table)?;
        let lock_until_ms = table.moment("lock_until", End::Last)?;
        if let Until::Ms(until_ms) = until {
            if until_ms < from_ms {
                return Err(table.error_at("until", format!("commitment `{id}` ends before it begins")));
            }
            if lock_until_ms.is_some_and(|lock| lock > until_ms) {
                return Err(table.error_at("lock_until", format!("commitment `{id}` is locked beyond its own end")));
            }
        }
        let exceptions = table.repeated("except")?.into_iter().map(Exception::read).collect::<Result<_, _>>()?;
        Ok(Self {
            id: id.to_owned(),
            text: table.needed("text")?.to_owned(),
            file: file.to_owned(),
            from_ms,
            until,
            lock_until_ms,
            actors: actors(table)?,
            places: places(table)?,
            actions: actions(table)?,
            purposes: purposes(table)?,
            exceptions,
            signed_by: Vec::new(),
        })
    }

    /// Name of the rule in rulings, messages and records.
    #[must_use]
    pub fn rule(&self) -> String {
        format!("commitment.{}", self.id)
    }

    /// Last millisecond it holds, given when its event happened. A lock outlasts the event.
    pub(super) fn until_ms(&self, event_ms: impl Fn(&str) -> Option<i64>) -> i64 {
        match &self.until {
            Until::Never => i64::MAX,
            Until::Ms(ms) => *ms,
            Until::Event(name) => {
                let ended = event_ms(name).map_or(i64::MAX, |ms| ms.saturating_sub(1));
                ended.max(self.lock_until_ms.unwrap_or(i64::MIN))
            }
        }
    }

    /// The one Cedar `forbid` that it is.
    ///
    /// INVARIANT (never less than unknown): each fact's list names `unknown` too, so that what is not known is
    /// caught; an exception needs every candidate purpose among its own, so that `unknown` never fits one.
    #[must_use]
    pub fn to_cedar(&self, until_ms: i64) -> String {
        let head =
            format!("@id(\"{}\")\nforbid (\n    principal,\n    {},\n    resource\n)", self.rule(), self.scope());
        format!("{head} {}", self.clauses(until_ms))
    }

    /// As [`Commitment::to_cedar`], for a request whose action is within its scope already.
    pub(super) fn conditions(&self, until_ms: i64) -> String {
        format!("forbid (principal, action, resource) {}", self.clauses(until_ms))
    }

    fn clauses(&self, until_ms: i64) -> String {
        let mut conditions = vec![format!("context.latest >= {}", self.from_ms)];
        if until_ms != i64::MAX {
            conditions.push(format!("context.earliest <= {until_ms}"));
        }
        if let Some(actors) = &self.actors {
            conditions.push(any_of("actors", actors.iter().map(|actor| actor.name().to_owned())));
        }
        if let Some(places) = &self.places {
            conditions.push(any_of("places", places.iter().flat_map(PlacePattern::tokens)));
        }
        if let Some(purposes) = &self.purposes {
            conditions.push(any_of("purposes", purposes.iter().map(|purpose| purpose.name().to_owned())));
        }
        let mut text = format!("when {{\n    {}\n}}", conditions.join(" &&\n    "));
        if !self.exceptions.is_empty() {
            let exceptions: Vec<String> = self.exceptions.iter().map(Exception::to_cedar).collect();
            let _ = write!(text, " unless {{\n    {}\n}}", exceptions.join(" ||\n    "));
        }
        text.push(';');
        text
    }

    fn scope(&self) -> String {
        let Some(actions) = &self.actions else { return "action".to_owned() };
        let unknown = [Operation::Unknown];
        let names: BTreeSet<&str> = actions.iter().chain(&unknown).map(|action| action.name()).collect();
        let names: Vec<String> = names.into_iter().map(|name| format!("Action::\"{name}\"")).collect();
        format!("action in [{}]", names.join(", "))
    }

    /// Scope and dates in one line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let until = match &self.until {
            Until::Never => "without end".to_owned(),
            Until::Ms(ms) => format!("until {}", day(*ms)),
            Until::Event(name) => format!("until event `{name}`"),
        };
        let signed = match self.signed_by.as_slice() {
            [] => "unsigned".to_owned(),
            names => format!("signed by {}", names.join(", ")),
        };
        format!("{}: from {} {until}, {signed}", self.rule(), day(self.from_ms))
    }
}

impl Exception {
    fn read(table: Table<'_>) -> Result<Self, PolicyError> {
        table.only(&["purposes", "tenants", "requires"])?;
        let requires = table
            .list(
                "requires",
                |word| matches!(word, "authorisation" | "review").then(|| word.to_owned()),
                "`authorisation` or `review`",
            )?
            .unwrap_or_default();
        let exception = Self {
            purposes: purposes(table)?,
            tenants: table.list("tenants", tenant_id, TENANT_ID)?.map(BTreeSet::from_iter),
            needs_authorisation: requires.iter().any(|word| word == "authorisation"),
            needs_review: requires.iter().any(|word| word == "review"),
        };
        if exception.purposes.is_none() && exception.tenants.is_none() && requires.is_empty() {
            return Err(table.error("an exception that names nothing would lift the whole commitment"));
        }
        Ok(exception)
    }

    fn to_cedar(&self) -> String {
        let mut conditions = Vec::new();
        if let Some(purposes) = &self.purposes {
            let names: Vec<String> = purposes.iter().map(|purpose| format!("\"{purpose}\"")).collect();
            conditions.push(format!("[{}].containsAll(context.purposes)", names.join(", ")));
        }
        if let Some(tenants) = &self.tenants {
            let names: Vec<String> = tenants.iter().map(|tenant| format!("Tenant::\"{tenant}\"")).collect();
            conditions.push(format!("principal in [{}]", names.join(", ")));
        }
        if self.needs_authorisation {
            conditions.push("context.authorised".to_owned());
        }
        if self.needs_review {
            conditions.push("context.review".to_owned());
        }
        format!("({})", conditions.join(" && "))
    }
}

fn any_of(fact: &str, words: impl Iterator<Item = String>) -> String {
    let words: BTreeSet<String> = words.chain([UNKNOWN.to_owned()]).collect();
    let quoted: Vec<String> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    format!("context.{fact}.containsAny([{}])", quoted.join(", "))
}

impl PlacePattern {
    /// Reads `US`, `US-*`, `US-CA`; `EU` stands for its member states.
    fn read(text: &str) -> Option<Vec<Self>> {
        if text == "EU" {
            return Some(EU.iter().map(|country| Self::Country((*country).to_owned())).collect());
        }
        let country = text.strip_suffix("-*").unwrap_or(text);
        let place = Place::parse(country)?;
        match (place.is_country(), country == text) {
            (true, _) => Some(vec![Self::Country(place.as_str().to_owned())]),
            (false, true) => Some(vec![Self::Part(place)]),
            (false, false) => None,
        }
    }

    /// The tokens of [`tokens`] that it catches. A place of which only the country is known may lie in the part.
    pub(super) fn tokens(&self) -> Vec<String> {
        match self {
            Self::Country(country) => vec![format!("{country}/")],
            Self::Part(place) => vec![place.as_str().to_owned(), place.country().to_owned()],
        }
    }
}

/// How a place stands in a question: itself, and "somewhere in this country".
pub(super) fn tokens(place: &Place) -> [String; 2] {
    [place.as_str().to_owned(), format!("{}/", place.country())]
}

fn until(id: &str, table: Table<'_>) -> Result<Until, PolicyError> {
    if !table.has("until") {
        return Err(
            table.error(format!("commitment `{id}` has no end: write until = \"never\", a date, or \"event:NAME\""))
        );
    }
    match table.text("until") {
        Ok(Some("never")) => Ok(Until::Never),
        Ok(Some(text)) if text.starts_with("event:") => {
            let name = text.trim_start_matches("event:");
            self::id(name)
                .map(Until::Event)
                .ok_or_else(|| table.error_at("until", format!("`{text}`: the event's name is not {ID}")))
        }
        _ => table
            .moment("until", End::Last)
            .map_err(|error| PolicyError {
                reason: format!("{}; expected a date, \"never\" or \"event:NAME\"", error.reason),
                ..error
            })?
            .map(Until::Ms)
            .ok_or_else(|| table.error_at("until", "`until` is missing")),
    }
}

/// The words of a list where `*` stands for all: `None`.
fn unless_all<T: Ord>(words: Option<Vec<Option<Vec<T>>>>) -> Option<BTreeSet<T>> {
    let words: Option<Vec<Vec<T>>> = words?.into_iter().collect();
    Some(words?.into_iter().flatten().collect())
}

pub(super) fn actors(table: Table<'_>) -> Result<Option<BTreeSet<Actor>>, PolicyError> {
    let parse = |word: &str| match word {
        "*" => Some(None),
        word => Actor::parse(word).map(|actor| Some(vec![actor])),
    };
    Ok(unless_all(table.list("actors", parse, &Actor::expected())?))
}

fn places(table: Table<'_>) -> Result<Option<BTreeSet<PlacePattern>>, PolicyError> {
    let parse = |word: &str| match word {
        "*" => Some(None),
        word => PlacePattern::read(word).map(Some),
    };
    Ok(unless_all(table.list("places", parse, "a place, as `US`, `US-CA`, `US-*`, `EU` or `*`")?))
}

fn actions(table: Table<'_>) -> Result<Option<BTreeSet<Operation>>, PolicyError> {
    operations_of(table, "actions")
}

/// The operations of `operations = [..]`.
pub(super) fn operations(table: Table<'_>) -> Result<Option<BTreeSet<Operation>>, PolicyError> {
    operations_of(table, "operations")
}

fn operations_of(table: Table<'_>, key: &str) -> Result<Option<BTreeSet<Operation>>, PolicyError> {
    let parse = |word: &str| match word {
        "*" => Some(None),
        word => matching(word).map(Some),
    };
    Ok(unless_all(table.list(key, parse, "an operation's name, or a beginning of one followed by `*`")?))
}

/// The operations of a name or of a beginning with `*`; `None` when there is none.
fn matching(word: &str) -> Option<Vec<Operation>> {
    let fits = |operation: &&Operation| match word.strip_suffix('*') {
        Some(start) => operation.name().starts_with(start),
        None => operation.name() == word,
    };
    let found: Vec<Operation> = Operation::ALL.iter().filter(fits).copied().collect();
    (!found.is_empty()).then_some(found)
}

pub(super) fn purposes(table: Table<'_>) -> Result<Option<BTreeSet<Purpose>>, PolicyError> {
    let parse = |word: &str| match word {
        "*" => Some(None),
        word => Purpose::parse(word).map(|purpose| Some(vec![purpose])),
    };
    Ok(unless_all(table.list("purposes", parse, &Purpose::expected())?))
}

/// What [`id`] takes, for messages.
pub(super) const ID: &str = "a name of letters, digits, `.`, `_` and `-`, at most 64";

/// A name that is safe in a rule, a message and a file.
pub(super) fn id(text: &str) -> Option<String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (!text.is_empty() && text.len() <= 64 && text.bytes().all(good)).then(|| text.to_owned())
}

/// What [`tenant_id`] takes, for messages.
pub(super) const TENANT_ID: &str = "a name of letters, digits, `.`, `_` and `-`, at most 64, and not `unknown`";

/// The name of a tenant; `unknown` stands for one that is not known, and must fit no exception.
pub(super) fn tenant_id(text: &str) -> Option<String> {
    id(text).filter(|id| id != UNKNOWN)
}
