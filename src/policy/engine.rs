//! Rules in Cedar: commitments, the profile's permits, and the operator's own. Forbid wins, default deny, and a rule
//! that errs denies.
//!
//! A commitment is data, so most requests are let past it by a look at the data ([`Reach`]), without Cedar; what that
//! look finds caught, Cedar refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Decision, Entities, EntityId, EntityTypeName, EntityUid,
    Policy, PolicyId, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};

use super::commitment::{Commitment, Exception, PlacePattern, UNKNOWN, tokens};
use super::facts::Facts;
use super::set::{OwnRules, PolicySet};
use super::table::{PolicyError, Source};
use super::vocabulary::{Actor, Operation, Profile, Purpose};

/// What rules may name; a misspelt attribute in an operator's rule is an error at start, not a rule that never holds.
const SCHEMA: &str = include_str!("schema.cedarschema");

/// Compiled rules.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    authorizer: Authorizer,
    /// In the order of their names.
    commitments: Vec<Compiled>,
    /// Of each commitment, close together: every request looks at all of them.
    reaches: Vec<Reach>,
    /// Numbers of the tokens of places that commitments name.
    places: BTreeMap<String, u32>,
    /// The profile's permit and the operator's own rules, one set per operation in the order of [`Operation::ALL`];
    /// empty where there are none of his own.
    own: Vec<cedar_policy::PolicySet>,
    /// What the operator's own rules read of a request.
    own_reads: BTreeSet<&'static str>,
    actions: Vec<EntityUid>,
    tenant: EntityTypeName,
    collection: EntityTypeName,
    entities: Entities,
    profile: Profile,
}

/// A commitment's one `forbid`, alone in its set.
#[derive(Debug, Clone)]
struct Compiled {
    rule: String,
    policy: cedar_policy::PolicySet,
}

