//! What a change of rules lets through, and what it stops: by enumeration over every kind of request that either set
//! tells apart.
//!
//! Operator's own Cedar rules are compared by text: a rule that is added, removed or changed counts in the direction
//! it may have, whatever the other rules say.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, CaseState};
use super::commitment::{Commitment, PlacePattern, tokens};
use super::date::day;
use super::engine::Engine;
use super::facts::Facts;
use super::floor::{FloorUse, limits};
use super::gate::Gate;
use super::set::{CollectionFacts, PolicySet, Tenant};
use super::table::PolicyError;
use super::vocabulary::{Actor, Operation, Place, Profile, Purpose, Role, Source};

/// Most requests that are tried; beyond, every changed commitment counts as what it may be.
const TRIED_MAX: usize = 100_000;

/// What differs between two sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Refused or bounded from now on, and not before.
    pub tightened: Vec<Difference>,
    /// Let through from now on, and not before.
    pub loosened: Vec<Difference>,
    /// Registers and notes: new tenants and cases, signatures. Neither tightens nor loosens a rule.
    pub recorded: Vec<String>,
    /// Commitments that are lifted, in whole or in part, before the end of their lock, with that end.
    pub lifted_locks: BTreeMap<String, i64>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Something of the set itself, in words.
    Set(String),
    /// Requests that are ruled otherwise.
    Requests(Combination),
}

/// Requests, as the product of its lists, that are ruled otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combination {
    /// Name and members of each fact, in the order tenants, actors, places, actions, purposes, cases, reviews, dates.
    pub facts: Vec<(&'static str, Vec<String>)>,
    /// Rules that refuse under one of the sets.
    pub refused_by: Vec<String>,
}

/// Compares two sets. With `since_ms`, what held only before that moment is left out.
///
/// # Errors
/// Only when a set does not compile, which a [`Gate`] rules out.
pub fn compare(old: &Gate, new: &Gate, since_ms: Option<i64>) -> Result<Change, PolicyError> {
    let (old, new) = (old.set(), new.set());
    let mut change = Change::default();
    profiles(old, new, &mut change);
    commitments(old, new, since_ms, &mut change)?;
    floors(old, new, &mut change);
    own_rules(old, new, &mut change)?;
    collections(old, new, &mut change);
    tenants(old, new, &mut change);
    cases(old, new, &mut change);
    signatures(old, new, &mut change);
    Ok(change)
}

impl Change {
    /// Whether nothing is let through that was not before.
    #[must_use]
    pub fn only_tightens(&self) -> bool {
        self.loosened.is_empty()
    }

    fn tighten(&mut self, what: impl Into<String>) {
        self.tightened.push(Difference::Set(what.into()));
    }

    fn loosen(&mut self, what: impl Into<String>) {
        self.loosened.push(Difference::Set(what.into()));
    }

    fn both(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.tighten(what.clone());
        self.loosen(what);
    }
}

fn profiles(old: &PolicySet, new: &PolicySet, change: &mut Change) {
    let words = format!("profile {} becomes {}", old.profile, new.profile);
    match new.profile.cmp(&old.profile) {
        std::cmp::Ordering::Less => change.loosen(words),
        std::cmp::Ordering::Equal => {}
        std::cmp::Ordering::Greater => change.tighten(words),
    }
    if old.default_tenant != new.default_tenant {
        change.both("the default tenant changes");
    }
}

/// A value of one fact that stands for all values that no rule tells apart from it.
#[derive(Debug, Clone)]
struct Kind<T> {
    value: T,
    members: Vec<String>,
}

/// Groups values by what rules see of them.
fn kinds<T, S: Ord>(values: impl IntoIterator<Item = (T, String)>, seen: impl Fn(&T) -> S) -> Vec<Kind<T>> {
    let mut found: BTreeMap<S, Kind<T>> = BTreeMap::new();
    for (value, name) in values {
        let seen = seen(&value);
        match found.get_mut(&seen) {
            Some(kind) => kind.members.push(name),
            None => {
                found.insert(seen, Kind { value, members: vec![name] });
            }
        }
    }
    found.into_values().collect()
}

