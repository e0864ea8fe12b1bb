//! Rules in Cedar: commitments, the profile's permits, and the operator's own. Forbid wins, default deny, and a rule
//! that errs denies.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Decision, Entities, EntityId, EntityTypeName, EntityUid,
    Policy, PolicyId, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};

use super::commitment::{UNKNOWN, tokens};
use super::facts::Facts;
use super::set::{OwnRules, PolicySet};
use super::table::{PolicyError, Source};
use super::vocabulary::{Operation, Profile};

/// What rules may name; a misspelt attribute in an operator's rule is an error at start, not a rule that never holds.
const SCHEMA: &str = include_str!("schema.cedarschema");

/// Compiled rules.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    authorizer: Authorizer,
    /// One per operation, in the order of [`Operation::ALL`]: the rules whose scope has it.
    by_operation: Vec<cedar_policy::PolicySet>,
    actions: Vec<EntityUid>,
    tenant: EntityTypeName,
    collection: EntityTypeName,
    entities: Entities,
    profile: Profile,
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
        let mut policies = vec![parse("permit", &permit(set.profile), "profile")?];
        for commitment in set.commitments.values() {
            let until_ms = commitment.until_ms(|name| set.event_ms(name));
            policies.push(parse(&commitment.rule(), &commitment.to_cedar(until_ms), &commitment.file)?);
        }
        for own in &set.own {
            policies.extend(own_policies(own)?);
        }
        let internal = |reason: String| PolicyError::of_file("policy", reason);
        let actions: Vec<EntityUid> = Operation::ALL
            .iter()
            .map(|operation| EntityUid::from_str(&format!("Action::\"{operation}\"")))
            .collect::<Result<_, _>>()
            .map_err(|error| internal(error.to_string()))?;
        let by_operation = actions
            .iter()
            .map(|action| {
                let held = policies.iter().filter(|policy| holds_for(policy, action)).cloned();
                cedar_policy::PolicySet::from_policies(held)
            })
            .collect::<Result<_, _>>()
            .map_err(|error| internal(error.to_string()))?;
        let type_name = |name: &str| EntityTypeName::from_str(name).map_err(|error| internal(error.to_string()));
        Ok(Self {
            authorizer: Authorizer::new(),
            by_operation,
            actions,
            tenant: type_name("Tenant")?,
            collection: type_name("Collection")?,
            entities: Entities::empty(),
            profile: set.profile,
        })
    }

    /// Decides.
    pub(super) fn judge(&self, facts: &Facts) -> Verdict {
        let index = facts.operation as usize;
        let (Some(policies), Some(action)) = (self.by_operation.get(index), self.actions.get(index)) else {
            return Verdict { allowed: false, rules: vec!["default-deny".to_owned()], notes: Vec::new() };
        };
        let request = match self.request(facts, action.clone()) {
            Ok(request) => request,
            Err(error) => {
                return Verdict { allowed: false, rules: vec!["policy-error.request".to_owned()], notes: vec![error] };
            }
        };
        let response = self.authorizer.is_authorized(&request, policies, &self.entities);
        let diagnostics = response.diagnostics();
        // Cedar passes over a rule that errs, so that a forbid that cannot be evaluated would let through.
        let erring: Vec<String> = diagnostics.errors().map(erring_rule).collect();
        let mut rules: Vec<String> = diagnostics.reason().map(ToString::to_string).collect();
        rules.sort_unstable();
        let permitted = response.decision() == Decision::Allow;
        let allowed = permitted && erring.is_empty();
        if permitted && !allowed {
            rules.clear();
        }
        rules.extend(erring);
        if rules.is_empty() {
            rules.push("default-deny".to_owned());
        }
        let notes = diagnostics.errors().map(ToString::to_string).collect();
        Verdict { allowed, rules, notes }
    }

    fn request(&self, facts: &Facts, action: EntityUid) -> Result<Request, String> {
        let uid = |kind: &EntityTypeName, id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let principal = uid(&self.tenant, facts.tenant.as_deref().unwrap_or(UNKNOWN));
        let resource = uid(&self.collection, facts.collection.as_deref().unwrap_or(""));
        Request::new(principal, action, resource, self.context(facts)?, None).map_err(|error| error.to_string())
    }

    fn context(&self, facts: &Facts) -> Result<Context, String> {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let long = RestrictedExpression::new_long;
        let or_unknown = |mut words: Vec<RestrictedExpression>| {
            // INVARIANT (never less than unknown): an empty list would fit every exception.
            if words.is_empty() {
                words.push(RestrictedExpression::new_string(UNKNOWN.to_owned()));
            }
            RestrictedExpression::new_set(words)
        };
        let purposes = or_unknown(facts.purposes.iter().map(|purpose| text(purpose.name())).collect());
        let actors = or_unknown(facts.actors.iter().map(|actor| text(actor.name())).collect());
        let places = or_unknown(facts.places.iter().flat_map(tokens).map(|token| text(&token)).collect());
        let declares = RestrictedExpression::new_set(facts.declares.iter().map(|word| text(word)));
        let pairs = [
            ("earliest", long(facts.now_ms.unwrap_or(i64::MIN))),
            ("latest", long(facts.now_ms.unwrap_or(i64::MAX))),
            ("actors", actors),
            ("places", places),
            ("purposes", purposes),
            ("class", text(facts.operation.class(facts.purposes.first().copied()).name())),
            ("role", text(facts.role.name())),
            ("profile", text(self.profile.name())),
            ("authorised", RestrictedExpression::new_bool(facts.authorised)),
            ("review", RestrictedExpression::new_bool(facts.review)),
            ("source", text(facts.source.name())),
            ("declares", declares),
            ("faces", long(i64::try_from(facts.faces).unwrap_or(i64::MAX))),
        ];
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
        Context::from_pairs(pairs).map_err(|error| error.to_string())
    }
}

fn erring_rule(error: &AuthorizationError) -> String {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => format!("policy-error.{}", error.policy_id()),
    }
}

/// The profile's permit: `personal` refuses nothing; above it, an operation that is not known is not permitted.
fn permit(profile: Profile) -> String {
    if profile == Profile::Personal {
        return "permit (principal, action, resource);".to_owned();
    }
    let known = Operation::ALL.iter().filter(|operation| **operation != Operation::Unknown);
    let known: Vec<String> = known.map(|operation| format!("Action::\"{operation}\"")).collect();
    format!("permit (principal, action in [{}], resource);", known.join(", "))
}

fn parse(rule: &str, text: &str, file: &str) -> Result<Policy, PolicyError> {
    Policy::parse(Some(PolicyId::new(rule)), text)
        .map_err(|error| PolicyError::of_file(file, format!("rule `{rule}` does not compile: {error}")))
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