/// What Cedar says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// Rules that denied, or else those that permitted.
    pub(super) rules: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Engine {
    /// Compiles a set's rules.
    pub(super) fn new(set: &PolicySet) -> Result<Self, PolicyError> {
        let internal = |reason: String| PolicyError::of_file("policy", reason);
        let actions: Vec<EntityUid> = Operation::ALL
            .iter()
            .map(|operation| {
                EntityUid::from_str(&format!("Action::\"{operation}\"")).map_err(|error| internal(error.to_string()))
            })
            .collect::<Result<_, _>>()?;
        let type_name = |name: &str| EntityTypeName::from_str(name).map_err(|error| internal(error.to_string()));
        let places = places_of(set);
        let reach = |one: &Commitment| Reach::of(one, one.until_ms(|name| set.event_ms(name)), &places);
        Ok(Self {
            authorizer: Authorizer::new(),
            commitments: set.commitments.values().map(|one| compiled(set, one)).collect::<Result<_, _>>()?,
            reaches: set.commitments.values().map(reach).collect(),
            places,
            own: own_by_operation(set, &actions)?,
            own_reads: read_by(set),
            actions,
            tenant: type_name("Tenant")?,
            collection: type_name("Collection")?,
            entities: Entities::empty(),
            profile: set.profile,
        })
    }

    /// Decides, and names all that refuse.
    pub(super) fn judge(&self, facts: &Facts) -> Verdict {
        self.judge_naming(facts, usize::MAX)
    }

    /// As [`Engine::judge`], for one request among many: names as many commitments as a record keeps, and counts the
    /// others.
    pub(super) fn judge_request(&self, facts: &Facts) -> Verdict {
        self.judge_naming(facts, NAMED_MAX)
    }

    fn judge_naming(&self, facts: &Facts, most: usize) -> Verdict {
        let seen = Seen::of(facts, &self.places);
        let pairs = self.reaches.iter().zip(&self.commitments);
        let caught: Vec<&Compiled> =
            pairs.filter(|(reach, _)| reach.catches(&seen)).map(|(_, compiled)| compiled).collect();
        if caught.is_empty() && self.own.is_empty() {
            return self.permitted(facts);
        }
        let request = match self.request(facts, !caught.is_empty()) {
            Ok(request) => request,
            Err(error) => return Verdict::denied("policy-error.request".to_owned(), error),
        };
        let mut verdict = match self.own.get(facts.operation as usize) {
            Some(own) => self.ask(&request, own),
            None => self.permitted(facts),
        };
        self.refuse(&mut verdict, &request, &caught, most);
        verdict
    }

    /// Refuses by all that caught. Cedar is asked until it has refused once, as one forbid is enough; a commitment
    /// that caught and that it does not forbid is a fault of ours, and refuses as one.
    fn refuse(&self, verdict: &mut Verdict, request: &Request, caught: &[&Compiled], most: usize) {
        let (named, others) = caught.split_at(caught.len().min(most));
        if !others.is_empty() {
            verdict.notes.push(format!("{} more commitments refuse", others.len()));
        }
        let mut refused = false;
        for compiled in named {
            if !refused {
                let response = self.authorizer.is_authorized(request, &compiled.policy, &self.entities);
                refused = response.diagnostics().reason().next().is_some();
                if !refused {
                    let why = response.diagnostics().errors().next().map_or_else(
                        || "Cedar does not forbid what its commitment catches".to_owned(),
                        ToString::to_string,
                    );
                    verdict.deny(format!("policy-error.{}", compiled.rule));
                    verdict.notes.push(why);
                    continue;
                }
            }
            verdict.deny(compiled.rule.clone());
        }
    }

    /// What the profile's permit says where nothing else does.
    fn permitted(&self, facts: &Facts) -> Verdict {
        if permits(self.profile, facts.operation) {
            return Verdict { allowed: true, rules: vec![PERMIT.to_owned()], notes: Vec::new() };
        }
        Verdict { allowed: false, rules: vec![DEFAULT_DENY.to_owned()], notes: Vec::new() }
    }

    fn ask(&self, request: &Request, policies: &cedar_policy::PolicySet) -> Verdict {
        let response = self.authorizer.is_authorized(request, policies, &self.entities);
        let mut rules: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        rules.sort_unstable();
        if rules.is_empty() {
            rules.push(DEFAULT_DENY.to_owned());
        }
        let allowed = response.decision() == Decision::Allow;
        let mut verdict = Verdict { allowed, rules, notes: Vec::new() };
        // Cedar passes over a rule that errs, so that a forbid that cannot be evaluated would let through.
        for error in response.diagnostics().errors() {
            verdict.deny(erring_rule(error));
            verdict.notes.push(error.to_string());
        }
        verdict
    }

    fn request(&self, facts: &Facts, for_commitments: bool) -> Result<Request, String> {
        let action = self.actions.get(facts.operation as usize).ok_or("an operation without an action")?.clone();
        let uid = |kind: &EntityTypeName, id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let principal = uid(&self.tenant, facts.tenant.as_deref().unwrap_or(UNKNOWN));
        let resource = uid(&self.collection, facts.collection.as_deref().unwrap_or(""));
        let context = self.context(facts, for_commitments)?;
        Request::new(principal, action, resource, context, None).map_err(|error| error.to_string())
    }

    /// Each attribute costs a microsecond or two, so only those are there that a rule in question reads.
    fn context(&self, facts: &Facts, for_commitments: bool) -> Result<Context, String> {
        let read = ATTRIBUTES
            .iter()
            .zip(0..)
            .filter(|(name, number)| (for_commitments && *number < OF_COMMITMENTS) || self.own_reads.contains(**name));
        let pairs = read.map(|(name, _)| ((*name).to_owned(), self.attribute(facts, name)));
        Context::from_pairs(pairs).map_err(|error| error.to_string())
    }

    fn attribute(&self, facts: &Facts, name: &str) -> RestrictedExpression {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let long = RestrictedExpression::new_long;
        let or_unknown = |mut words: Vec<RestrictedExpression>| {
            // INVARIANT (never less than unknown): an empty list would fit every exception.
            if words.is_empty() {
                words.push(RestrictedExpression::new_string(UNKNOWN.to_owned()));
            }
            RestrictedExpression::new_set(words)
        };
        match name {
            "earliest" => long(facts.now_ms.unwrap_or(i64::MIN)),
            "latest" => long(facts.now_ms.unwrap_or(i64::MAX)),
            "actors" => or_unknown(facts.actors.iter().map(|actor| text(actor.name())).collect()),
            "places" => or_unknown(facts.places.iter().flat_map(tokens).map(|token| text(&token)).collect()),
            "purposes" => or_unknown(facts.purposes.iter().map(|purpose| text(purpose.name())).collect()),
            "authorised" => RestrictedExpression::new_bool(facts.authorised),
            "review" => RestrictedExpression::new_bool(facts.review),
            "class" => text(facts.operation.class(facts.purposes.first().copied()).name()),
            "role" => text(facts.role.name()),
            "profile" => text(self.profile.name()),
            "source" => text(facts.source.name()),
            "declares" => RestrictedExpression::new_set(facts.declares.iter().map(|word| text(word))),
            // The last of `ATTRIBUTES`: faces.
            _ => long(i64::try_from(facts.faces).unwrap_or(i64::MAX)),
        }
    }
}

