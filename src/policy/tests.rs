//! The gate against oracles of its own, written without its code.

mod changes;
mod files;

use std::collections::BTreeSet;

use super::engine::Engine;
use super::facts::Facts;
use super::vocabulary::{Actor, Operation, Place, Profile, Purpose, Role, Source};
use super::*;

/// Noon of 1 January 2021, within most rules below.
const NOW_MS: i64 = 1_609_502_400_000;
const BEFORE_MS: i64 = 1_577_880_000_000;

fn gate(files: &[(&str, &str)]) -> Gate {
    Gate::from_files(&owned(files)).unwrap_or_else(|error| panic!("{error}"))
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn denied_by(ruling: &Ruling) -> &str {
    match &ruling.decision {
        Decision::Deny { rule } => rule,
        Decision::Allow => "allowed",
    }
}

/// A fact of the table: it speaks for the rule, against it, or is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
    Unknown,
}

const KNOWN: [Known; 3] = [Known::Yes, Known::No, Known::Unknown];

/// Date, place, actor, action, purpose, exception's purpose, exception's tenant, authorisation.
type Row = [Known; 8];

/// The rule as a person would say it: caught unless one of five facts is known to be outside; let through only when
/// all three of the exception are known to hold.
fn oracle(row: Row) -> bool {
    let [date, place, actor, action, purpose, except_purpose, except_tenant, authorised] = row;
    let outside = [date, place, actor, action, purpose].contains(&Known::No);
    let excepted = except_purpose == Known::Yes && except_tenant == Known::Yes && authorised == Known::Yes;
    !outside && !excepted
}

fn rows() -> impl Iterator<Item = Row> {
    (0..3_usize.pow(8)).map(|number| std::array::from_fn(|place| KNOWN[number / 3_usize.pow(place as u32) % 3]))
}

const RULE: &str = r#"
[commitment.rule]
text = "for the table"
from = 2020-06-10
until = 2021-06-10
actors = ["police"]
places = ["US"]
actions = ["SearchFaces"]
purposes = ["investigate-suspect", "event-security"]
[[commitment.rule.except]]
purposes = ["investigate-suspect", "kyc"]
tenants = ["ex-police", "ex-person", "ex-unknown"]
requires = ["authorisation"]
"#;

const TENANTS: &str = r#"
[tenant.ex-police]
actor = "police"
[tenant.ex-person]
actor = "person"
[tenant.ex-unknown]
actor = "unknown"
[tenant.no-police]
actor = "police"
[tenant.no-person]
actor = "person"
[tenant.no-unknown]
actor = "unknown"
[case.good]
authority = "a court"
legal_basis = "a law"
state = "confirmed"
from = 2000-01-01
until = 2100-01-01
"#;

/// Candidate purposes that make the rule's purpose and the exception's purpose what the row says.
fn purposes(rule: Known, exception: Known) -> &'static [Purpose] {
    use Known::{No, Unknown, Yes};
    match (rule, exception) {
        (Yes, Yes) => &[Purpose::InvestigateSuspect],
        (Yes, No) => &[Purpose::EventSecurity],
        (No, Yes) => &[Purpose::Kyc],
        (No, No) => &[Purpose::Retail],
        (Yes, Unknown) => &[Purpose::InvestigateSuspect, Purpose::EventSecurity],
        (No, Unknown) => &[Purpose::Kyc, Purpose::Retail],
        (Unknown, Yes) => &[Purpose::InvestigateSuspect, Purpose::Kyc],
        (Unknown, No) => &[Purpose::EventSecurity, Purpose::Retail],
        (Unknown, Unknown) => &[],
    }
}

