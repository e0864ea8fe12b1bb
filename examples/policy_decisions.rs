//! Time per decision of the policy gate, by the number of commitments: `cargo run --release --example
//! policy_decisions`.
//!
//! Kinds of set: rules that lie apart by class, place and purpose, as rules of many jurisdictions do; the same with a
//! rule of the operator's own; rules that all reach the request and let it through by an exception only; and rules that
//! all refuse it.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example prints, and stops at the first failure")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use trombi::policy::vocabulary::{Actor, Purpose, Role};
use trombi::policy::{AskedCollection, Asker, Carried, Carriers, Gate, Question};

const COUNTS: [usize; 4] = [0, 20, 200, 1_000];
const DECISIONS: usize = 20_000;

const SET: &str = r#"
[profile]
name = "regulated"
[tenant.acme]
actor = "police"
jurisdictions = ["US-OR"]
[case.c]
authority = "a court"
legal_basis = "a warrant"
state = "confirmed"
from = 2020-01-01
until = 2030-01-01
"#;

const OWN: &str = r#"@id("own") forbid (principal, action, resource) when { context.source == "public-web" };"#;

/// How the rules of a set lie to the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    Apart,
    /// All reach it, and let it through by an exception only.
    Reaching,
    Refusing,
}

fn set(count: usize, rules: Rules) -> String {
    let reaching = rules != Rules::Apart;
    let excepted = if rules == Rules::Refusing { "kyc" } else { "investigate-suspect" };
    let mut text = SET.to_owned();
    for number in 0..count {
        let actor = if reaching { "police" } else { Actor::ALL[number % Actor::ALL.len()].name() };
        let purpose = if reaching { "investigate-suspect" } else { Purpose::ALL[number % Purpose::ALL.len()].name() };
        let letter = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap());
        let place = if reaching { "US".to_owned() } else { format!("{}{}", letter(number), letter(number / 26)) };
        write!(
            text,
            "[commitment.c{number}]\ntext = \"t\"\nfrom = 2020-01-01\nuntil = \"never\"\nactors = [\"{actor}\", \"border\"]\n\
             places = [\"{place}\", \"US-OR\"]\nactions = [\"Search*\"]\npurposes = [\"{purpose}\", \"retail\"]\n\
             [[commitment.c{number}.except]]\npurposes = [\"{excepted}\"]\nrequires = [\"authorisation\"]\n"
        )
        .unwrap();
    }
    text
}

fn main() {
    let kinds = [
        ("apart", Rules::Apart, false),
        ("apart, own rule", Rules::Apart, true),
        ("all reach", Rules::Reaching, false),
        ("reach, own rule", Rules::Reaching, true),
        ("all refuse", Rules::Refusing, false),
        ("refuse, own rule", Rules::Refusing, true),
    ];
    for (kind, rules, own) in kinds {
        for count in COUNTS {
            let mut files = vec![("a.toml".to_owned(), set(count, rules))];
            if own {
                files.push(("own.cedar".to_owned(), OWN.to_owned()));
            }
            let gate = Gate::from_files(&files).unwrap();
            measure(kind, count, &gate, rules == Rules::Refusing && count > 0);
        }
    }
}

fn measure(kind: &str, count: usize, gate: &Gate, refuses: bool) {
    let carried = Carried { purpose: Some("investigate-suspect"), case: Some("c") };
    let question = Question {
        asker: Asker { tenant: Some("acme"), key: Some("AKIA1"), role: Role::User },
        operation: "SearchFacesByImage",
        collection: Some(AskedCollection { id: "booking", faces: 300_000, ..AskedCollection::default() }),
        carriers: Carriers { session: carried, ..Carriers::default() },
        now_ms: Some(1_700_000_000_000),
        ..Question::default()
    };
    assert_eq!(gate.decide(&question).allows(), !refuses);
    let mut nanoseconds: Vec<u128> = (0..DECISIONS)
        .map(|_| {
            let start = Instant::now();
            black_box(gate.decide(black_box(&question)));
            start.elapsed().as_nanos()
        })
        .collect();
    nanoseconds.sort_unstable();
    let at = |percent: usize| nanoseconds[DECISIONS * percent / 100] as f64 / 1_000.0;
    println!("{kind:16} {count:5} rules: median {:7.1} us, 99 % {:7.1} us", at(50), at(99));
}