/// What rules may read of a request, as the schema has it; commitments read the first [`OF_COMMITMENTS`].
const ATTRIBUTES: [&str; 13] = [
    "earliest",
    "latest",
    "actors",
    "places",
    "purposes",
    "authorised",
    "review",
    "class",
    "role",
    "profile",
    "source",
    "declares",
    "faces",
];
const OF_COMMITMENTS: usize = 7;

/// The attributes that the operator's own rules may read: those whose names stand anywhere in them, or all where a rule
/// has them by another way than by name.
fn read_by(set: &PolicySet) -> BTreeSet<&'static str> {
    // A context that is not followed by its member, or a name that is spelled with an escape.
    let has_all = |text: &str| {
        let mut after = text.split("context").skip(1);
        text.contains('\\') || after.any(|rest| !rest.trim_start().starts_with(['.', '[']))
    };
    // A scope says `resource`, which has `source` in it.
    let texts: Vec<String> = set.own.iter().map(|own| own.text.replace("resource", " ")).collect();
    let reads = |name: &&&str| texts.iter().any(|text| text.contains(**name) || has_all(text));
    ATTRIBUTES.iter().filter(reads).copied().collect()
}

/// Name of the profile's permit.
const PERMIT: &str = "permit";
/// Name of the absence of a permit.
const DEFAULT_DENY: &str = "default-deny";
/// Most commitments that a request's refusal names: as many rules as an entry of the ledger keeps.
const NAMED_MAX: usize = 16;

impl Verdict {
    fn denied(rule: String, note: String) -> Self {
        Self { allowed: false, rules: vec![rule], notes: vec![note] }
    }

    /// Forbid wins: permits that decided until now decide no more.
    fn deny(&mut self, rule: String) {
        if self.allowed {
            self.allowed = false;
            self.rules.clear();
        }
        self.rules.push(rule);
    }
}

/// What commitments look at of one request, made once for all of them.
struct Seen<'f> {
    operation: u64,
    actors: u64,
    purposes: u64,
    /// Of the tokens that any commitment names; others are in nobody's reach.
    places: Vec<u32>,
    facts: &'f Facts,
}

impl<'f> Seen<'f> {
    fn of(facts: &'f Facts, numbers: &BTreeMap<String, u32>) -> Self {
        let or_unknown = |bits: u64, unknown: u64| if bits == 0 { unknown } else { bits };
        let actors = facts.actors.iter().map(actor_bit).fold(0, |all, bit| all | bit);
        let purposes = facts.purposes.iter().map(purpose_bit).fold(0, |all, bit| all | bit);
        Self {
            operation: operation_bit(&facts.operation),
            actors: or_unknown(actors, actor_bit(&Actor::Unknown)),
            purposes: or_unknown(purposes, PURPOSE_UNKNOWN),
            places: facts.places.iter().flat_map(tokens).filter_map(|token| numbers.get(&token).copied()).collect(),
            facts,
        }
    }
}