/// Every kind of request that the commitments of two sets tell apart.
struct Table {
    tenants: Vec<Kind<Option<String>>>,
    actors: Vec<Kind<Actor>>,
    places: Vec<Kind<Option<Place>>>,
    operations: Vec<Kind<Operation>>,
    purposes: Vec<Kind<Option<Purpose>>>,
    cases: Vec<Kind<bool>>,
    reviews: Vec<Kind<bool>>,
    dates: Vec<Kind<Option<i64>>>,
}

/// Names of the facts, in the order of a cell.
const FACTS: [&str; 8] = ["tenants", "actors", "places", "actions", "purposes", "cases", "reviews", "dates"];

/// Index of a kind for each fact.
type Cell = [usize; 8];

impl Table {
    fn new(old: &PolicySet, new: &PolicySet, since_ms: Option<i64>) -> Self {
        let rules: Vec<&Commitment> = old.commitments.values().chain(new.commitments.values()).collect();
        let exceptions = || rules.iter().flat_map(|rule| &rule.exceptions);
        Self {
            tenants: tenant_kinds(&rules),
            actors: kinds(Actor::ALL.iter().map(|actor| (*actor, actor.to_string())), |actor| {
                let seen = |rule: &&Commitment| rule.actors.as_ref().is_none_or(|actors| actors.contains(actor));
                (*actor == Actor::Unknown, rules.iter().map(seen).collect::<Vec<bool>>())
            }),
            places: place_kinds(&rules),
            operations: kinds(Operation::ALL.iter().map(|one| (*one, one.to_string())), |operation| {
                let seen = |rule: &&Commitment| rule.actions.as_ref().is_none_or(|actions| actions.contains(operation));
                (*operation == Operation::Unknown, rules.iter().map(seen).collect::<Vec<bool>>())
            }),
            purposes: purpose_kinds(&rules),
            cases: either(
                exceptions().any(|exception| exception.needs_authorisation),
                ["a valid case", "no valid case"],
            ),
            reviews: either(exceptions().any(|exception| exception.needs_review), ["reviewed", "not reviewed"]),
            dates: date_kinds(old, new, since_ms),
        }
    }

    fn sizes(&self) -> Cell {
        [
            self.tenants.len(),
            self.actors.len(),
            self.places.len(),
            self.operations.len(),
            self.purposes.len(),
            self.cases.len(),
            self.reviews.len(),
            self.dates.len(),
        ]
    }

    /// `None` when there are too many to try.
    fn cells(&self) -> Option<impl Iterator<Item = Cell>> {
        let sizes = self.sizes();
        let count = sizes.iter().try_fold(1_usize, |count, size| count.checked_mul(*size))?;
        let cell = move |mut number: usize| {
            let mut cell = [0; 8];
            for (index, size) in cell.iter_mut().zip(sizes) {
                *index = number % size;
                number /= size;
            }
            cell
        };
        (count <= TRIED_MAX).then(|| (0..count).map(cell))
    }

    fn facts(&self, cell: Cell) -> Facts {
        let [tenant, actor, place, operation, purpose, case, review, date] = cell;
        Facts {
            tenant: self.tenants[tenant].value.clone(),
            role: Role::User,
            operation: self.operations[operation].value,
            collection: None,
            actors: BTreeSet::from([self.actors[actor].value]),
            places: self.places[place].value.clone().into_iter().collect(),
            purposes: self.purposes[purpose].value.into_iter().collect(),
            authorised: self.cases[case].value,
            review: self.reviews[review].value,
            now_ms: self.dates[date].value,
            source: Source::Unknown,
            declares: BTreeSet::new(),
            faces: 0,
        }
    }

