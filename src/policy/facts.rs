//! Gathers what is known of a question: purpose, case, actors, places. Rules that follow from data alone, without
//! Cedar, are found here; each has a name.

use std::collections::BTreeSet;

use super::case::{Case, CaseUse};
use super::question::{Asker, Carriers, Question};
use super::set::{CollectionFacts, PolicySet, Tenant};
use super::vocabulary::{Actor, Effect, Operation, Place, Profile, Purpose, Role, Source};

/// What rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// `None`: not known.
    pub(super) tenant: Option<String>,
    pub(super) role: Role,
    pub(super) operation: Operation,
    pub(super) collection: Option<String>,
    pub(super) actors: BTreeSet<Actor>,
    pub(super) places: BTreeSet<Place>,
    /// The purposes it may be; empty: not known.
    pub(super) purposes: BTreeSet<Purpose>,
    pub(super) authorised: bool,
    pub(super) review: bool,
    pub(super) now_ms: Option<i64>,
    pub(super) source: Source,
    pub(super) declares: BTreeSet<String>,
    pub(super) faces: u64,
}

/// Facts, and what is wrong already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) denials: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) case: Option<String>,
    /// Whether the collection is declared for `research-evaluation` and nothing else.
    pub(super) evaluation_only: bool,
}

impl Findings {
    fn deny(&mut self, rule: impl Into<String>, note: impl Into<String>) {
        self.denials.push(rule.into());
        self.notes.push(note.into());
    }
}

/// Gathers the facts of a question.
pub(super) fn gather(set: &PolicySet, question: &Question<'_>) -> (Facts, Findings) {
    let mut findings = Findings::default();
    let operation = Operation::of(question.operation);
    let tenant = set.tenant_of(question.asker.tenant, question.asker.key);
    let known = tenant.and_then(|id| set.tenants.get(id));
    let declared = question.collection.and_then(|collection| set.collections.get(collection.id));
    let owner = check_tenant(set.profile, tenant, known, &mut findings);
    check_owner(owner, declared, question.asker.role, operation, &mut findings);
    let purposes = purposes(set.profile, operation, question, declared, &mut findings);
    check_role(question.asker.role, operation, &purposes, &mut findings);
    check_office(set.profile, question, operation, &mut findings);
    check_tags(set.profile, question, &mut findings);
    findings.evaluation_only = declared
        .and_then(|declared| declared.purposes.as_ref())
        .is_some_and(|purposes| purposes.iter().eq([&Purpose::ResearchEvaluation]));
    let places = places(question, known, declared);
    let mut facts = Facts {
        tenant: owner.map(str::to_owned),
        role: question.asker.role,
        operation,
        collection: question.collection.map(|collection| collection.id.to_owned()),
        actors: actors(known),
        places,
        purposes,
        authorised: false,
        review: question.review,
        now_ms: question.now_ms,
        source: source(question, declared),
        declares: declared.map(|declared| declared.declares.clone()).unwrap_or_default(),
        faces: question.collection.map_or(0, |collection| collection.faces),
    };
    facts.authorised = authorised(set, question, &facts, &mut findings);
    check_duties(set.profile, &facts, &mut findings);
    (facts, findings)
}

/// The tenant's id, where the set knows it.
fn check_tenant<'a>(
    profile: Profile,
    asked: Option<&'a str>,
    known: Option<&Tenant>,
    findings: &mut Findings,
) -> Option<&'a str> {
    match (asked, known) {
        (Some(id), Some(tenant)) => {
            if tenant.suspended {
                findings.deny("tenant-suspended", format!("tenant `{id}` is suspended"));
            }
            Some(id)
        }
        (asked, _) => {
            if profile != Profile::Personal {
                findings.deny(
                    "tenant-unknown",
                    asked.map_or_else(
                        || "the key belongs to no tenant, and the set has no default tenant".to_owned(),
                        |id| format!("tenant `{id}` is not in the policy set"),
                    ),
                );
            }
            None
        }
    }
}

