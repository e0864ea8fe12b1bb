//! The gate: a policy set, compiled, that rules on questions. No clock, no disk.

use super::engine::Engine;
use super::facts::{self, Facts, Findings};
use super::floor::{DEFAULT_THRESHOLD, FloorUse, Limits, limits};
use super::question::{Carriers, Decision, Question, Ruling};
use super::set::PolicySet;
use super::table::PolicyError;
use super::vocabulary::Profile;

/// Rules on questions by one policy set.
#[derive(Debug, Clone)]
pub struct Gate {
    set: PolicySet,
    engine: Engine,
}

impl Gate {
    /// Reads and compiles a set from its files' names and texts. No files: profile `personal`, nothing asked.
    ///
    /// # Errors
    /// File, line and reason of the first thing that is wrong; nothing of such a set is used.
    pub fn from_files(files: &[(String, String)]) -> Result<Self, PolicyError> {
        let set = PolicySet::read(files)?;
        Ok(Self { engine: Engine::new(&set)?, set })
    }

    /// SHA-256 over the set's files: what a record names as the rules in force.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.set.hash()
    }

    /// The set's profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.set.profile
    }

    /// What the set says.
    #[must_use]
    pub fn set(&self) -> &PolicySet {
        &self.set
    }

    /// Text for people and Cedar text of a commitment, by its rule's name.
    #[must_use]
    pub fn text_of(&self, rule: &str) -> Option<(&str, String)> {
        let commitment = self.set.commitments.get(rule.strip_prefix("commitment.")?)?;
        let until_ms = commitment.until_ms(|name| self.set.event_ms(name));
        Some((&commitment.text, commitment.to_cedar(until_ms)))
    }

    /// The case that carriers name, whose use the caller counts; `None` also when they disagree.
    #[must_use]
    pub fn case_of<'a>(carriers: &'a Carriers<'a>) -> Option<&'a str> {
        facts::case_of(carriers).ok().flatten()
    }

    /// Rules on a question.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Ruling {
        let (facts, findings) = facts::gather(&self.set, question);
        self.rule(&facts, findings, question)
    }

    fn rule(&self, facts: &Facts, findings: Findings, question: &Question<'_>) -> Ruling {
        let limits = self.limits(facts, findings.evaluation_only);
        let verdict = self.engine.judge_request(facts);
        let Findings { mut denials, mut notes, case, .. } = findings;
        let threshold = effective_threshold(&limits, question.threshold);
        let faces_max = [question.faces_max, limits.faces_max].into_iter().flatten().min();
        notes.extend(verdict.notes);
        let permits = if verdict.allowed {
            verdict.rules
        } else {
            denials.extend(verdict.rules);
            Vec::new()
        };
        // Behind all others: asking for more than a floor lets through matters only where the rest allows.
        if question.strict {
            let under = question.threshold.is_some_and(|asked| asked < limits.threshold);
            let over = limits.faces_max.is_some_and(|most| question.faces_max.is_some_and(|asked| asked > most));
            denials.extend(limits.threshold_by.clone().filter(|_| under));
            denials.extend(limits.faces_max_by.clone().filter(|_| over));
        }
        let decision = match denials.first() {
            Some(rule) => Decision::Deny { rule: rule.clone() },
            None => Decision::Allow,
        };
        Ruling {
            decision,
            rules: if denials.is_empty() { permits } else { denials },
            purpose: facts.purposes.first().copied().filter(|_| facts.purposes.len() == 1),
            case,
            threshold,
            floored: limits.threshold > question.threshold.unwrap_or(DEFAULT_THRESHOLD),
            faces_max,
            notes,
        }
    }

    fn limits(&self, facts: &Facts, evaluation_only: bool) -> Limits {
        let asked = FloorUse {
            operation: facts.operation,
            purposes: &facts.purposes,
            actors: &facts.actors,
            role: facts.role,
            evaluation_only,
        };
        limits(self.set.profile, &self.set.floors, &asked)
    }
}

/// The asked threshold, or the API's default, raised to the floor: who asks for none still gets the floor.
fn effective_threshold(limits: &Limits, asked: Option<u32>) -> Option<u32> {
    match limits.threshold {
        0 => asked,
        floor => Some(asked.unwrap_or(DEFAULT_THRESHOLD).max(floor)),
    }
}