/// Which requests a commitment catches, without Cedar.
///
/// INVARIANT (reach is the rule): this and the commitment's Cedar text say the same of every request; `tests` hold the
/// two against each other, over every combination of known and unknown facts and over rules drawn at random.
#[derive(Debug, Clone)]
struct Reach {
    operations: u64,
    actors: u64,
    purposes: u64,
    from_ms: i64,
    until_ms: i64,
    /// Sorted numbers of tokens; `None`: everywhere.
    places: Option<Vec<u32>>,
    exceptions: Vec<Lifts>,
}

/// An exception: all that it names must be known to hold.
#[derive(Debug, Clone)]
struct Lifts {
    /// `None`: any.
    purposes: Option<u64>,
    tenants: Option<BTreeSet<String>>,
    needs_authorisation: bool,
    needs_review: bool,
}

impl Reach {
    fn of(commitment: &Commitment, until_ms: i64, numbers: &BTreeMap<String, u32>) -> Self {
        let places = commitment.places.as_ref().map(|places| {
            let tokens = places.iter().flat_map(PlacePattern::tokens);
            let mut here: Vec<u32> = tokens.filter_map(|token| numbers.get(&token).copied()).collect();
            here.sort_unstable();
            here
        });
        Self {
            operations: bits(commitment.actions.as_ref(), operation_bit) | operation_bit(&Operation::Unknown),
            actors: bits(commitment.actors.as_ref(), actor_bit) | actor_bit(&Actor::Unknown),
            purposes: bits(commitment.purposes.as_ref(), purpose_bit) | PURPOSE_UNKNOWN,
            from_ms: commitment.from_ms,
            until_ms,
            places,
            exceptions: commitment.exceptions.iter().map(Lifts::of).collect(),
        }
    }

    fn catches(&self, seen: &Seen<'_>) -> bool {
        self.operations & seen.operation != 0
            && self.actors & seen.actors != 0
            && self.purposes & seen.purposes != 0
            && seen.facts.now_ms.is_none_or(|now| (self.from_ms..=self.until_ms).contains(&now))
            && self.is_at(seen)
            && !self.exceptions.iter().any(|exception| exception.lifts(seen))
    }

    fn is_at(&self, seen: &Seen<'_>) -> bool {
        let Some(here) = &self.places else { return true };
        seen.facts.places.is_empty() || seen.places.iter().any(|token| here.binary_search(token).is_ok())
    }
}

impl Lifts {
    fn of(exception: &Exception) -> Self {
        Self {
            purposes: exception.purposes.as_ref().map(|purposes| bits(Some(purposes), purpose_bit)),
            tenants: exception.tenants.clone(),
            needs_authorisation: exception.needs_authorisation,
            needs_review: exception.needs_review,
        }
    }

    /// INVARIANT (never less than unknown): a purpose that is not known has a bit that no exception has, and a tenant
    /// that is not known is in no list.
    fn lifts(&self, seen: &Seen<'_>) -> bool {
        let tenant = seen.facts.tenant.as_ref();
        self.purposes.is_none_or(|purposes| seen.purposes & !purposes == 0)
            && self.tenants.as_ref().is_none_or(|tenants| tenant.is_some_and(|tenant| tenants.contains(tenant)))
            && (!self.needs_authorisation || seen.facts.authorised)
            && (!self.needs_review || seen.facts.review)
    }
}

const PURPOSE_UNKNOWN: u64 = 1 << 63;

fn operation_bit(operation: &Operation) -> u64 {
    1 << (*operation as u64)
}

fn actor_bit(actor: &Actor) -> u64 {
    1 << (*actor as u64)
}

fn purpose_bit(purpose: &Purpose) -> u64 {
    1 << (*purpose as u64)
}

/// One bit per word; all bits for "all".
fn bits<T>(words: Option<&BTreeSet<T>>, bit: impl Fn(&T) -> u64) -> u64 {
    words.map_or(u64::MAX, |words| words.iter().fold(0, |all, word| all | bit(word)))
}