fn check_owner(
    tenant: Option<&str>,
    declared: Option<&CollectionFacts>,
    role: Role,
    operation: Operation,
    findings: &mut Findings,
) {
    let Some(owner) = declared.and_then(|declared| declared.tenant.as_deref()) else { return };
    let audits = role == Role::Auditor && operation.effect() == Effect::Read;
    if tenant != Some(owner) && !audits {
        findings.deny("collection-of-other-tenant", "the collection belongs to another tenant");
    }
}

/// One voice on the purpose.
struct Voice {
    carrier: &'static str,
    purposes: BTreeSet<Purpose>,
}

/// The purposes that all who speak agree on. First come the carriers of the request, then the collection.
fn purposes(
    profile: Profile,
    operation: Operation,
    question: &Question<'_>,
    declared: Option<&CollectionFacts>,
    findings: &mut Findings,
) -> BTreeSet<Purpose> {
    let Some(voices) = voices(profile, operation, &question.carriers, declared, findings) else {
        return BTreeSet::new();
    };
    for (index, voice) in voices.iter().enumerate() {
        if let Some(other) = voices[..index].iter().find(|other| other.purposes.is_disjoint(&voice.purposes)) {
            findings.deny(
                format!("purpose-conflict.{}-{}", other.carrier, voice.carrier),
                format!("{} and {} name different purposes", other.carrier, voice.carrier),
            );
            return BTreeSet::new();
        }
    }
    let agreed = voices.iter().map(|voice| voice.purposes.clone()).reduce(|a, b| &a & &b);
    match agreed {
        None if profile == Profile::Personal => BTreeSet::from([Purpose::PersonalPhotos]),
        None => {
            if operation.touches_faces() {
                findings.deny("purpose-missing", "the request names no purpose, nor do key and collection");
            }
            BTreeSet::new()
        }
        Some(agreed) if agreed.is_empty() => {
            findings.deny("purpose-conflict", "no purpose is named by all carriers");
            BTreeSet::new()
        }
        Some(agreed) => {
            let asked = voices.iter().any(|voice| !voice.carrier.starts_with("collection"));
            check_agreed(profile, operation, &agreed, asked, findings);
            agreed
        }
    }
}

fn check_agreed(
    profile: Profile,
    operation: Operation,
    agreed: &BTreeSet<Purpose>,
    asked: bool,
    findings: &mut Findings,
) {
    if profile == Profile::Personal {
        return;
    }
    let faces = operation.touches_faces();
    if profile >= Profile::Regulated && faces && !asked {
        findings.deny("purpose-missing", "this profile wants the purpose from the request, not from the collection");
    } else if agreed.len() > 1 && (faces || profile >= Profile::Regulated) && !mends_collections(operation) {
        findings.deny("purpose-ambiguous", "several purposes are possible; name one");
    }
}

/// Whether it can mend, or end, a collection whose tag names no purpose or several: that tag does not stand in its way.
fn mends_collections(operation: Operation) -> bool {
    matches!(operation, Operation::TagResource | Operation::UntagResource | Operation::DeleteCollection)
}

/// Those who name purposes; `None` when one of them cannot be understood.
fn voices(
    profile: Profile,
    operation: Operation,
    carriers: &Carriers<'_>,
    declared: Option<&CollectionFacts>,
    findings: &mut Findings,
) -> Option<Vec<Voice>> {
    let mut voices = Vec::new();
    for (carrier, carried) in named(carriers) {
        let Some(text) = carried.purpose else { continue };
        match Purpose::list(text) {
            Ok(purposes) if purposes.is_empty() => {}
            Ok(purposes) => voices.push(Voice { carrier, purposes: purposes.into_iter().collect() }),
            Err(word) => {
                let note = format!("{carrier}: `{}` is not a known purpose", shown(&word));
                if profile == Profile::Personal || (carrier == "collection" && mends_collections(operation)) {
                    findings.notes.push(note);
                } else {
                    findings.deny("purpose-unknown", note);
                }
                return None;
            }
        }
    }
    if let Some(purposes) = declared.and_then(|declared| declared.purposes.clone()) {
        voices.push(Voice { carrier: "collection-file", purposes });
    }
    Some(voices)
}