    fn members(&self, fact: usize, index: usize) -> &[String] {
        match fact {
            0 => &self.tenants[index].members,
            1 => &self.actors[index].members,
            2 => &self.places[index].members,
            3 => &self.operations[index].members,
            4 => &self.purposes[index].members,
            5 => &self.cases[index].members,
            6 => &self.reviews[index].members,
            _ => &self.dates[index].members,
        }
    }

    /// The names of a block of cells; a fact that makes no difference is left out.
    fn combination(&self, block: &Block) -> Combination {
        let sizes = self.sizes();
        let facts =
            block.sides.iter().enumerate().filter(|(fact, side)| side.len() < sizes[*fact]).map(|(fact, side)| {
                let members = side.iter().flat_map(|index| self.members(fact, *index)).cloned().collect();
                (FACTS[fact], members)
            });
        Combination { facts: facts.collect(), refused_by: block.rules.clone() }
    }
}

fn either(told_apart: bool, [yes, no]: [&str; 2]) -> Vec<Kind<bool>> {
    let mut kinds = vec![Kind { value: false, members: vec![no.to_owned()] }];
    if told_apart {
        kinds.push(Kind { value: true, members: vec![yes.to_owned()] });
    }
    kinds
}

fn tenant_kinds(rules: &[&Commitment]) -> Vec<Kind<Option<String>>> {
    let named: BTreeSet<&String> = rules
        .iter()
        .flat_map(|rule| &rule.exceptions)
        .filter_map(|exception| exception.tenants.as_ref())
        .flatten()
        .collect();
    // A tenant that no rule names stands for the rest, and for those that are not known: exceptions take neither.
    let rest = (None, "any other".to_owned());
    kinds(named.into_iter().map(|name| (Some(name.clone()), name.clone())).chain([rest]), |tenant| {
        let seen = |rule: &&Commitment| {
            let takes = |exception: &super::Exception| {
                exception
                    .tenants
                    .as_ref()
                    .is_none_or(|names| tenant.as_ref().is_some_and(|tenant| names.contains(tenant)))
            };
            rule.exceptions.iter().map(takes).collect::<Vec<bool>>()
        };
        rules.iter().map(seen).collect::<Vec<_>>()
    })
}

fn place_kinds(rules: &[&Commitment]) -> Vec<Kind<Option<Place>>> {
    let patterns: BTreeSet<&PlacePattern> = rules.iter().filter_map(|rule| rule.places.as_ref()).flatten().collect();
    let mut values: BTreeMap<Option<Place>, String> = BTreeMap::new();
    let mut put = |text: String, name: String| {
        if let Some(place) = Place::parse(&text) {
            values.entry(Some(place)).or_insert(name);
        }
    };
    for pattern in patterns {
        let country = match pattern {
            PlacePattern::Country(country) => country.as_str(),
            PlacePattern::Part(place) => {
                put(place.to_string(), place.to_string());
                place.country()
            }
        };
        put(country.to_owned(), country.to_owned());
        // No code of ISO 3166-2 is all zeros.
        put(format!("{country}-000"), format!("{country}-*"));
    }
    // `ZZ` is left to users by ISO 3166-1: no country has it.
    put("ZZ".to_owned(), "elsewhere".to_owned());
    values.insert(None, "unknown".to_owned());
    kinds(values, |place| {
        let words = place.as_ref().map(tokens);
        let caught = |pattern: &PlacePattern| {
            words.as_ref().is_none_or(|words| pattern.tokens().iter().any(|token| words.contains(token)))
        };
        let seen = |rule: &&Commitment| rule.places.as_ref().is_none_or(|places| places.iter().any(caught));
        rules.iter().map(seen).collect::<Vec<bool>>()
    })
}