fn facts_of(row: Row) -> Facts {
    let [date, place, actor, action, purpose, except_purpose, except_tenant, authorised] = row;
    let pick = |known: Known, yes: &'static str, no: &'static str, unknown: &'static str| match known {
        Known::Yes => yes,
        Known::No => no,
        Known::Unknown => unknown,
    };
    let tenant = pick(except_tenant, "ex-police", "no-police", "");
    Facts {
        tenant: Some(tenant.to_owned()).filter(|tenant| !tenant.is_empty()),
        role: Role::User,
        operation: Operation::of(pick(action, "SearchFaces", "DetectFaces", "Frobnicate")),
        collection: None,
        actors: Actor::parse(pick(actor, "police", "person", "unknown")).into_iter().collect(),
        places: Place::parse(pick(place, "US-CA", "FR", "")).into_iter().collect(),
        purposes: purposes(purpose, except_purpose).iter().copied().collect(),
        authorised: authorised == Known::Yes,
        review: false,
        now_ms: match date {
            Known::Yes => Some(NOW_MS),
            Known::No => Some(BEFORE_MS),
            Known::Unknown => None,
        },
        source: Source::Unknown,
        declares: BTreeSet::new(),
        faces: 0,
    }
}

#[test]
fn a_rule_agrees_with_the_oracle_on_every_combination_of_known_and_unknown_facts() {
    let set = PolicySet::read(&owned(&[("a.toml", RULE), ("b.toml", TENANTS)])).unwrap();
    let engine = Engine::new(&set).unwrap();
    let (mut all, mut two_valued, mut caught) = (0, 0, 0);
    for row in rows() {
        let verdict = engine.judge(&facts_of(row));
        assert_eq!(verdict, engine.judge_in_cedar(&facts_of(row)), "{row:?}");
        assert_eq!(!verdict.allowed, oracle(row), "{row:?}: {verdict:?}");
        assert_eq!(verdict.rules.contains(&"commitment.rule".to_owned()), oracle(row), "{row:?}");
        all += 1;
        two_valued += usize::from(!row.contains(&Known::Unknown));
        caught += usize::from(oracle(row));
    }
    assert_eq!((all, two_valued), (6_561, 256));
    // 2^5 rows of the scope are not outside, times 27 of the exception, less those excepted.
    assert_eq!(caught, 32 * 27 - 2_usize.pow(4) * 2);
}

#[test]
fn a_question_agrees_with_the_oracle_on_every_combination() {
    let gate = gate(&[("a.toml", RULE), ("b.toml", TENANTS)]);
    for row in rows() {
        let [date, place, actor, action, purpose, except_purpose, except_tenant, authorised] = row;
        let class = match actor {
            Known::Yes => "police",
            Known::No => "person",
            Known::Unknown => "unknown",
        };
        let tenant = match except_tenant {
            Known::Yes => Some(format!("ex-{class}")),
            Known::No => Some(format!("no-{class}")),
            Known::Unknown => None,
        };
        let words: Vec<&str> = purposes(purpose, except_purpose).iter().map(|purpose| purpose.name()).collect();
        // Without any word the profile would imply `personal-photos`: one that is not understood is not known.
        let words = if words.is_empty() { "mystery".to_owned() } else { words.join(" ") };
        let place = match place {
            Known::Yes => Place::parse("US"),
            Known::No => Place::parse("FR"),
            Known::Unknown => None,
        };
        let facts = facts_of(row);
        let question = Question {
            asker: Asker { tenant: tenant.as_deref(), key: Some("k"), role: Role::User },
            operation: match action {
                Known::Yes => "SearchFaces",
                Known::No => "DetectFaces",
                Known::Unknown => "Frobnicate",
            },
            carriers: Carriers {
                header: Carried { purpose: Some(&words), case: None },
                session: Carried {
                    purpose: None,
                    case: match authorised {
                        Known::Yes => Some("good"),
                        Known::No => None,
                        Known::Unknown => Some("nobody-knows"),
                    },
                },
                ..Carriers::default()
            },
            places: place.as_slice(),
            now_ms: facts.now_ms,
            ..Question::default()
        };
        // Where the tenant is not known, nor is its class; a case whose dates cannot be checked authorises nothing.
        let actor = if except_tenant == Known::Unknown { Known::Unknown } else { actor };
        let authorised = if date == Known::Unknown { Known::Unknown } else { authorised };
        let told = [date, row[1], actor, action, purpose, except_purpose, except_tenant, authorised];
        let ruling = gate.decide(&question);
        assert_eq!(ruling.rules.contains(&"commitment.rule".to_owned()), oracle(told), "{row:?}: {ruling:?}");
        assert!(!oracle(told) || !ruling.allows());
    }
}

