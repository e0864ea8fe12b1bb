//! A policy set: what a directory of files says. [`PolicySet::read`] is pure, from names and texts.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use toml::de::DeTable;

use super::case::Case;
use super::commitment::{Commitment, ID, TENANT_ID, id, tenant_id};
use super::date::End;
use super::floor::Floor;
use super::note;
use super::table::{PolicyError, Source, Table};
use super::vocabulary::Source as FaceSource;
use super::vocabulary::{Actor, Place, Profile, Purpose};
use crate::ledger::note::PublicKey;

/// Most bytes of a set's files together.
pub const SET_BYTES_MAX: usize = 4 << 20;
/// Most files of a set.
pub const FILES_MAX: usize = 1_000;
/// Most bytes of one Cedar file: its parser takes tens of times that in memory.
const CEDAR_BYTES_MAX: usize = 256 << 10;
/// Most rules of a set.
const RULES_MAX: usize = 10_000;

/// Legal person or household that answers for requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Free words on what it is: `company`, `authority`.
    pub kind: String,
    /// Its own class.
    pub actor: Actor,
    /// Whom its answers are for, beside itself: a rule about police holds for a company that serves police.
    pub serves: BTreeSet<Actor>,
    /// Where it is.
    pub jurisdictions: BTreeSet<Place>,
    /// Whether its requests are refused.
    pub suspended: bool,
}

/// What is declared of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionFacts {
    /// Whose it is; `None`: everyone's.
    pub tenant: Option<String>,
    /// What it may be used for; `None`: not declared.
    pub purposes: Option<BTreeSet<Purpose>>,
    /// Where the people in it are.
    pub places: BTreeSet<Place>,
    /// Where its faces come from.
    pub source: FaceSource,
    /// Free words that rules may ask for: `written-policy`, `written-release`.
    pub declares: BTreeSet<String>,
}

/// An event that ends commitments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened.
    pub on_ms: i64,
    /// The law or act, cited.
    pub text: String,
}

/// A Cedar rule of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRules {
    /// File name.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Who may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signer {
    pub(super) key: PublicKey,
}

/// What the files of a set say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySet {
    /// How much is asked.
    pub profile: Profile,
    /// Tenant of keys without one.
    pub default_tenant: Option<String>,
    /// By id.
    pub tenants: BTreeMap<String, Tenant>,
    /// By id.
    pub collections: BTreeMap<String, CollectionFacts>,
    /// By reference.
    pub cases: BTreeMap<String, Case>,
    /// By id.
    pub commitments: BTreeMap<String, Commitment>,
    /// By name.
    pub events: BTreeMap<String, Event>,
    /// In the order of files.
    pub floors: Vec<Floor>,
    /// In the order of files.
    pub own: Vec<OwnRules>,
    signers: BTreeMap<String, Signer>,
    hash: [u8; 32],
}

impl PolicySet {
    /// Reads a set from its files' names and texts, in any order. Without files it is the profile `personal` with
    /// nothing asked.
    ///
    /// # Errors
    /// File, line and reason of the first thing that is wrong.
    pub fn read(files: &[(String, String)]) -> Result<Self, PolicyError> {
        let mut files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        files.sort_unstable();
        check_sizes(&files)?;
        let mut set = Self::empty(hash(&files));
        let mut homes = Homes::default();
        for (file, text) in &files {
            set.read_file(Source { file, text }, &mut homes)?;
        }
        set.check_references()?;
        set.check_notes(&files)?;
        Ok(set)
    }

    fn empty(hash: [u8; 32]) -> Self {
        Self {
            profile: Profile::Personal,
            default_tenant: None,
            tenants: BTreeMap::new(),
            collections: BTreeMap::new(),
            cases: BTreeMap::new(),
            commitments: BTreeMap::new(),
            events: BTreeMap::new(),
            floors: Vec::new(),
            own: Vec::new(),
            signers: BTreeMap::new(),
            hash,
        }
    }

    /// SHA-256 over names and texts of all files.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The tenant of a request: its key's, the person's at this machine (`local`) where there is no key, or the set's
    /// default. It need not be in the set.
    #[must_use]
    pub fn tenant_of<'a>(&'a self, of_key: Option<&'a str>, key: Option<&str>) -> Option<&'a str> {
        let local = || (key.is_none() && self.tenants.contains_key("local")).then_some("local");
        of_key.or_else(local).or(self.default_tenant.as_deref())
    }

    /// The moment an event of the set happened.
    pub(super) fn event_ms(&self, name: &str) -> Option<i64> {
        self.events.get(name).map(|event| event.on_ms)
    }

