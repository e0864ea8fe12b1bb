//! Changes of rules, and when they hold.

use super::*;
use crate::policy::compare::{Difference, compare};

const DAY_MS: i64 = 86_400_000;

fn preset(name: &str) -> Gate {
    Gate::from_files(&Preset::named(name).unwrap().files()).unwrap()
}

#[test]
fn the_diff_between_the_announced_and_the_written_moratorium() {
    let change = compare(&preset("amazon-2020-announced"), &preset("amazon-2021-terms"), None).unwrap();
    let told = crate::policy::compare::lines(&change).join("\n") + "\n";
    let golden = include_str!("amazon-2020-announced_amazon-2021-terms.txt");
    if std::env::var_os("TROMBI_GOLDEN").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/policy/tests/amazon-2020-announced_amazon-2021-terms.txt"),
            &told,
        )
        .unwrap();
        return;
    }
    assert_eq!(told, golden, "set TROMBI_GOLDEN=1 to write it anew");
}

/// The same change, without the grouping that the program does: every class, place, action, purpose and tenant.
#[test]
fn the_diff_lists_exactly_the_requests_that_are_ruled_otherwise() {
    let (old, new) = (preset("amazon-2020-announced"), preset("amazon-2021-terms"));
    let change = compare(&old, &new, None).unwrap();
    let (old, new) = (Engine::new(old.set()).unwrap(), Engine::new(new.set()).unwrap());
    let listed = |differences: &[Difference], facts: &Facts, date: &str| {
        differences.iter().any(|difference| {
            let Difference::Requests(combination) = difference else { return false };
            combination.facts.iter().all(|(fact, members)| {
                let word = match *fact {
                    "tenants" => facts.tenant.as_deref().map_or("any other", |tenant| tenant).to_owned(),
                    "actors" => facts.actors.first().unwrap().to_string(),
                    "actions" => facts.operation.to_string(),
                    "purposes" => facts.purposes.first().map_or("unknown".to_owned(), ToString::to_string),
                    "dates" => date.to_owned(),
                    other => panic!("{other} makes no difference here"),
                };
                members.contains(&word)
            })
        })
    };
    let mut differing = 0;
    for (now_ms, date) in [(Some(0), "before 2020-06-10"), (Some(NOW_MS), "from 2020-06-10"), (None, "unknown")] {
        for tenant in [None, Some("thorn"), Some("icmec"), Some("marinus")] {
            for actor in Actor::ALL {
                for operation in Operation::ALL {
                    for purpose in Purpose::ALL.iter().map(Some).chain([None]) {
                        let facts = Facts {
                            tenant: tenant.map(str::to_owned),
                            actors: BTreeSet::from([*actor]),
                            operation: *operation,
                            purposes: purpose.into_iter().copied().collect(),
                            now_ms,
                            places: BTreeSet::new(),
                            ..facts_of([Known::No; 8])
                        };
                        let (before, after) = (old.judge(&facts).allowed, new.judge(&facts).allowed);
                        assert_eq!(listed(&change.loosened, &facts, date), !before && after, "{facts:?}");
                        assert_eq!(listed(&change.tightened, &facts, date), before && !after, "{facts:?}");
                        differing += usize::from(before != after);
                    }
                }
            }
        }
    }
    assert!(differing > 1_000);
}

#[test]
fn enumeration_by_kinds_finds_what_random_requests_find() {
    let mut random = Random(3);
    for _ in 0..3 {
        let text = |random: &mut Random| (0..2).map(|id| drawn_rule(id, random)).collect::<String>();
        let (old, new) = (text(&mut random), text(&mut random));
        let (old, new) = (gate(&[("a.toml", &old)]), gate(&[("a.toml", &new)]));
        let change = compare(&old, &new, None).unwrap();
        let (old, new) = (Engine::new(old.set()).unwrap(), Engine::new(new.set()).unwrap());
        for _ in 0..400 {
            let mut facts = drawn_facts(&mut random);
            // Several candidates are refused before a rule is asked, in the profiles where loosening is delayed.
            facts.purposes = facts.purposes.into_iter().take(1).collect();
            let (before, after) = (old.judge(&facts).allowed, new.judge(&facts).allowed);
            assert!(before || !after || !change.loosened.is_empty(), "{facts:?}");
            assert!(!before || after || !change.tightened.is_empty(), "{facts:?}");
        }
    }
}

const RULES: &str = "[profile]\nname = \"regulated\"\n[tenant.t]\nactor = \"ngo\"\n";
const LOCKED: &str = "[commitment.a]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\nactors = [\"ngo\"]\nactions = [\"SearchFaces*\"]\nlock_until = 2021-06-10\n";

fn with(text: &str) -> Gate {
    gate(&[("a.toml", &format!("{RULES}{text}"))])
}