#[test]
fn no_files_ask_nothing_and_refuse_nothing() {
    let gate = gate(&[]);
    assert_eq!(gate.profile(), Profile::Personal);
    for operation in Operation::ALL {
        let ruling = gate.decide(&Question { operation: operation.name(), ..Question::default() });
        assert!(ruling.allows(), "{operation}: {ruling:?}");
        assert_eq!((ruling.threshold, ruling.faces_max, ruling.floored), (None, None, false));
        assert_eq!(ruling.purpose, Some(Purpose::PersonalPhotos));
    }
    // Words that some other program left in tags are not ours to refuse.
    let carriers = Carriers { collection: Carried { purpose: Some("holidays"), case: None }, ..Carriers::default() };
    let ruling = gate.decide(&Question { operation: "SearchFaces", carriers, ..Question::default() });
    assert!(ruling.allows() && !ruling.notes.is_empty());
}

const REGULATED: &str = r#"
[profile]
name = "regulated"
[tenant.police]
actor = "police"
jurisdictions = ["US-OR"]
[tenant.museum]
actor = "media"
[tenant.gone]
actor = "ngo"
status = "suspended"
[collection.booking]
tenant = "police"
purposes = ["investigate-suspect", "find-missing-person"]
[collection.probe-set]
purposes = ["research-evaluation"]
[case.c-1]
authority = "county court"
legal_basis = "warrant"
state = "confirmed"
from = 2020-12-01
until = 2021-02-01
quota = 3
collections = ["booking"]
[case.c-2]
authority = "county court"
legal_basis = "warrant"
state = "refused"
from = 2020-12-01
until = 2021-02-01
[case.c-3]
authority = "county court"
legal_basis = "urgent"
state = "provisional"
from = 2020-12-31T00:00:00Z
until = 2021-12-31
"#;

/// A search by the sheriff, with a case.
fn search() -> Question<'static> {
    Question {
        asker: Asker { tenant: Some("police"), key: Some("AKIA1"), role: Role::User },
        operation: "SearchFacesByImage",
        collection: Some(AskedCollection { id: "booking", faces: 300_000, ..AskedCollection::default() }),
        carriers: Carriers {
            session: Carried { purpose: Some("investigate-suspect"), case: Some("c-1") },
            ..Carriers::default()
        },
        now_ms: Some(NOW_MS),
        ..Question::default()
    }
}

#[test]
fn no_threshold_and_top_five_does_not_slip_through() {
    let gate = gate(&[("a.toml", REGULATED)]);
    let ruling = gate.decide(&Question { threshold: None, faces_max: Some(5), ..search() });
    assert!(ruling.allows(), "{ruling:?}");
    assert_eq!((ruling.threshold, ruling.floored, ruling.faces_max), (Some(99_00), true, Some(5)));
    for asked in [None, Some(0), Some(8_000), Some(9_899), Some(9_900), Some(9_950), Some(10_000)] {
        for faces_max in [None, Some(1), Some(5), Some(6), Some(4_096)] {
            for operation in ["SearchFaces", "SearchFacesByImage", "SearchUsers", "SearchUsersByImage"] {
                let ruling = gate.decide(&Question { threshold: asked, faces_max, operation, ..search() });
                assert_eq!(ruling.threshold, Some(asked.unwrap_or(0).max(99_00)));
                assert_eq!(ruling.floored, asked.is_none_or(|asked| asked < 99_00));
                assert_eq!(ruling.faces_max, Some(faces_max.unwrap_or(5).min(5)));
            }
        }
    }
    let strict = gate.decide(&Question { threshold: Some(80_00), strict: true, ..search() });
    assert_eq!(denied_by(&strict), "floor.profile-regulated");
    let strict = gate.decide(&Question { faces_max: Some(6), strict: true, ..search() });
    assert_eq!(denied_by(&strict), "ceiling.profile-regulated");
    assert!(gate.decide(&Question { strict: true, ..search() }).allows());
}