    fn read_file(&mut self, source: Source<'_>, homes: &mut Homes) -> Result<(), PolicyError> {
        match kind(source.file) {
            Kind::Toml => {
                let root = DeTable::parse(source.text).map_err(|error| syntax(source, &error))?;
                self.read_toml(source.file, Table::new(source, &root), homes)
            }
            Kind::Cedar if source.text.len() > CEDAR_BYTES_MAX => {
                Err(PolicyError::of_file(source.file, format!("is larger than {CEDAR_BYTES_MAX} bytes")))
            }
            Kind::Cedar => {
                self.own.push(OwnRules { file: source.file.to_owned(), text: source.text.to_owned() });
                Ok(())
            }
            Kind::Aside => Ok(()),
            Kind::Unknown => Err(PolicyError::of_file(
                source.file,
                "is no kind of file that a policy set has: .toml, .toml.note, .cedar, .md, .txt",
            )),
        }
    }

    fn read_toml(&mut self, file: &str, root: Table<'_>, homes: &mut Homes) -> Result<(), PolicyError> {
        root.only(&["profile", "tenant", "collection", "case", "commitment", "event", "floor", "signer"])?;
        if let Some(table) = root.single("profile")? {
            homes.claim("profile", file, table)?;
            self.read_profile(table)?;
        }
        for (name, table) in root.named("tenant")? {
            homes.claim(&format!("tenant.{name}"), file, table)?;
            let name = tenant_id(name).ok_or_else(|| table.error(format!("`{name}` is not {TENANT_ID}")))?;
            self.tenants.insert(name, tenant(table)?);
        }
        for (name, table) in root.named("collection")? {
            homes.claim(&format!("collection.{name}"), file, table)?;
            self.collections.insert(name.to_owned(), collection(table)?);
        }
        for (name, table) in root.named("case")? {
            homes.claim(&format!("case.{name}"), file, table)?;
            self.cases.insert(name.to_owned(), Case::read(name, table)?);
        }
        for (name, table) in root.named("commitment")? {
            homes.claim(&format!("commitment.{name}"), file, table)?;
            let name = id(name).ok_or_else(|| table.error(format!("`{name}` is not {ID}")))?;
            self.commitments.insert(name.clone(), Commitment::read(&name, file, table)?);
            if self.commitments.len() > RULES_MAX {
                return Err(table.error(format!("more than {RULES_MAX} commitments")));
            }
        }
        for (name, table) in root.named("event")? {
            homes.claim(&format!("event.{name}"), file, table)?;
            self.events.insert(name.to_owned(), event(table)?);
        }
        for (name, table) in root.named("signer")? {
            homes.claim(&format!("signer.{name}"), file, table)?;
            self.signers.insert(name.to_owned(), signer(table)?);
        }
        for table in root.repeated("floor")? {
            let number = self.floors.len() + 1;
            self.floors.push(Floor::read(file, number, table)?);
            if self.floors.len() > RULES_MAX {
                return Err(table.error(format!("more than {RULES_MAX} floors")));
            }
        }
        Ok(())
    }

    fn read_profile(&mut self, table: Table<'_>) -> Result<(), PolicyError> {
        table.only(&["name", "default_tenant"])?;
        table.needed("name")?;
        self.profile = table.word("name", Profile::parse, &Profile::expected())?.unwrap_or(Profile::Personal);
        self.default_tenant = table.word("default_tenant", tenant_id, TENANT_ID)?;
        Ok(())
    }

    fn check_references(&self) -> Result<(), PolicyError> {
        if let Some(tenant) = self.default_tenant.as_deref().filter(|tenant| !self.tenants.contains_key(*tenant)) {
            return Err(PolicyError::of_file("profile", format!("default tenant `{tenant}` is not in the set")));
        }
        Ok(())
    }