fn purpose_kinds(rules: &[&Commitment]) -> Vec<Kind<Option<Purpose>>> {
    let values = Purpose::ALL.iter().map(|purpose| (Some(*purpose), purpose.to_string()));
    kinds(values.chain([(None, "unknown".to_owned())]), |purpose| {
        let names = |purposes: &Option<BTreeSet<Purpose>>, unknown: bool| {
            purposes.as_ref().is_none_or(|purposes| purpose.map_or(unknown, |purpose| purposes.contains(&purpose)))
        };
        let seen = |rule: &&Commitment| {
            let takes = |exception: &super::Exception| names(&exception.purposes, false);
            (names(&rule.purposes, true), rule.exceptions.iter().map(takes).collect::<Vec<bool>>())
        };
        rules.iter().map(seen).collect::<Vec<_>>()
    })
}

/// A moment within each span of time that the rules tell apart.
fn date_kinds(old: &PolicySet, new: &PolicySet, since_ms: Option<i64>) -> Vec<Kind<Option<i64>>> {
    let mut edges = BTreeSet::new();
    for set in [old, new] {
        for rule in set.commitments.values() {
            edges.insert(rule.from_ms);
            edges.insert(rule.until_ms(|name| set.event_ms(name)).saturating_add(1));
        }
    }
    edges.remove(&i64::MAX);
    let first = since_ms.unwrap_or(i64::MIN);
    edges.retain(|edge| *edge > first);
    let starts: Vec<i64> = [first].into_iter().chain(edges).collect();
    let mut kinds: Vec<Kind<Option<i64>>> = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1);
        let name = match (*start, end) {
            (i64::MIN, None) => "always".to_owned(),
            (i64::MIN, Some(end)) => format!("before {}", day(*end)),
            (start, None) => format!("from {}", day(start)),
            (start, Some(end)) => format!("{} to {}", day(start), day(end.saturating_sub(1))),
        };
        kinds.push(Kind { value: Some(*start), members: vec![name] });
    }
    kinds.push(Kind { value: None, members: vec!["unknown".to_owned()] });
    kinds
}

/// Cells that form a product, with the rules that refuse them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    sides: [BTreeSet<usize>; 8],
    rules: Vec<String>,
}

/// Joins blocks that differ in one fact, until none do.
fn join(mut blocks: Vec<Block>) -> Vec<Block> {
    for fact in (0..8).rev() {
        let mut joined: BTreeMap<(Vec<String>, Vec<BTreeSet<usize>>), Block> = BTreeMap::new();
        for block in blocks {
            let rest = block.sides.iter().enumerate().filter(|(side, _)| *side != fact).map(|(_, side)| side.clone());
            let key = (block.rules.clone(), rest.collect());
            match joined.get_mut(&key) {
                Some(other) => other.sides[fact].extend(&block.sides[fact]),
                None => {
                    joined.insert(key, block);
                }
            }
        }
        blocks = joined.into_values().collect();
    }
    blocks
}

/// The set's commitments alone, under a profile that permits everything.
fn alone(set: &PolicySet) -> Result<Engine, PolicyError> {
    let mut set = set.clone();
    set.profile = Profile::Personal;
    set.own.clear();
    Engine::new(&set)
}