fn loosens(old: &str, new: &str) -> (bool, bool) {
    let change = compare(&with(old), &with(new), None).unwrap();
    (!change.tightened.is_empty(), !change.loosened.is_empty())
}

#[test]
fn every_kind_of_change_has_its_direction() {
    const TIGHTER: (bool, bool) = (true, false);
    const LOOSER: (bool, bool) = (false, true);
    const BOTH: (bool, bool) = (true, true);
    const NEITHER: (bool, bool) = (false, false);
    let open = LOCKED.replace("lock_until = 2021-06-10\n", "");
    let floor = "[[floor]]\nthreshold = 99.5\n";
    let case = "[case.c]\nauthority = \"a\"\nlegal_basis = \"b\"\nstate = \"provisional\"\nfrom = 2020-06-10\nuntil = 2020-07-10\nquota = 3\n";
    let collection = "[collection.c]\npurposes = [\"retail\", \"kyc\"]\n";
    for (old, new, expected) in [
        ("", "", NEITHER),
        ("", open.as_str(), TIGHTER),
        (&open, "", LOOSER),
        (&open, &open.replace("\"ngo\"", "\"media\""), BOTH),
        (&open, &open.replace("[\"ngo\"]", "[\"ngo\", \"media\"]"), TIGHTER),
        (&open, &open.replace("\"never\"", "2090-01-01"), LOOSER),
        (&open, &open.replace("2020-06-10", "2020-06-09"), TIGHTER),
        (&open, &format!("{open}[[commitment.a.except]]\nrequires = [\"review\"]\n"), LOOSER),
        (&open, &open.replace("\"t\"", "\"u\""), NEITHER),
        (&open, &open.replace("commitment.a", "commitment.b"), NEITHER),
        (LOCKED, &open, LOOSER),
        ("", floor, TIGHTER),
        (floor, &floor.replace("99.5", "99.4"), LOOSER),
        // Below the profile's own floor it makes no difference.
        ("", &floor.replace("99.5", "80"), NEITHER),
        ("[[floor]]\nmax_faces = 2", "[[floor]]\nmax_faces = 3", LOOSER),
        ("", case, NEITHER),
        (case, &case.replace("provisional", "confirmed"), NEITHER),
        (&case.replace("provisional", "confirmed"), &case.replace("provisional", "refused"), NEITHER),
        (&case.replace("provisional", "refused"), &case.replace("provisional", "confirmed"), BOTH),
        (case, &case.replace("quota = 3", "quota = 4"), BOTH),
        ("", collection, NEITHER),
        (collection, "", LOOSER),
        (collection, "[collection.c]\npurposes = [\"retail\"]\n", TIGHTER),
        (collection, "[collection.c]\npurposes = [\"retail\", \"other\"]\n", BOTH),
        ("[tenant.u]\nactor = \"police\"", "[tenant.u]\nactor = \"ngo\"", BOTH),
        ("[tenant.u]\nactor = \"ngo\"\nstatus = \"suspended\"", "[tenant.u]\nactor = \"ngo\"", LOOSER),
        ("[tenant.u]\nactor = \"ngo\"", "[tenant.u]\nactor = \"ngo\"\nstatus = \"suspended\"", TIGHTER),
        ("", "[tenant.u]\nactor = \"ngo\"", NEITHER),
    ] {
        assert_eq!(loosens(old, new), expected, "{old}\n---\n{new}");
    }
    let profile = |name: &str| gate(&[("p.toml", &format!("[profile]\nname = \"{name}\""))]);
    let change = compare(&profile("regulated"), &profile("organisation"), None).unwrap();
    assert!(change.tightened.is_empty() && change.loosened.len() > 1);
    let own = |text: &str| gate(&[("mine.cedar", text)]);
    let forbid = "@id(\"f\") forbid (principal, action, resource) when { context.review };";
    let change = compare(&own(""), &own(forbid), None).unwrap();
    assert!(change.loosened.is_empty() && !change.tightened.is_empty());
    let change = compare(&own(forbid), &own(&forbid.replace("review", "authorised")), None).unwrap();
    assert!(!change.loosened.is_empty() && !change.tightened.is_empty());
}

fn asked(now_ms: i64, operation: &str) -> Question<'_> {
    Question {
        asker: Asker { tenant: Some("t"), key: Some("k"), role: Role::User },
        operation,
        carriers: Carriers { header: Carried { purpose: Some("media-archive"), case: None }, ..Carriers::default() },
        now_ms: Some(now_ms),
        ..Question::default()
    }
}