    /// Checks every note beside a file; the file's commitments then say who signed.
    fn check_notes(&mut self, files: &[(&str, &str)]) -> Result<(), PolicyError> {
        for (name, text) in files {
            let Some(signed) = name.strip_suffix(".note") else { continue };
            let Some((_, signed_text)) = files.iter().find(|(file, _)| *file == signed) else {
                return Err(PolicyError::of_file(name, format!("signs `{signed}`, which is not in the set")));
            };
            let keys = self.signers.values().map(|signer| &signer.key);
            let signers = note::check(text, &note::text_of(signed, signed_text), keys)
                .map_err(|reason| PolicyError::of_file(name, reason))?;
            for commitment in self.commitments.values_mut().filter(|commitment| commitment.file == *signed) {
                commitment.signed_by.clone_from(&signers);
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Toml,
    Cedar,
    /// Hashed with the set, read by people or by another command.
    Aside,
    Unknown,
}

fn kind(file: &str) -> Kind {
    match file.rsplit_once('.') {
        _ if file == "tests.toml" || file.ends_with("/tests.toml") => Kind::Aside,
        Some((_, "toml")) => Kind::Toml,
        Some((_, "cedar")) => Kind::Cedar,
        Some((_, "md" | "txt")) => Kind::Aside,
        Some((signed, "note")) if kind(signed) == Kind::Toml => Kind::Aside,
        _ => Kind::Unknown,
    }
}

/// Which file declared which name first.
#[derive(Debug, Default)]
struct Homes(BTreeMap<String, String>);

impl Homes {
    fn claim(&mut self, name: &str, file: &str, table: Table<'_>) -> Result<(), PolicyError> {
        match self.0.insert(name.to_owned(), file.to_owned()) {
            Some(other) => Err(table.error(format!("`{name}` is declared in `{other}` already"))),
            None => Ok(()),
        }
    }
}

fn syntax(source: Source<'_>, error: &toml::de::Error) -> PolicyError {
    let at = error.span().map_or(source.text.len(), |span| span.start);
    source.error(at, error.message().trim().replace('\n', ", "))
}

fn check_sizes(files: &[(&str, &str)]) -> Result<(), PolicyError> {
    if let Some((first, _)) = files.get(FILES_MAX) {
        return Err(PolicyError::of_file(first, format!("is one file too many, {FILES_MAX} are read")));
    }
    let mut bytes = 0;
    for (name, text) in files {
        bytes += text.len();
        if bytes > SET_BYTES_MAX {
            return Err(PolicyError::of_file(name, format!("brings the set over {SET_BYTES_MAX} bytes")));
        }
    }
    Ok(())
}

/// SHA-256 over a line that names the form, and of each file in order of name: length and bytes of name and of text.
fn hash(files: &[(&str, &str)]) -> [u8; 32] {
    let mut state = Sha256::new();
    state.update(b"trombi policy set v1\n");
    for part in files.iter().flat_map(|(name, text)| [name, text]) {
        state.update((part.len() as u64).to_be_bytes());
        state.update(part.as_bytes());
    }
    state.finalize().into()
}

fn place(table: Table<'_>, key: &str) -> Result<BTreeSet<Place>, PolicyError> {
    let places = table.list(key, Place::parse, "a place, as `US` or `US-CA`; for the EU name the member state")?;
    Ok(places.unwrap_or_default().into_iter().collect())
}

fn tenant(table: Table<'_>) -> Result<Tenant, PolicyError> {
    table.only(&["kind", "actor", "serves", "jurisdictions", "status", "text"])?;
    let status = |word: &str| match word {
        "active" => Some(false),
        "suspended" => Some(true),
        _ => None,
    };
    Ok(Tenant {
        kind: table.text("kind")?.unwrap_or_default().to_owned(),
        actor: table.word("actor", Actor::parse, &Actor::expected())?.unwrap_or(Actor::Unknown),
        serves: table.list("serves", Actor::parse, &Actor::expected())?.unwrap_or_default().into_iter().collect(),
        jurisdictions: place(table, "jurisdictions")?,
        suspended: table.word("status", status, "`active` or `suspended`")?.unwrap_or(false),
    })
}

fn collection(table: Table<'_>) -> Result<CollectionFacts, PolicyError> {
    table.only(&["tenant", "purposes", "places", "source", "declares", "text"])?;
    Ok(CollectionFacts {
        tenant: table.word("tenant", tenant_id, TENANT_ID)?,
        purposes: table.list("purposes", Purpose::parse, &Purpose::expected())?.map(BTreeSet::from_iter),
        places: place(table, "places")?,
        source: table.word("source", FaceSource::parse, &FaceSource::expected())?.unwrap_or(FaceSource::Unknown),
        declares: table.list("declares", id, ID)?.unwrap_or_default().into_iter().collect(),
    })
}

fn event(table: Table<'_>) -> Result<Event, PolicyError> {
    table.only(&["on", "text"])?;
    let on_ms =
        table.moment("on", End::First)?.ok_or_else(|| table.error("an event needs the day it happened: `on`"))?;
    Ok(Event { on_ms, text: table.needed("text")?.to_owned() })
}

fn signer(table: Table<'_>) -> Result<Signer, PolicyError> {
    table.only(&["key", "text"])?;
    let key = table.needed("key")?;
    PublicKey::parse(key).map(|key| Signer { key }).map_err(|reason| table.error_at("key", reason.to_string()))
}
