//! Files that are wrong, hostile, or signed.

use super::*;
use crate::ledger::note::{KeyKind, SecretKey};
use crate::policy::note;

fn refusal(files: &[(&str, &str)]) -> PolicyError {
    Gate::from_files(&owned(files)).map(|_| ()).unwrap_err()
}

const GOOD: &str = "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\n";

#[test]
fn what_is_wrong_is_told_with_file_line_and_reason() {
    struct Wrong {
        text: &'static str,
        line: usize,
        says: &'static str,
    }
    let cases = [
        Wrong { text: "[profile]\nname = \"strict\"", line: 2, says: "not a profile, one of personal" },
        Wrong { text: "[profile]\nname = 3", line: 2, says: "a TOML integer, expected a string" },
        Wrong { text: "[profile\nname = 3", line: 1, says: "" },
        Wrong { text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10", line: 1, says: "write until = \"never\"" },
        Wrong { text: "[commitment.a]\ntext = \"t\"\nuntil = \"never\"", line: 1, says: "`from` is missing" },
        Wrong { text: "[commitment.a]\nfrom = 2020-06-10\nuntil = \"never\"", line: 1, says: "`text` is missing" },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"soon\"",
            line: 4,
            says: "expected a date",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = 2019-01-01",
            line: 4,
            says: "ends before",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = 2020-07-01\nlock_until = 2020-08-01",
            line: 5,
            says: "beyond its own end",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\nactor = [\"police\"]",
            line: 5,
            says: "unknown key `actor`",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\nactors = [\n\"person\",\n\"polcie\"]",
            line: 7,
            says: "`polcie` is not an actor class",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\nactors = []",
            line: 5,
            says: "empty list",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\nplaces = [\"us\"]",
            line: 5,
            says: "not a place",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\nactions = [\"Find*\"]",
            line: 5,
            says: "not an operation",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\n[[commitment.a.except]]",
            line: 5,
            says: "names nothing",
        },
        Wrong {
            text: "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\n[[commitment.a.except]]\ntenants = [\"unknown\"]",
            line: 6,
            says: "not `unknown`",
        },
        Wrong {
            text: "[commitment.\"a b\"]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"",
            line: 1,
            says: "is not a name",
        },
        Wrong {
            text: "[case.c]\nauthority = \"a\"\nlegal_basis = \"b\"\nstate = \"confirmed\"\nfrom = 2020-01-01",
            line: 1,
            says: "`until` is missing",
        },
        Wrong {
            text: "[case.c]\nauthority = \"a\"\nlegal_basis = \"b\"\nstate = \"open\"\nfrom = 2020-01-01\nuntil = 2020-01-02",
            line: 4,
            says: "one of provisional",
        },
        Wrong { text: "[[floor]]\nthreshold = 99.999", line: 2, says: "no percent" },
        Wrong { text: "[[floor]]\nthreshold = 101", line: 2, says: "no percent" },
        Wrong { text: "[[floor]]\nmax_faces = -1", line: 2, says: "not within" },
        Wrong { text: "[[floor]]\nmax_faces = 0", line: 2, says: "at least 1" },
        Wrong { text: "[tenant.t]\njurisdictions = [\"EU\"]", line: 2, says: "name the member state" },
        Wrong { text: "\n\n[tenants.t]\nactor = \"ngo\"", line: 3, says: "unknown key `tenants`" },
        Wrong { text: "[signer.s]\nkey = \"x\"", line: 2, says: "public key" },
        Wrong { text: "[event.e]\non = 10:00:00\ntext = \"t\"", line: 2, says: "needs a date" },
        Wrong { text: "[event.e]\non = 2020-01-01T10:00:00\ntext = \"t\"", line: 2, says: "offset" },
    ];
    for Wrong { text, line, says } in cases {
        let error =
            refusal(&[("good.toml", GOOD.replace("commitment.a", "commitment.good").as_str()), ("z.toml", text)]);
        assert_eq!((error.file.as_str(), error.line), ("z.toml", Some(line)), "{text}\n{error}");
        assert!(error.reason.contains(says), "{text}\n{error}");
        assert!(error.to_string().starts_with(&format!("z.toml:{line}: ")), "{error}");
    }
}

#[test]
fn an_operators_rule_that_is_wrong_is_told_with_its_line() {
    let syntax = refusal(&[("mine.cedar", "permit (principal, action, resource);\n\nforbid (principal, action")]);
    assert_eq!((syntax.file.as_str(), syntax.line), ("mine.cedar", Some(3)), "{syntax}");
    let misspelt =
        refusal(&[("mine.cedar", "// a\nforbid (principal, action, resource)\nwhen { context.actor == \"police\" };")]);
    assert_eq!((misspelt.file.as_str(), misspelt.line), ("mine.cedar", Some(3)), "{misspelt}");
    let no_action = refusal(&[("mine.cedar", "forbid (principal, action == Action::\"FindFaces\", resource);")]);
    assert_eq!(no_action.line, Some(1), "{no_action}");
    let template = refusal(&[("mine.cedar", "forbid (principal == ?principal, action, resource);")]);
    assert!(template.reason.contains("template"), "{template}");
    let twins = "@id(\"x\")\nforbid (principal, action, resource);\n@id(\"x\")\npermit (principal, action, resource);";
    assert!(refusal(&[("mine.cedar", twins)]).reason.contains("two rules"));
}

#[test]
fn a_set_is_refused_as_a_whole() {
    assert!(refusal(&[("a.toml", GOOD), ("b.toml", GOOD)]).reason.contains("declared in `a.toml` already"));
    assert!(refusal(&[("a.tml", GOOD)]).reason.contains("no kind of file"));
    assert!(
        refusal(&[("a.toml", "[profile]\nname = \"personal\"\ndefault_tenant = \"x\"")])
            .reason
            .contains("not in the set")
    );
    let many: Vec<(String, String)> = (0..=FILES_MAX).map(|n| (format!("{n}.md"), String::new())).collect();
    assert!(Gate::from_files(&many).is_err());
    assert!(Gate::from_files(&owned(&[("a.md", &"x".repeat(SET_BYTES_MAX + 1))])).is_err());
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for depth in [30, 500, 100_000] {
        let toml = format!("x = {}", "[".repeat(depth));
        assert!(Gate::from_files(&owned(&[("a.toml", &toml)])).is_err());
        let dotted = format!("{}y = 1", "x.".repeat(depth));
        assert!(Gate::from_files(&owned(&[("a.toml", &dotted)])).is_err());
        let open = ["(", "!", "[", "if true then true else ", "{a: ", "true && ", "1 + ", "-", "\"a\" + "];
        let close = [")", "", "]", "", "}", "", "", "", ""];
        for (open, close) in open.into_iter().zip(close) {
            let middle = format!("{}true{}", open.repeat(depth), close.repeat(depth));
            let cedar = format!("forbid (principal, action, resource) when {{ {middle} }};");
            // A rule may be sound and deep, or refused; either way the answer comes.
            let _ = Gate::from_files(&owned(&[("a.cedar", &cedar)])).map(|gate| gate.decide(&search()));
        }
    }
}

#[test]
fn the_hash_is_that_of_names_and_texts_in_any_order() {
    let hash = |files: &[(&str, &str)]| gate(files).hash();
    let tenants = "[tenant.t]\nactor = \"ngo\"\n";
    assert_eq!(hash(&[("a.toml", GOOD), ("b.toml", tenants)]), hash(&[("b.toml", tenants), ("a.toml", GOOD)]));
    assert_ne!(hash(&[("a.toml", GOOD)]), hash(&[("b.toml", GOOD)]));
    assert_ne!(hash(&[("a.toml", GOOD)]), hash(&[("a.toml", GOOD), ("notes.md", "")]));
    assert_ne!(hash(&[("a.toml", GOOD)]), hash(&[("a.toml", &GOOD.replace("\"t\"", "\"u\""))]));
    // A byte that moves from a text to the next name is seen.
    assert_ne!(hash(&[("a.md", "xb"), ("c.md", "")]), hash(&[("a.md", "x"), ("bc.md", "")]));
}

#[test]
fn a_signed_commitment_says_by_whom() {
    let key = SecretKey::from_seed("board.example", KeyKind::Log, [3; 32]).unwrap();
    let signers = format!("[signer.board]\nkey = \"{}\"\n", key.public());
    let signed = note::sign("a.toml", GOOD, &key);
    let files = [("a.toml", GOOD), ("a.toml.note", signed.as_str()), ("s.toml", signers.as_str())];
    let gate = gate(&files);
    assert_eq!(gate.set().commitments["a"].signed_by, ["board.example"]);
    assert_eq!(
        gate.set().commitments["a"].summary(),
        "commitment.a: from 2020-06-10 without end, signed by board.example"
    );
    let changed = GOOD.replace("2020-06-10", "2021-06-10");
    assert!(refusal(&[("a.toml", &changed), files[1], files[2]]).reason.contains("changed after it was signed"));
    assert!(refusal(&[files[0], files[1]]).reason.contains("nobody"));
    assert!(refusal(&[files[1], files[2]]).reason.contains("not in the set"));
    // Unsigned is taken, and told.
    let unsigned = super::gate(&[("a.toml", GOOD), ("p.toml", "[profile]\nname = \"regulated\"")]);
    assert!(unsigned.set().commitments["a"].summary().ends_with("unsigned"));
}

#[test]
fn an_event_ends_a_commitment_but_not_its_lock() {
    let rule = "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"event:law\"\nlock_until = 2021-06-10\n";
    let event = "[event.law]\non = 2020-12-01\ntext = \"an act\"\n";
    let later = "[event.law]\non = 2022-01-01\ntext = \"an act\"\n";
    let at = |files: &[(&str, &str)], ms| {
        gate(files).decide(&Question { operation: "DetectFaces", now_ms: Some(ms), ..Question::default() }).allows()
    };
    let day = |text: &str| crate::policy::date::parse(text, crate::policy::date::End::First).unwrap();
    assert!(!at(&[("a.toml", rule)], day("2090-01-01")));
    assert!(!at(&[("a.toml", rule), ("e.toml", event)], day("2021-06-10T23:59:59Z")));
    assert!(at(&[("a.toml", rule), ("e.toml", event)], day("2021-06-11")));
    assert!(!at(&[("a.toml", rule), ("e.toml", later)], day("2021-12-31")));
    assert!(at(&[("a.toml", rule), ("e.toml", later)], day("2022-01-01")));
}

#[test]
fn places_are_caught_by_the_part_and_by_the_whole() {
    let caught = |pattern: &str, place: &str| {
        let gate = gate(&[("a.toml", &format!("{GOOD}places = [\"{pattern}\"]\n"))]);
        let place = Place::parse(place);
        let question = Question {
            operation: "DetectFaces",
            places: place.as_slice(),
            now_ms: Some(NOW_MS),
            ..Question::default()
        };
        !gate.decide(&question).allows()
    };
    for (pattern, place, expected) in [
        ("US", "US", true),
        ("US", "US-IL", true),
        ("US-*", "US", true),
        ("US-IL", "US-IL", true),
        // Which part is not known.
        ("US-IL", "US", true),
        ("US-IL", "US-CA", false),
        ("US", "FR", false),
        ("EU", "FR", true),
        ("EU", "FR-75", true),
        ("EU", "GB", false),
        ("US", "", true),
        ("*", "FR", true),
    ] {
        assert_eq!(caught(pattern, place), expected, "{pattern} {place}");
    }
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let mut random = Random(1);
    let seeds: Vec<(String, String)> = PRESETS.iter().flat_map(Preset::files).collect();
    for _ in 0..400 {
        let (name, text) = &seeds[random.below(seeds.len())];
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = b"\"[]{}=.#\n*\\\xff0"[random.below(13)],
                1 => bytes.truncate(at + 1),
                _ => bytes.extend_from_within(at / 2..at),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = Gate::from_files(&[(name.clone(), text)]);
    }
}