fn named<'a>(carriers: &'a Carriers<'a>) -> [(&'static str, &'a super::question::Carried<'a>); 4] {
    [
        ("header", &carriers.header),
        ("session", &carriers.session),
        ("key", &carriers.key),
        ("collection", &carriers.collection),
    ]
}

/// A word from outside, short and without control characters.
fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// The case that carriers name; an error names two that disagree.
pub(super) fn case_of<'a>(carriers: &'a Carriers<'a>) -> Result<Option<&'a str>, (&'static str, &'static str)> {
    let mut found: Option<(&'static str, &str)> = None;
    for (carrier, carried) in named(carriers) {
        let Some(case) = carried.case.filter(|case| !case.is_empty()) else { continue };
        match found {
            Some((first, other)) if other != case => return Err((first, carrier)),
            Some(_) => {}
            None => found = Some((carrier, case)),
        }
    }
    Ok(found.map(|(_, case)| case))
}

fn authorised(set: &PolicySet, question: &Question<'_>, facts: &Facts, findings: &mut Findings) -> bool {
    let reference = match case_of(&question.carriers) {
        Ok(None) => return false,
        Ok(Some(reference)) => reference,
        Err((first, second)) => {
            findings
                .deny(format!("case-conflict.{first}-{second}"), format!("{first} and {second} name different cases"));
            return false;
        }
    };
    findings.case = Some(reference.to_owned());
    let Some(case) = set.cases.get(reference) else {
        let note = format!("case `{}` is not in the policy set", shown(reference));
        if set.profile == Profile::Personal {
            findings.notes.push(note);
        } else {
            findings.deny("case-unknown", note);
        }
        return false;
    };
    check_case(case, question, facts, findings)
}

fn check_case(case: &Case, question: &Question<'_>, facts: &Facts, findings: &mut Findings) -> bool {
    let asked = CaseUse {
        tenant: facts.tenant.as_deref(),
        collection: facts.collection.as_deref(),
        operation: facts.operation,
        purposes: &facts.purposes,
        places: &facts.places,
        person: question.person,
        now_ms: question.now_ms,
        used: question.case_used,
    };
    if case.persons.is_some() && question.person.is_none() {
        findings.notes.push("the case names the persons sought; the request does not say whom it is for".to_owned());
    }
    match case.check(&asked) {
        Ok(()) => true,
        Err(fault) => {
            findings.deny(fault.0, "the case does not carry this request");
            false
        }
    }
}

fn check_role(role: Role, operation: Operation, purposes: &BTreeSet<Purpose>, findings: &mut Findings) {
    let effect = operation.effect();
    match role {
        Role::Auditor if effect != Effect::Read => {
            findings.deny("role-auditor", "an auditor reads, changes nothing and compares nothing");
        }
        Role::Reviewer if effect != Effect::Read => {
            findings.deny("role-reviewer", "a reviewer looks at withheld candidates and asks nothing of its own");
        }
        Role::Tester => {
            let measures = matches!(effect, Effect::Detect | Effect::Compare | Effect::Search)
                && purposes.iter().eq([&Purpose::ResearchEvaluation]);
            if effect != Effect::Read && !measures {
                findings.deny(
                    "role-tester",
                    "a tester measures, for the purpose `research-evaluation`, and changes nothing",
                );
            }
        }
        Role::Admin | Role::User | Role::Auditor | Role::Reviewer => {}
    }
}

/// Keys and the record are an administrator's and an auditor's. A household's key may do all; one that was bound to
/// something may not make itself another.
fn check_office(profile: Profile, question: &Question<'_>, operation: Operation, findings: &mut Findings) {
    let Asker { tenant, key, role } = question.asker;
    let carried = question.carriers.key;
    let is_bound = tenant.is_some() || carried.purpose.is_some() || carried.case.is_some();
    if key.is_none() || role == Role::Admin || (profile == Profile::Personal && !is_bound) {
        return;
    }
    if operation.manages_keys() && !(role == Role::Auditor && operation.effect() == Effect::Read) {
        findings.deny("role-admin-needed", "access keys are an administrator's");
    }
    if operation.reads_the_record() && role != Role::Auditor {
        findings.deny("role-auditor-needed", "the record is read by auditors and administrators");
    }
}

/// Tags limit what a collection may be used for, so changing one may loosen that. Anybody who may tag may add one where
/// none was, or narrow the purposes; what lets more through is an administrator's in `organisation`, and nobody's above:
/// there a loosening waits for its delay, and a tag cannot.
fn check_tags(profile: Profile, question: &Question<'_>, findings: &mut Findings) {
    let (Some(after), Some(before)) = (question.retagged, question.collection) else { return };
    let Asker { key, role, .. } = question.asker;
    let may_loosen = profile == Profile::Organisation && (key.is_none() || role == Role::Admin);
    if profile == Profile::Personal || may_loosen {
        return;
    }
    let of_collection = question.carriers.collection;
    let tags = [
        ("case", of_collection.case, after.case),
        ("place", before.place, after.place),
        ("source", before.source, after.source),
    ];
    let changed = tags.iter().find(|(_, before, after)| before.is_some() && before != after).map(|(name, ..)| *name);
    let widened = widens(of_collection.purpose, after.purpose).then_some("purpose");
    if let Some(name) = widened.or(changed) {
        findings
            .deny(format!("tag-loosened.{name}"), format!("the tag `{name}` would let through what it did not before"));
    }
}

/// Whether a changed purpose tag may let through what the one before did not. One that cannot be read lets nothing
/// through, so that it may not be replaced either.
fn widens(before: Option<&str>, after: Option<&str>) -> bool {
    let Some(before) = before else { return false };
    if after == Some(before) {
        return false;
    }
    let (Ok(before), Ok(after)) = (Purpose::list(before), Purpose::list(after.unwrap_or_default())) else {
        return true;
    };
    // An empty list limits nothing.
    !before.is_empty() && (after.is_empty() || !after.iter().all(|purpose| before.contains(purpose)))
}

/// What the profile wants of the purpose.
fn check_duties(profile: Profile, facts: &Facts, findings: &mut Findings) {
    if profile < Profile::Regulated || !facts.operation.touches_faces() {
        return;
    }
    if facts.purposes.contains(&Purpose::Other) {
        findings.deny("purpose-other", "this profile refuses the purpose `other`");
    }
    let owed = facts.operation.compares() && facts.purposes.iter().any(|purpose| purpose.needs_authorisation());
    if owed && !facts.authorised {
        findings.deny("authorisation-missing", "this purpose needs a valid case");
    }
}

fn actors(tenant: Option<&Tenant>) -> BTreeSet<Actor> {
    let Some(tenant) = tenant else { return BTreeSet::from([Actor::Unknown]) };
    tenant.serves.iter().copied().chain([tenant.actor]).collect()
}

/// Places of tenant, collection, probe and subject.
fn places(question: &Question<'_>, tenant: Option<&Tenant>, declared: Option<&CollectionFacts>) -> BTreeSet<Place> {
    let tag = question.collection.and_then(|collection| collection.place).and_then(Place::parse);
    let of_tenant = tenant.into_iter().flat_map(|tenant| &tenant.jurisdictions);
    let of_collection = declared.into_iter().flat_map(|declared| &declared.places);
    of_tenant.chain(of_collection).chain(question.places).cloned().chain(tag).collect()
}

/// What the set declares of the collection; else its tag.
fn source(question: &Question<'_>, declared: Option<&CollectionFacts>) -> Source {
    let tag = || question.collection.and_then(|collection| collection.source).and_then(Source::parse);
    let declared = declared.map(|declared| declared.source).filter(|source| *source != Source::Unknown);
    declared.or_else(tag).unwrap_or(Source::Unknown)
}
