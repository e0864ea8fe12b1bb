//! Threshold floors and ceilings on the number of candidates, by profile, by purpose and by the set's own `[[floor]]`.

use std::collections::BTreeSet;

use super::commitment;
use super::table::{PolicyError, Table};
use super::vocabulary::{Actor, Class, Effect, Operation, Profile, Purpose, Role};

/// The threshold of an answer for which none is asked, in hundredths: the API's own default.
pub const DEFAULT_THRESHOLD: u32 = 80_00;

/// A floor of the set's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Floor {
    /// Name of the rule.
    pub rule: String,
    /// `None`: all.
    pub purposes: Option<BTreeSet<Purpose>>,
    /// `None`: all.
    pub actors: Option<BTreeSet<Actor>>,
    /// `None`: all that compare faces.
    pub operations: Option<BTreeSet<Operation>>,
    /// Least threshold, in hundredths.
    pub threshold: u32,
    /// Most candidates.
    pub faces_max: Option<u32>,
}

/// What a floor is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct FloorUse<'a> {
    pub(super) operation: Operation,
    /// Candidates; empty: not known.
    pub(super) purposes: &'a BTreeSet<Purpose>,
    pub(super) actors: &'a BTreeSet<Actor>,
    pub(super) role: Role,
    /// Whether the collection is declared for `research-evaluation` and nothing else.
    pub(super) evaluation_only: bool,
}

/// The floor and ceiling that hold for a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) threshold: u32,
    pub(super) threshold_by: Option<String>,
    pub(super) faces_max: Option<u32>,
    pub(super) faces_max_by: Option<String>,
}

impl Floor {
    pub(super) fn read(file: &str, number: usize, table: Table<'_>) -> Result<Self, PolicyError> {
        table.only(&["purposes", "actors", "operations", "threshold", "max_faces", "text"])?;
        if !table.has("threshold") && !table.has("max_faces") {
            return Err(table.error("a floor needs `threshold` or `max_faces`"));
        }
        let faces_max = table.count("max_faces")?;
        if faces_max == Some(0) {
            return Err(
                table.error_at("max_faces", "`max_faces` is at least 1; to refuse a request, write a commitment")
            );
        }
        Ok(Self {
            rule: format!("floor.{}-{number}", file.trim_end_matches(".toml")),
            purposes: commitment::purposes(table)?,
            actors: commitment::actors(table)?,
            operations: commitment::operations(table)?,
            threshold: table.hundredths("threshold")?.unwrap_or(0),
            faces_max,
        })
    }

    /// Unknown purposes and actors are caught.
    fn catches(&self, asked: &FloorUse<'_>) -> bool {
        let purposes = self
            .purposes
            .as_ref()
            .is_none_or(|purposes| asked.purposes.is_empty() || !purposes.is_disjoint(asked.purposes));
        let actors = self.actors.as_ref().is_none_or(|actors| {
            asked.actors.contains(&Actor::Unknown) || asked.actors.is_empty() || !actors.is_disjoint(asked.actors)
        });
        let operation = |operations: &BTreeSet<Operation>| {
            asked.operation == Operation::Unknown || operations.contains(&asked.operation)
        };
        purposes && actors && self.operations.as_ref().is_none_or(operation)
    }
}

/// Floor and ceiling: the highest floor and the lowest ceiling of profile, purpose and the set's own floors.
pub(super) fn limits(profile: Profile, own: &[Floor], asked: &FloorUse<'_>) -> Limits {
    let mut limits = Limits::default();
    if !asked.operation.compares() {
        return limits;
    }
    // Whoever measures the service must see what lies under the floor: the one way around it, and only on faces that
    // are there to be measured.
    let measured =
        asked.role == Role::Tester && asked.evaluation_only && asked.purposes.iter().eq([&Purpose::ResearchEvaluation]);
    if profile != Profile::Personal && !measured {
        // With several candidates, the class with the higher floor: not known is caught.
        let of_profile = asked.purposes.iter().map(|purpose| profile_floor(profile, asked.operation, Some(*purpose)));
        let of_profile = of_profile.max().unwrap_or_else(|| profile_floor(profile, asked.operation, None));
        limits.raise(of_profile, &format!("floor.profile-{profile}"));
        for purpose in asked.purposes {
            limits.raise(purpose.floor(), &format!("floor.purpose-{purpose}"));
        }
        if profile >= Profile::Regulated && asked.operation.class(None) != Class::Management {
            limits.lower(5, asked.operation, &format!("ceiling.profile-{profile}"));
        }
    }
    for floor in own.iter().filter(|floor| floor.catches(asked)) {
        limits.raise(floor.threshold, &floor.rule);
        if let Some(faces_max) = floor.faces_max {
            limits.lower(faces_max, asked.operation, &floor.rule);
        }
    }
    limits
}

fn profile_floor(profile: Profile, operation: Operation, purpose: Option<Purpose>) -> u32 {
    match (profile, operation.class(purpose)) {
        (Profile::Personal, _) => 0,
        (Profile::Organisation, Class::Verification) => 80_00,
        (Profile::Organisation, _) | (_, Class::Verification) => 90_00,
        (Profile::Regulated | Profile::Provider, _) => 99_00,
    }
}

impl Limits {
    fn raise(&mut self, threshold: u32, by: &str) {
        if threshold > self.threshold {
            self.threshold = threshold;
            self.threshold_by = Some(by.to_owned());
        }
    }

    fn lower(&mut self, faces_max: u32, operation: Operation, by: &str) {
        let searches = matches!(operation.effect(), Effect::Search | Effect::Live);
        if searches && self.faces_max.is_none_or(|other| faces_max < other) {
            self.faces_max = Some(faces_max);
            self.faces_max_by = Some(by.to_owned());
        }
    }
}