#[test]
fn every_refusal_names_its_rule() {
    struct Case<'a> {
        rule: &'a str,
        question: Question<'a>,
    }
    let header = |purpose, case| Carriers { header: Carried { purpose, case }, ..Carriers::default() };
    let asker = |tenant, role| Asker { tenant: Some(tenant), key: Some("k"), role };
    let with = |carriers: Carriers<'static>| Question { carriers, ..search() };
    let both = |first, second| Carriers {
        header: Carried { purpose: first, case: None },
        key: Carried { purpose: second, case: None },
        ..Carriers::default()
    };
    let cases = [
        Case { rule: "allowed", question: search() },
        Case { rule: "tenant-unknown", question: Question { asker: asker("nobody", Role::User), ..search() } },
        Case {
            rule: "tenant-suspended",
            question: Question { asker: asker("gone", Role::User), collection: None, ..search() },
        },
        Case {
            rule: "collection-of-other-tenant",
            question: Question { asker: asker("museum", Role::User), operation: "ListFaces", ..search() },
        },
        Case { rule: "role-auditor", question: Question { asker: asker("police", Role::Auditor), ..search() } },
        Case {
            rule: "allowed",
            question: Question { asker: asker("police", Role::Auditor), operation: "ListFaces", ..search() },
        },
        Case { rule: "role-tester", question: Question { asker: asker("police", Role::Tester), ..search() } },
        Case { rule: "role-reviewer", question: Question { asker: asker("police", Role::Reviewer), ..search() } },
        Case { rule: "purpose-missing", question: with(Carriers::default()) },
        Case { rule: "purpose-unknown", question: with(header(Some("catching"), None)) },
        Case {
            rule: "purpose-ambiguous",
            question: with(header(Some("investigate-suspect,find-missing-person"), Some("c-1"))),
        },
        Case { rule: "purpose-conflict.header-key", question: with(both(Some("retail"), Some("investigate-suspect"))) },
        Case { rule: "purpose-conflict.header-collection-file", question: with(header(Some("retail"), None)) },
        Case { rule: "purpose-other", question: Question { collection: None, ..with(header(Some("other"), None)) } },
        Case { rule: "authorisation-missing", question: with(header(Some("investigate-suspect"), None)) },
        Case { rule: "case-unknown", question: with(header(Some("investigate-suspect"), Some("c-9"))) },
        Case { rule: "case-refused", question: with(header(Some("investigate-suspect"), Some("c-2"))) },
        Case { rule: "case-over-quota", question: Question { case_used: 3, ..search() } },
        Case { rule: "allowed", question: Question { case_used: 2, ..search() } },
        Case { rule: "case-expired", question: Question { now_ms: Some(NOW_MS + 40 * 86_400_000), ..search() } },
        Case { rule: "case-not-begun", question: Question { now_ms: Some(BEFORE_MS), ..search() } },
        Case { rule: "case-date-unknown", question: Question { now_ms: None, ..search() } },
        Case { rule: "case-out-of-scope", question: Question { collection: None, ..search() } },
        // 36 hours after its beginning, and 48 hours and a millisecond.
        Case { rule: "allowed", question: with(header(Some("investigate-suspect"), Some("c-3"))) },
        Case {
            rule: "case-expired",
            question: Question {
                now_ms: Some(NOW_MS + 43_200_001),
                ..with(header(Some("investigate-suspect"), Some("c-3")))
            },
        },
        Case { rule: "default-deny", question: Question { operation: "Frobnicate", ..search() } },
    ];
    let gate = gate(&[("a.toml", REGULATED)]);
    for Case { rule, question } in cases {
        let ruling = gate.decide(&question);
        assert_eq!(denied_by(&ruling), rule, "{question:?}\n{ruling:?}");
        assert!(!ruling.rules.is_empty());
    }
}

/// A small generator, the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    /// One to three words as a TOML list.
    fn list(&mut self, words: &[&str]) -> String {
        let quoted: Vec<String> = (0..=self.below(3)).map(|_| format!("\"{}\"", self.pick(words))).collect();
        format!("[{}]", quoted.join(", "))
    }
}

