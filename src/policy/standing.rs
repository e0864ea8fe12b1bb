//! Which set is in force: tightening at once, loosening after two administrators have agreed and a delay has passed.
//! Pure: the caller keeps what is proposed, and tells the time.

use std::collections::BTreeSet;

use super::compare::{Change, compare};
use super::date::DAY_MS;
use super::gate::Gate;
use super::question::{Question, Ruling};
use super::table::PolicyError;
use super::vocabulary::Profile;
use sha2::{Digest as _, Sha256};

/// How long a loosening is public before it holds.
pub const DELAY_MS: i64 = 7 * DAY_MS;
/// How many administrators a loosening needs.
pub const APPROVALS: usize = 2;

/// The set in force, and one that is to follow.
#[derive(Debug, Clone)]
pub struct Standing {
    active: Gate,
    proposed: Option<Proposed>,
}

/// A set that is to follow.
#[derive(Debug, Clone)]
pub struct Proposed {
    gate: Gate,
    since_ms: i64,
    approvals: BTreeSet<String>,
    change: Change,
}

/// What rules now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The active set.
    Active,
    /// The active and the proposed set: a request passes when both let it.
    Both,
    /// The proposed set.
    Proposed,
}

impl Standing {
    /// One set, nothing proposed.
    #[must_use]
    pub fn new(active: Gate) -> Self {
        Self { active, proposed: None }
    }

    /// Proposes a set from `since_ms` on, approved by these administrators. An earlier proposal that does not hold yet
    /// is forgotten.
    ///
    /// # Errors
    /// As [`compare`].
    pub fn propose(
        self,
        gate: Gate,
        since_ms: i64,
        approvals: impl IntoIterator<Item = String>,
    ) -> Result<Self, PolicyError> {
        let active = self.settled(since_ms).active;
        if gate.hash() == active.hash() {
            return Ok(Self::new(active));
        }
        let change = compare(&active, &gate, Some(since_ms))?;
        let approvals = approvals.into_iter().collect();
        Ok(Self { active, proposed: Some(Proposed { gate, since_ms, approvals, change }) }.settled(since_ms))
    }

    /// Adds an administrator's approval.
    pub fn approve(&mut self, administrator: &str) {
        if let Some(proposed) = &mut self.proposed {
            proposed.approvals.insert(administrator.to_owned());
        }
    }

    /// What rules at a moment.
    #[must_use]
    pub fn in_force(&self, now_ms: i64) -> Force {
        match &self.proposed {
            None => Force::Active,
            Some(proposed) if self.holds(proposed, now_ms) => Force::Proposed,
            Some(_) => Force::Both,
        }
    }

    /// The first moment at which the proposed set holds alone, once enough have approved; `None` without a proposal.
    #[must_use]
    pub fn holds_from_ms(&self) -> Option<i64> {
        let proposed = self.proposed.as_ref()?;
        // The duty is that of the set in force: a proposal cannot lower it for itself.
        if self.active.profile() < Profile::Regulated || proposed.change.only_tightens() {
            return Some(proposed.since_ms);
        }
        let unlocked = proposed.change.lifted_locks.values().map(|lock| lock.saturating_add(1)).max();
        Some(proposed.since_ms.saturating_add(DELAY_MS).max(unlocked.unwrap_or(i64::MIN)))
    }

    fn holds(&self, proposed: &Proposed, now_ms: i64) -> bool {
        let free = self.active.profile() < Profile::Regulated || proposed.change.only_tightens();
        let approved = free || proposed.approvals.len() >= APPROVALS;
        approved && self.holds_from_ms().is_some_and(|from| now_ms >= from)
    }

    /// As it stands at a moment: a proposal that holds becomes the active set.
    #[must_use]
    pub fn settled(self, now_ms: i64) -> Self {
        match (self.in_force(now_ms), self.proposed) {
            (Force::Proposed, Some(proposed)) => Self::new(proposed.gate),
            (_, proposed) => Self { active: self.active, proposed },
        }
    }

    /// The active set.
    #[must_use]
    pub fn active(&self) -> &Gate {
        &self.active
    }

    /// The active set, and the one that is to follow.
    pub fn gates(&self) -> impl Iterator<Item = &Gate> {
        std::iter::once(&self.active).chain(self.proposed.as_ref().map(|proposed| &proposed.gate))
    }

    /// What the proposal changes.
    #[must_use]
    pub fn change(&self) -> Option<&Change> {
        self.proposed.as_ref().map(|proposed| &proposed.change)
    }

    /// Rules on a question at the question's own time. A clock that is not known holds no proposal.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Ruling {
        let force = self.in_force(question.now_ms.unwrap_or(i64::MIN));
        match (&self.proposed, force) {
            (Some(proposed), Force::Proposed) => proposed.gate.decide(question),
            (Some(proposed), Force::Both) => self.active.decide(question).and(proposed.gate.decide(question)),
            _ => self.active.decide(question),
        }
    }

    /// The hash of what rules at a moment: of the one set, or of the two together.
    #[must_use]
    pub fn hash(&self, now_ms: i64) -> [u8; 32] {
        match (&self.proposed, self.in_force(now_ms)) {
            (Some(proposed), Force::Proposed) => proposed.gate.hash(),
            (Some(proposed), Force::Both) => {
                let mut state = Sha256::new();
                state.update(b"trombi policy sets in force together v1\n");
                state.update(self.active.hash());
                state.update(proposed.gate.hash());
                state.finalize().into()
            }
            _ => self.active.hash(),
        }
    }
}