fn commitments(
    old: &PolicySet,
    new: &PolicySet,
    since_ms: Option<i64>,
    change: &mut Change,
) -> Result<(), PolicyError> {
    locks(old, new, since_ms, change);
    let meaning = |set: &PolicySet| {
        let text = |rule: &Commitment| rule.to_cedar(rule.until_ms(|name| set.event_ms(name)));
        set.commitments.values().map(text).collect::<Vec<_>>()
    };
    if meaning(old) == meaning(new) {
        return Ok(());
    }
    let table = Table::new(old, new, since_ms);
    let Some(cells) = table.cells() else {
        by_text(old, new, since_ms, change);
        return Ok(());
    };
    let (old_engine, new_engine) = (alone(old)?, alone(new)?);
    let (mut tightened, mut loosened) = (Vec::new(), Vec::new());
    for cell in cells {
        let facts = table.facts(cell);
        let (before, after) = (old_engine.judge(&facts), new_engine.judge(&facts));
        let block =
            |rules: &[String]| Block { sides: cell.map(|index| BTreeSet::from([index])), rules: rules.to_vec() };
        match (before.allowed, after.allowed) {
            (true, false) => tightened.push(block(&after.rules)),
            (false, true) => loosened.push(block(&before.rules)),
            _ => {}
        }
    }
    let locked = |rule: &String| {
        let commitment = old.commitments.values().find(|commitment| commitment.rule() == *rule)?;
        let lock = commitment.lock_until_ms.filter(|lock| since_ms.is_none_or(|since| since <= *lock))?;
        Some((rule.clone(), lock))
    };
    change.lifted_locks.extend(loosened.iter().flat_map(|block| &block.rules).filter_map(locked));
    let told =
        |blocks: Vec<Block>| join(blocks).into_iter().map(|block| Difference::Requests(table.combination(&block)));
    change.tightened.extend(told(tightened).collect::<Vec<_>>());
    change.loosened.extend(told(loosened).collect::<Vec<_>>());
    Ok(())
}

/// A lock that is shortened loosens, though no request is ruled otherwise yet.
fn locks(old: &PolicySet, new: &PolicySet, since_ms: Option<i64>, change: &mut Change) {
    for (id, commitment) in &old.commitments {
        let Some(lock) = commitment.lock_until_ms.filter(|lock| since_ms.is_none_or(|since| since <= *lock)) else {
            continue;
        };
        let kept = new.commitments.get(id).and_then(|commitment| commitment.lock_until_ms);
        if kept.is_none_or(|kept| kept < lock) {
            change.loosen(format!("{}: the lock until {} is shortened or lifted", commitment.rule(), day(lock)));
            change.lifted_locks.insert(commitment.rule(), lock);
        }
    }
}

/// Without trying requests: what is gone or changed loosens, what is new or changed tightens.
fn by_text(old: &PolicySet, new: &PolicySet, since_ms: Option<i64>, change: &mut Change) {
    let text = |set: &PolicySet, id: &str| {
        set.commitments.get(id).map(|rule| rule.to_cedar(rule.until_ms(|name| set.event_ms(name))))
    };
    let ids: BTreeSet<&String> = old.commitments.keys().chain(new.commitments.keys()).collect();
    for id in ids {
        match (text(old, id), text(new, id)) {
            (Some(_), None) => change.loosen(format!("commitment.{id} is removed")),
            (None, Some(_)) => change.tighten(format!("commitment.{id} is new")),
            (before, after) if before != after => change.both(format!("commitment.{id} is changed")),
            _ => continue,
        }
        let locked = old.commitments.get(id).and_then(|rule| rule.lock_until_ms);
        let lock = locked.filter(|lock| since_ms.is_none_or(|since| since <= *lock));
        change.lifted_locks.extend(lock.map(|lock| (format!("commitment.{id}"), lock)));
    }
}