const PLACES: [&str; 5] = ["US", "US-IL", "US-*", "FR", "*"];
const ACTORS: [&str; 4] = ["police", "ngo", "person", "*"];
const ACTIONS: [&str; 4] = ["Search*", "CompareFaces", "IndexFaces", "*"];
const PURPOSES: [&str; 5] = ["investigate-suspect", "retail", "find-missing-person", "kyc", "*"];

/// A commitment drawn at random.
fn drawn_rule(id: usize, random: &mut Random) -> String {
    let mut text = format!(
        "[commitment.r{id}]\ntext = \"t\"\nfrom = 20{}-01-01\nuntil = {}\nactors = {}\nplaces = {}\nactions = {}\npurposes = {}\n",
        10 + random.below(10),
        random.pick(&["\"never\"", "2020-06-01", "\"event:law\""]),
        random.list(&ACTORS),
        random.list(&PLACES),
        random.list(&ACTIONS),
        random.list(&PURPOSES),
    );
    for _ in 0..random.below(3) {
        text += &format!(
            "[[commitment.r{id}.except]]\npurposes = {}\n{}",
            random.list(&PURPOSES),
            random.pick(&[
                "requires = [\"authorisation\"]\n",
                "requires = [\"review\"]\n",
                "requires = [\"authorisation\", \"review\"]\n",
                "tenants = [\"thorn\", \"icmec\"]\n",
                "tenants = [\"thorn\"]\nrequires = [\"review\"]\n",
            ]),
        );
    }
    text
}

fn drawn_facts(random: &mut Random) -> Facts {
    let some = |random: &mut Random, words: &[&str]| -> Vec<String> {
        (0..random.below(3)).map(|_| random.pick(words).to_owned()).collect()
    };
    Facts {
        actors: some(random, &["police", "ngo", "person", "media", "unknown"])
            .iter()
            .filter_map(|word| Actor::parse(word))
            .collect(),
        places: some(random, &["US", "US-IL", "US-CA", "FR", "DE"])
            .iter()
            .filter_map(|word| Place::parse(word))
            .collect(),
        purposes: some(random, &PURPOSES[..4]).iter().filter_map(|word| Purpose::parse(word)).collect(),
        operation: Operation::ALL[random.below(Operation::ALL.len())],
        authorised: random.below(2) == 0,
        review: random.below(2) == 0,
        now_ms: [None, Some(BEFORE_MS), Some(NOW_MS), Some(0)][random.below(4)],
        tenant: [None, Some("thorn"), Some("shop")][random.below(3)].map(str::to_owned),
        source: [Source::PublicWeb, Source::Unknown][random.below(2)],
        ..facts_of([Known::No; 8])
    }
}

#[test]
fn of_very_many_refusals_a_request_is_told_some_and_their_number() {
    let text: String = (0..40)
        .map(|n| format!("[commitment.c{n:02}]\ntext = \"t\"\nfrom = 2020-01-01\nuntil = \"never\"\n"))
        .collect();
    let gate = gate(&[("a.toml", &text)]);
    let ruling = gate.decide(&Question { operation: "SearchFaces", now_ms: Some(NOW_MS), ..Question::default() });
    assert_eq!((denied_by(&ruling), ruling.rules.len()), ("commitment.c00", 16));
    assert!(ruling.notes.contains(&"24 more commitments refuse".to_owned()), "{ruling:?}");
}

const OWN: &str = r#"
@id("web") forbid (principal, action, resource) when { context.source == "public-web" };
@id("kin") forbid (principal, action, resource) when { context["actors"].contains("ngo") && context.review };
"#;

#[test]
fn rules_are_given_what_they_read() {
    let reads = |text: &str| {
        let text = format!("forbid (principal, action, resource) when {{ {text} }};");
        Engine::new(&PolicySet::read(&owned(&[("own.cedar", &text)])).unwrap()).unwrap().own_reads()
    };
    assert_eq!(reads("context.source == \"cctv\" && context[\"faces\"] > 3"), ["faces", "source"]);
    assert_eq!(reads("context . review"), ["review"]);
    assert_eq!(reads("principal == Tenant::\"a\""), [""; 0]);
    // Not by name, or perhaps not.
    for text in ["context has source && context.review", "context[\"\\u{73}ource\"] == \"cctv\""] {
        assert_eq!(reads(text).len(), 13, "{text}");
    }
}