#[test]
fn tightening_holds_at_once_and_loosening_after_seven_days_and_two_approvals() {
    let open = LOCKED.replace("lock_until = 2021-06-10\n", "");
    let standing = Standing::new(with("")).propose(with(&open), NOW_MS, []).unwrap();
    assert!(standing.change().is_none(), "a tightening is in force");
    assert!(!standing.decide(&asked(NOW_MS, "SearchFaces")).allows());

    // Lifts one rule and brings another: both hold until the delay has passed.
    let other = "[commitment.b]\ntext = \"t\"\nfrom = 2020-06-10\nuntil = \"never\"\nactors = [\"ngo\"]\nactions = [\"IndexFaces\"]\n";
    let approvals = ["ada".to_owned(), "bea".to_owned()];
    let mixed = standing.clone().propose(with(other), NOW_MS, approvals).unwrap();
    for (after_ms, search, index) in [(0, false, false), (7 * DAY_MS - 1, false, false), (7 * DAY_MS, true, false)] {
        assert_eq!(mixed.decide(&asked(NOW_MS + after_ms, "SearchFaces")).allows(), search, "{after_ms}");
        assert_eq!(mixed.decide(&asked(NOW_MS + after_ms, "IndexFaces")).allows(), index, "{after_ms}");
    }
    // A clock that jumps back, or is not known, brings the old rules back too.
    assert!(!mixed.decide(&asked(NOW_MS - DAY_MS, "SearchFaces")).allows());
    assert!(!mixed.decide(&Question { now_ms: None, ..asked(0, "SearchFaces") }).allows());
    assert_ne!(mixed.hash(NOW_MS), mixed.hash(NOW_MS + 7 * DAY_MS));
    assert_eq!(mixed.hash(NOW_MS + 7 * DAY_MS), with(other).hash());
    assert_eq!(mixed.settled(NOW_MS + 7 * DAY_MS).active().hash(), with(other).hash());

    let mut alone = standing.propose(with(other), NOW_MS, ["ada".to_owned()]).unwrap();
    assert_eq!(alone.in_force(NOW_MS + 30 * DAY_MS), Force::Both);
    alone.approve("ada");
    assert_eq!(alone.in_force(NOW_MS + 30 * DAY_MS), Force::Both, "one person is not two");
    alone.approve("bea");
    assert_eq!(alone.in_force(NOW_MS + 30 * DAY_MS), Force::Proposed);
}

#[test]
fn a_lock_outlasts_delay_and_approvals() {
    let approvals = || ["ada".to_owned(), "bea".to_owned()];
    let standing = Standing::new(with(LOCKED)).propose(with(""), NOW_MS, approvals()).unwrap();
    // The lock's last day is 10 June 2021, 160 days on.
    let lock_ms = crate::policy::date::parse("2021-06-11", crate::policy::date::End::First).unwrap();
    assert_eq!(standing.holds_from_ms(), Some(lock_ms));
    assert!(!standing.decide(&asked(lock_ms - 1, "SearchFaces")).allows());
    assert!(standing.decide(&asked(lock_ms, "SearchFaces")).allows());
    // Not even by an event, or by an end that comes early.
    for end in ["until = 2021-02-01", "until = \"event:e\"\n[event.e]\non = 2020-12-01\ntext = \"t\""] {
        let early = LOCKED.replace("until = \"never\"", "").replace("lock_until = 2021-06-10\n", "");
        let (event, end) = end.split_once('\n').map_or(("", end), |(end, event)| (event, end));
        let new = with(&format!("{early}{end}\n{event}"));
        let standing = Standing::new(with(LOCKED)).propose(new, NOW_MS, approvals()).unwrap();
        assert_eq!(standing.holds_from_ms(), Some(lock_ms), "{end}");
    }
}

#[test]
fn below_regulated_a_change_holds_at_once() {
    let personal = |text: &str| gate(&[("a.toml", text)]);
    let standing = Standing::new(personal(LOCKED)).propose(personal(""), NOW_MS, []).unwrap();
    assert_eq!((standing.in_force(NOW_MS), standing.change()), (Force::Active, None));
    // The duty is that of the set in force: a proposal cannot shed it by itself.
    let standing = Standing::new(with(LOCKED)).propose(personal(""), NOW_MS, []).unwrap();
    assert_eq!(standing.in_force(NOW_MS + 999 * DAY_MS), Force::Both);
}

#[test]
fn too_many_kinds_to_try_are_compared_by_text() {
    let rules = |from: usize| {
        let mut random = Random(5);
        (0..60)
            .skip(from)
            .map(|id| {
                let letter = |number: usize| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % 26]);
                let place = format!("{}{}", letter(id), letter(id / 26));
                drawn_rule(id, &mut random)
                    .replace("places = [", &format!("places = [\"{place}\", "))
                    .replace("2020-06-01", &format!("2021-{:02}-{:02}", id % 12 + 1, id % 28 + 1))
            })
            .collect::<String>()
    };
    let change = compare(&gate(&[("a.toml", &rules(0))]), &gate(&[("a.toml", &rules(1))]), None).unwrap();
    assert!(
        change.loosened.contains(&Difference::Set("commitment.r0 is removed".to_owned())),
        "{:?}",
        change.loosened.len()
    );
}