/// Numbers the tokens of all places that commitments name.
fn places_of(set: &PolicySet) -> BTreeMap<String, u32> {
    let places = set.commitments.values().filter_map(|commitment| commitment.places.as_ref()).flatten();
    let tokens: BTreeSet<String> = places.flat_map(PlacePattern::tokens).collect();
    tokens.into_iter().zip(0..).collect()
}

fn compiled(set: &PolicySet, commitment: &Commitment) -> Result<Compiled, PolicyError> {
    let until_ms = commitment.until_ms(|name| set.event_ms(name));
    let rule = commitment.rule();
    let failed = |error: String| PolicyError::of_file(&commitment.file, format!("`{rule}` does not compile: {error}"));
    // The scope is looked at before Cedar is asked: a list of actions is what costs most in an evaluation.
    let policy = Policy::parse(Some(PolicyId::new(&rule)), commitment.conditions(until_ms))
        .map_err(|error| failed(error.to_string()))?;
    let policy = cedar_policy::PolicySet::from_policies([policy]).map_err(|error| failed(error.to_string()))?;
    Ok(Compiled { rule, policy })
}

/// For each operation, the permit and the operator's own rules whose scope has it.
fn own_by_operation(set: &PolicySet, actions: &[EntityUid]) -> Result<Vec<cedar_policy::PolicySet>, PolicyError> {
    if set.own.is_empty() {
        return Ok(Vec::new());
    }
    let internal = |reason: String| PolicyError::of_file("policy", reason);
    let permit = Policy::parse(Some(PolicyId::new(PERMIT)), "permit (principal, action, resource);")
        .map_err(|error| internal(error.to_string()))?;
    let mut policies = Vec::new();
    for own in &set.own {
        policies.extend(own_policies(own)?);
    }
    let of_action = |(operation, action): (&Operation, &EntityUid)| {
        let own = policies.iter().filter(|policy| holds_for(policy, action));
        let permitted = permits(set.profile, *operation).then_some(&permit);
        let held = permitted.into_iter().chain(own).cloned();
        cedar_policy::PolicySet::from_policies(held).map_err(|error| internal(error.to_string()))
    };
    Operation::ALL.iter().zip(actions).map(of_action).collect()
}

fn erring_rule(error: &AuthorizationError) -> String {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => format!("policy-error.{}", error.policy_id()),
    }
}

/// The profile's permit: `personal` refuses nothing; above it, an operation that is not known is not permitted.
fn permits(profile: Profile, operation: Operation) -> bool {
    profile == Profile::Personal || operation != Operation::Unknown
}

/// Whether a rule's scope has the action. There are no groups of actions, so `in` is equality.
fn holds_for(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        ActionConstraint::In(uids) => uids.contains(action),
    }
}

/// The rules of a file of the operator's own, named `FILE.ID` after their `@id`, or their place in the file.
fn own_policies(own: &OwnRules) -> Result<Vec<Policy>, PolicyError> {
    let source = Source { file: &own.file, text: &own.text };
    check_shape(source)?;
    let parsed = cedar_policy::PolicySet::from_str(&own.text).map_err(|errors| {
        use miette::Diagnostic as _;
        let at = errors.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
        source.error(at, errors.to_string())
    })?;
    if parsed.num_of_templates() > 0 {
        return Err(PolicyError::of_file(&own.file, "has a template (`?principal`); write the rule out"));
    }
    validate(own, &parsed)?;
    let stem = own.file.trim_end_matches(".cedar");
    let name = |policy: &Policy| {
        let id = policy.annotation("id").map_or_else(|| policy.id().to_string(), str::to_owned);
        policy.new_id(PolicyId::new(format!("own.{stem}.{id}")))
    };
    let mut policies: Vec<Policy> = parsed.policies().map(name).collect();
    policies.sort_by_key(|policy| policy.id().to_string());
    if let Some(pair) = policies.windows(2).find(|pair| pair[0].id() == pair[1].id()) {
        return Err(PolicyError::of_file(&own.file, format!("has two rules named `{}`", pair[0].id())));
    }
    Ok(policies)
}