#[test]
fn the_look_before_cedar_changes_no_verdict() {
    let mut random = Random(6);
    for round in 0..60 {
        let text: String = (0..8).map(|id| drawn_rule(id, &mut random)).collect();
        // Every second set has rules of the operator's own beside, which read some of the attributes.
        let own = [None, Some(OWN)][round % 2].map(|own| ("own.cedar", own));
        let files: Vec<(&str, &str)> = [("a.toml", text.as_str())].into_iter().chain(own).collect();
        let set = PolicySet::read(&owned(&files)).unwrap();
        let engine = Engine::new(&set).unwrap();
        for _ in 0..50 {
            let facts = drawn_facts(&mut random);
            assert_eq!(engine.judge(&facts), engine.judge_in_cedar(&facts), "round {round}: {facts:?}\n{text}");
        }
    }
}

#[test]
fn an_added_rule_never_lets_more_through() {
    let mut random = Random(9);
    let engine = |files: Vec<(String, String)>| Engine::new(&PolicySet::read(&files).unwrap()).unwrap();
    let facts: Vec<Facts> = (0..300).map(|_| drawn_facts(&mut random)).collect();
    for one in PRESETS {
        let alone = engine(one.files());
        for other in PRESETS.iter().filter(|other| other.name != one.name) {
            let moved = other.files().into_iter().map(|(name, text)| (format!("{}/{name}", other.name), text));
            let both = engine(one.files().into_iter().chain(moved).collect());
            let others = engine(other.files());
            for facts in &facts {
                let expected = alone.judge(facts).allowed && others.judge(facts).allowed;
                assert_eq!(both.judge(facts).allowed, expected, "{} with {}: {facts:?}", one.name, other.name);
            }
        }
    }
}

#[test]
fn an_operators_rule_that_errs_denies() {
    let text =
        "@id(\"overflow\")\nforbid (principal, action, resource) when { context.faces * 9223372036854775807 > 1 };";
    let gate = gate(&[("mine.cedar", text)]);
    let faces = |faces| Question {
        operation: "SearchFaces",
        collection: Some(AskedCollection { id: "c", faces, ..AskedCollection::default() }),
        ..Question::default()
    };
    assert!(gate.decide(&faces(0)).allows());
    assert_eq!(denied_by(&gate.decide(&faces(1))), "own.mine.overflow");
    let ruling = gate.decide(&faces(2));
    assert_eq!(denied_by(&ruling), "policy-error.own.mine.overflow");
    assert!(ruling.notes.iter().any(|note| note.contains("overflow")), "{ruling:?}");
}

#[test]
fn an_operators_permit_lifts_no_rule() {
    let permit = "permit (principal, action, resource);";
    let gate = gate(&[("a.toml", REGULATED), ("mine.cedar", permit), ("r.toml", RULE)]);
    let suspended = Question { asker: Asker { tenant: Some("gone"), ..Asker::default() }, ..search() };
    assert!(!gate.decide(&suspended).allows());
    let caught = Question { operation: "SearchFaces", ..search() };
    assert_eq!(denied_by(&gate.decide(&caught)), "commitment.rule");
}

#[test]
fn who_serves_the_police_is_caught_with_them_unless_named() {
    let tenants = "[tenant.vendor]\nactor = \"private-company\"\nserves = [\"police\"]\n[tenant.thorn]\nactor = \"ngo\"\nserves = [\"police\"]\n[tenant.shop]\nactor = \"private-company\"\n";
    let files = Preset::named("amazon-2020-announced").unwrap().files();
    let gate = Gate::from_files(&[files, owned(&[("t.toml", tenants)])].concat()).unwrap();
    let ask = |tenant, purpose| {
        let carriers = Carriers { header: Carried { purpose: Some(purpose), case: None }, ..Carriers::default() };
        let asker = Asker { tenant: Some(tenant), key: Some("k"), role: Role::User };
        gate.decide(&Question {
            asker,
            operation: "SearchFaces",
            carriers,
            now_ms: Some(NOW_MS),
            ..Question::default()
        })
        .allows()
    };
    assert!(!ask("vendor", "find-missing-person"));
    assert!(ask("thorn", "find-missing-person"));
    assert!(!ask("thorn", "investigate-suspect"));
    assert!(ask("shop", "retail"));
}