/// Floors and ceilings, for every class, purpose and operation.
fn floors(old: &PolicySet, new: &PolicySet, change: &mut Change) {
    let mut found: BTreeMap<(bool, String), BTreeSet<String>> = BTreeMap::new();
    let purposes = Purpose::ALL.iter().map(|purpose| Some(*purpose)).chain([None]);
    for (purpose, actor) in purposes.flat_map(|purpose| Actor::ALL.iter().map(move |actor| (purpose, *actor))) {
        for operation in Operation::ALL {
            let asked = FloorUse {
                operation: *operation,
                purposes: &purpose.into_iter().collect(),
                actors: &BTreeSet::from([actor]),
                role: Role::User,
                evaluation_only: false,
            };
            let before = limits(old.profile, &old.floors, &asked);
            let after = limits(new.profile, &new.floors, &asked);
            let who = format!("{} of {}", purpose.map_or("unknown", Purpose::name), actor);
            let mut tell = |loosens: bool, what: String| {
                found.entry((loosens, format!("{operation}: {what}"))).or_default().insert(who.clone());
            };
            if before.threshold != after.threshold {
                let words = format!("floor {} becomes {}", percent(before.threshold), percent(after.threshold));
                tell(after.threshold < before.threshold, words);
            }
            if before.faces_max != after.faces_max {
                let most = |faces_max: Option<u32>| faces_max.map_or("none".to_owned(), |most| most.to_string());
                let words = format!("ceiling {} becomes {}", most(before.faces_max), most(after.faces_max));
                tell(after.faces_max.unwrap_or(u32::MAX) > before.faces_max.unwrap_or(u32::MAX), words);
            }
        }
    }
    for ((loosens, what), who) in found {
        let who: Vec<String> = who.into_iter().collect();
        let shown = match who.len() {
            0..=6 => who.join(", "),
            count => format!("{}, and {} more", who[..5].join(", "), count - 5),
        };
        let words = format!("{what} for {shown}");
        if loosens { change.loosen(words) } else { change.tighten(words) }
    }
}

fn percent(hundredths: u32) -> String {
    if hundredths == 0 { "none".to_owned() } else { format!("{}.{:02}", hundredths / 100, hundredths % 100) }
}

fn own_rules(old: &PolicySet, new: &PolicySet, change: &mut Change) -> Result<(), PolicyError> {
    let (before, after) = (super::engine::own_rules(old)?, super::engine::own_rules(new)?);
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for id in ids {
        match (before.get(id), after.get(id)) {
            (Some((true, _)), None) => change.loosen(format!("{id}, a forbid, is removed")),
            (Some((false, _)), None) => change.tighten(format!("{id}, a permit, is removed")),
            (None, Some((true, _))) => change.tighten(format!("{id}, a forbid, is new")),
            (None, Some((false, _))) => change.loosen(format!("{id}, a permit, is new")),
            (before, after) if before != after => change.both(format!("{id} is changed")),
            _ => {}
        }
    }
    Ok(())
}

fn collections(old: &PolicySet, new: &PolicySet, change: &mut Change) {
    for (id, before) in &old.collections {
        match new.collections.get(id) {
            None => change.loosen(format!("collection `{id}` is no longer declared")),
            Some(after) if before != after => collection(id, before, after, change),
            Some(_) => {}
        }
    }
    let new_ones = new.collections.keys().filter(|id| !old.collections.contains_key(*id));
    change.recorded.extend(new_ones.map(|id| format!("collection `{id}` is declared")));
}

fn collection(id: &str, before: &CollectionFacts, after: &CollectionFacts, change: &mut Change) {
    match (&before.purposes, &after.purposes) {
        (before, after) if before == after => {}
        (None, Some(_)) => change.tighten(format!("collection `{id}`: purposes are declared")),
        (Some(_), None) => change.loosen(format!("collection `{id}`: purposes are no longer declared")),
        (Some(before), Some(after)) if after.is_subset(before) => {
            change.tighten(format!("collection `{id}`: fewer purposes"));
        }
        _ => change.both(format!("collection `{id}`: other purposes")),
    }
    match (&before.tenant, &after.tenant) {
        (before, after) if before == after => {}
        (None, Some(_)) => change.tighten(format!("collection `{id}`: it belongs to a tenant")),
        _ => change.both(format!("collection `{id}`: another owner")),
    }
    if (&before.places, before.source, &before.declares) != (&after.places, after.source, &after.declares) {
        change.both(format!("collection `{id}`: other declared facts"));
    }
}