/// Most bytes of one rule of an operator's own.
const RULE_BYTES_MAX: usize = 4 << 10;
/// Most brackets within brackets, and most `if` in a rule.
const NESTED_MAX: usize = 32;

/// Refuses rules so long or so nested that reading them would take all of a thread's stack: Cedar's reader goes as
/// deep as its text.
fn check_shape(source: Source<'_>) -> Result<(), PolicyError> {
    let bytes = source.text.as_bytes();
    let (mut at, mut start, mut depth, mut choices) = (0, 0, 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at - 1);
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b';' => (start, choices) = (at, 0),
            b'i' if bytes[at..].starts_with(b"if") => choices += 1,
            _ => {}
        }
        if depth > NESTED_MAX || choices > NESTED_MAX {
            return Err(source.error(at, format!("is nested more than {NESTED_MAX} deep")));
        }
        if at - start > RULE_BYTES_MAX {
            return Err(source.error(start, format!("has a rule of more than {RULE_BYTES_MAX} bytes")));
        }
        at += 1;
    }
    Ok(())
}

/// The closing quote of a string that opens at `at`, or the text's last byte.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    bytes.len().saturating_sub(1)
}

/// The rules of a set's own files: whether it forbids, and its text, by name.
pub(super) fn own_rules(set: &PolicySet) -> Result<BTreeMap<String, (bool, String)>, PolicyError> {
    let mut rules = BTreeMap::new();
    for own in &set.own {
        for policy in own_policies(own)? {
            let forbids = policy.effect() == cedar_policy::Effect::Forbid;
            rules.insert(policy.id().to_string(), (forbids, policy.to_string()));
        }
    }
    Ok(rules)
}

fn validate(own: &OwnRules, parsed: &cedar_policy::PolicySet) -> Result<(), PolicyError> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
        .map_err(|error| PolicyError::of_file("schema.cedarschema", error.to_string()))?;
    let result = Validator::new(schema).validate(parsed, ValidationMode::Strict);
    match result.validation_errors().next() {
        Some(error) => {
            use miette::Diagnostic as _;
            let source = Source { file: &own.file, text: &own.text };
            let at = error.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
            Err(source.error(at, error.to_string()))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Engine {
        /// Every commitment whose actions have the request is asked in Cedar, and nothing else decides.
        pub(in crate::policy) fn judge_in_cedar(&self, facts: &Facts) -> Verdict {
            let request = self.request(facts, true).unwrap();
            let mut verdict = match self.own.get(facts.operation as usize) {
                Some(own) => self.ask(&request, own),
                None => self.permitted(facts),
            };
            let operation = operation_bit(&facts.operation);
            let pairs = self.reaches.iter().zip(&self.commitments);
            for (_, compiled) in pairs.filter(|(reach, _)| reach.operations & operation != 0) {
                let response = self.authorizer.is_authorized(&request, &compiled.policy, &self.entities);
                assert_eq!(response.diagnostics().errors().count(), 0, "a commitment cannot err");
                if response.diagnostics().reason().next().is_some() {
                    verdict.deny(compiled.rule.clone());
                }
            }
            verdict
        }

        /// What rules of one's own read.
        pub(in crate::policy) fn own_reads(&self) -> Vec<&'static str> {
            self.own_reads.iter().copied().collect()
        }
    }

    #[test]
    fn every_word_has_its_bit() {
        assert!(Operation::ALL.len() <= 64 && Actor::ALL.len() <= 64 && Purpose::ALL.len() < 63);
    }

    #[test]
    fn attributes_and_actions_are_those_of_the_schema() {
        for operation in Operation::ALL {
            assert!(SCHEMA.contains(&format!("\"{operation}\"")), "{operation}");
        }
        for name in ATTRIBUTES {
            assert!(SCHEMA.contains(&format!("{name}:")), "{name}");
        }
        assert_eq!(ATTRIBUTES[OF_COMMITMENTS - 1], "review");
        assert_eq!(ATTRIBUTES[ATTRIBUTES.len() - 1], "faces");
    }
}