#[test]
fn floors_of_the_set_only_raise_and_catch_what_is_not_known() {
    let floors = "[[floor]]\npurposes = [\"retail\"]\nthreshold = 97.25\nmax_faces = 2\n[[floor]]\nthreshold = 50\n";
    let gate = gate(&[("f.toml", floors)]);
    let ask = |purpose, threshold| {
        let carriers = Carriers { header: Carried { purpose: Some(purpose), case: None }, ..Carriers::default() };
        gate.decide(&Question {
            operation: "SearchFaces",
            carriers,
            threshold,
            faces_max: Some(9),
            ..Question::default()
        })
    };
    assert_eq!((ask("retail", None).threshold, ask("retail", None).faces_max), (Some(97_25), Some(2)));
    assert_eq!((ask("kyc", Some(10_00)).threshold, ask("kyc", None).threshold), (Some(50_00), Some(80_00)));
    assert_eq!((ask("mystery", None).threshold, ask("mystery", None).faces_max), (Some(97_25), Some(2)));
    assert_eq!(ask("kyc", None).faces_max, Some(9));
}

#[test]
fn a_tester_sees_under_the_floor_only_on_faces_that_are_there_to_be_measured() {
    let gate = gate(&[("a.toml", REGULATED)]);
    let carriers =
        Carriers { key: Carried { purpose: Some("research-evaluation"), case: None }, ..Carriers::default() };
    let ask = |role, id| {
        let asker = Asker { tenant: Some("museum"), key: Some("k"), role };
        let collection = Some(AskedCollection { id, ..AskedCollection::default() });
        gate.decide(&Question { asker, collection, carriers, ..search() })
    };
    assert_eq!(ask(Role::Tester, "probe-set").threshold, None);
    assert!(ask(Role::Tester, "probe-set").allows());
    assert_eq!(ask(Role::Tester, "elsewhere").threshold, Some(99_00));
    assert_eq!(ask(Role::User, "probe-set").threshold, Some(99_00));
}