fn tenants(old: &PolicySet, new: &PolicySet, change: &mut Change) {
    for (id, before) in &old.tenants {
        match new.tenants.get(id) {
            // Its requests become those of an unknown tenant, which every rule catches.
            None => change.tighten(format!("tenant `{id}` is removed")),
            Some(after) if before != after => tenant(id, before, after, change),
            Some(_) => {}
        }
    }
    let new_ones = new.tenants.keys().filter(|id| !old.tenants.contains_key(*id));
    change.recorded.extend(new_ones.map(|id| format!("tenant `{id}` is new")));
}

fn tenant(id: &str, before: &Tenant, after: &Tenant, change: &mut Change) {
    match (before.suspended, after.suspended) {
        (true, false) => change.loosen(format!("tenant `{id}` is reinstated")),
        (false, true) => change.tighten(format!("tenant `{id}` is suspended")),
        _ => {}
    }
    let facts = |tenant: &Tenant| (tenant.actor, tenant.serves.clone(), tenant.jurisdictions.clone());
    if facts(before) != facts(after) {
        change.both(format!("tenant `{id}`: another class or other places"));
    }
}

/// Cases are acts of an authority under the rules, and come and go without delay; one that is widened is another.
fn cases(old: &PolicySet, new: &PolicySet, change: &mut Change) {
    for (reference, before) in &old.cases {
        match new.cases.get(reference) {
            None => change.tighten(format!("case `{reference}` is removed")),
            Some(after) if before == after => {}
            Some(after) if decided(before, after) => {
                change.recorded.push(format!("case `{reference}` is {:?}", after.state).to_lowercase());
            }
            Some(_) => change.both(format!("case `{reference}` is changed")),
        }
    }
    let new_ones = new.cases.keys().filter(|reference| !old.cases.contains_key(*reference));
    change.recorded.extend(new_ones.map(|reference| format!("case `{reference}` is new")));
}

/// Whether only its authority's word has come in.
fn decided(before: &Case, after: &Case) -> bool {
    let forward = match (before.state, after.state) {
        (CaseState::Provisional, _) => true,
        (CaseState::Confirmed, state) => matches!(state, CaseState::Refused | CaseState::Expired),
        _ => false,
    };
    forward && Case { state: before.state, ..after.clone() } == *before
}

fn signatures(old: &PolicySet, new: &PolicySet, change: &mut Change) {
    for (id, after) in &new.commitments {
        let before = old.commitments.get(id).map(|before| &before.signed_by);
        if before.is_some_and(|before| *before != after.signed_by) {
            change.recorded.push(after.summary());
        }
    }
}

/// A change in lines for people: first what is let through.
#[must_use]
pub fn lines(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    let sides = [
        ("let through from now on, and refused before", "refused before by", &change.loosened),
        ("refused from now on, and let through before", "refused by", &change.tightened),
    ];
    for (title, by, differences) in sides {
        if differences.is_empty() {
            continue;
        }
        lines.push(format!("{title}:"));
        for difference in differences {
            match difference {
                Difference::Set(what) => lines.push(format!("  - {what}")),
                Difference::Requests(combination) => requests(combination, by, &mut lines),
            }
        }
    }
    if !change.lifted_locks.is_empty() {
        lines.push("locked:".to_owned());
        lines.extend(change.lifted_locks.iter().map(|(rule, lock)| format!("  - {rule} until {}", day(*lock))));
    }
    if !change.recorded.is_empty() {
        lines.push("recorded:".to_owned());
        lines.extend(change.recorded.iter().map(|what| format!("  - {what}")));
    }
    if lines.is_empty() {
        lines.push("no request is ruled otherwise".to_owned());
    }
    lines
}

fn requests(combination: &Combination, by: &str, lines: &mut Vec<String>) {
    let mut lead = "  - ";
    for (fact, members) in &combination.facts {
        lines.push(format!("{lead}{fact}: {}", members.join(", ")));
        lead = "    ";
    }
    if combination.facts.is_empty() {
        lines.push(format!("{lead}every request"));
        lead = "    ";
    }
    lines.push(format!("{lead}{by}: {}", combination.refused_by.join(", ")));
}