#[test]
fn whoever_may_tag_narrows_and_never_widens() {
    struct Case {
        before: [Option<&'static str>; 2],
        after: [Option<&'static str>; 2],
        widens: Option<&'static str>,
    }
    let case = |before, after, widens| Case { before, after, widens };
    // Purpose and place.
    let cases = [
        case([None, None], [Some("retail"), Some("US")], None),
        case([Some("retail kyc"), None], [Some("kyc"), None], None),
        case([Some("retail kyc"), Some("US")], [Some("kyc, retail"), Some("US")], None),
        case([Some("retail"), None], [Some("retail"), None], None),
        case([Some(""), None], [Some("retail"), None], None),
        case([Some("retail"), None], [Some("retail kyc"), None], Some("tag-loosened.purpose")),
        case([Some("retail"), None], [Some("kyc"), None], Some("tag-loosened.purpose")),
        case([Some("retail"), None], [None, None], Some("tag-loosened.purpose")),
        case([Some("retail"), None], [Some(" "), None], Some("tag-loosened.purpose")),
        // One that cannot be read lets nothing through, from either side.
        case([Some("retail"), None], [Some("mystery"), None], Some("tag-loosened.purpose")),
        case([Some("mystery"), None], [Some("retail"), None], Some("tag-loosened.purpose")),
        case([None, Some("US")], [None, Some("FR")], Some("tag-loosened.place")),
        case([None, Some("US")], [None, None], Some("tag-loosened.place")),
    ];
    let tenant = "default_tenant = \"a\"\n[tenant.a]\nactor = \"private-company\"\n";
    for profile in Profile::ALL {
        let gate = gate(&[("a.toml", &format!("[profile]\nname = \"{profile}\"\n{tenant}"))]);
        for Case { before: [purpose, place], after: [purpose_after, place_after], widens } in &cases {
            let mut refusals = 0;
            for (role, key) in [(Role::User, Some("k")), (Role::Admin, Some("k")), (Role::User, None)] {
                let question = Question {
                    asker: Asker { tenant: None, key, role },
                    operation: "TagResource",
                    collection: Some(AskedCollection { id: "c", place: *place, ..AskedCollection::default() }),
                    carriers: Carriers { collection: Carried { purpose: *purpose, case: None }, ..Carriers::default() },
                    retagged: Some(AskedTags { purpose: *purpose_after, place: *place_after, ..AskedTags::default() }),
                    now_ms: Some(NOW_MS),
                    ..Question::default()
                };
                let ruling = gate.decide(&question);
                let office = key.is_none() || role == Role::Admin;
                let may = *profile == Profile::Personal || (*profile == Profile::Organisation && office);
                let found = ruling.rules.iter().find(|rule| rule.starts_with("tag-loosened")).map(String::as_str);
                assert_eq!(found, widens.filter(|_| !may), "{profile} {role} {key:?} {question:?}");
                assert_eq!(ruling.allows(), found.is_none(), "nothing else stands in its way: {ruling:?}");
                refusals += usize::from(found.is_some());
            }
            assert_eq!(refusals > 0, widens.is_some() && *profile != Profile::Personal);
        }
    }
}

#[test]
fn a_refusal_that_the_caller_can_mend_is_told_behind_the_others() {
    let both = gate(&[("a.toml", REGULATED), ("r.toml", RULE)]);
    let asked = Question { threshold: Some(80_00), faces_max: Some(9), strict: true, ..search() };
    let ruling = both.decide(&Question { operation: "SearchFaces", ..asked });
    assert_eq!((denied_by(&ruling), ruling.refused_limit()), ("commitment.rule", None));
    assert!(ruling.rules.contains(&"floor.profile-regulated".to_owned()), "{ruling:?}");
    let ruling = both.decide(&asked);
    assert_eq!(ruling.refused_limit(), Some("floor.profile-regulated"));
    assert_eq!((ruling.threshold, ruling.faces_max), (Some(99_00), Some(5)));
    // Of two sets together, the one that refuses for good has the word.
    let limits = gate(&[("a.toml", REGULATED)]);
    let question = Question { operation: "SearchFaces", ..asked };
    for (first, second) in [(&limits, &both), (&both, &limits)] {
        let ruling = first.decide(&question).and(second.decide(&question));
        assert_eq!((denied_by(&ruling), ruling.refused_limit()), ("commitment.rule", None));
    }
}

const TABLE: &str = r#"
[[test]]
name = "a sheriff with a warrant, no threshold, top five"
expected = "allow"
threshold = "99"
max_faces = 5
[test.asked]
operation = "SearchFacesByImage"
tenant = "police"
key = "AKIA1"
at = "2021-01-01T12:00:00Z"
session = { purpose = "investigate-suspect", case = "c-1" }
collection = { id = "booking", faces = 300000 }
[[test]]
name = "the same without a case"
expected = "authorisation-missing"
[test.asked]
operation = "SearchFacesByImage"
tenant = "police"
key = "AKIA1"
at = "2021-01-01T12:00:00Z"
session = { purpose = "investigate-suspect" }
"#;

#[test]
fn a_table_of_requests_is_held_against_the_set() {
    let gate = gate(&[("a.toml", REGULATED), ("tests.toml", TABLE)]);
    assert!(run_table(&gate, TABLE).unwrap().iter().all(TestResult::passes));
    for (from, to) in
        [("\"allow\"", "\"deny\""), ("\"99\"", "\"98\""), ("= 5", "= 4"), ("authorisation-missing", "tenant-unknown")]
    {
        let results = run_table(&gate, &TABLE.replace(from, to)).unwrap();
        assert_eq!(results.iter().filter(|result| !result.passes()).count(), 1, "{to}");
    }
    for bad in [
        "",
        "test = []",
        "[[test]]\nname = \"a\"",
        &TABLE.replace("operation", "operatoin"),
        &TABLE.replace("2021-01-01T", "T"),
    ] {
        assert!(run_table(&gate, bad).is_err(), "{bad}");
    }
}
