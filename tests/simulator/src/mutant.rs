//! A protocol that is wrong in one place: a condition without one of its parts, or an order of steps that loses pairs.
//!
//! Conditions are values, so a mutant needs no compilation: the store evaluates a weakened copy of the clauses.

use shared::domain::write::{Clause, Test, WriteName};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    Condition { write: WriteName, clause: &'static str, shape: String, weakening: Weakening },
    Ordering(Ordering),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakening {
    /// The clause is removed.
    Removed,
    /// One of several tests that must all hold is removed.
    WithoutPart(usize),
    /// A test against a number: it holds too early or too late, by [`SHIFT`].
    Shifted(usize),
}

/// Orders of steps that the protocol forbids. The simulated services make them; the code is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ordering {
    /// The store answers before the pair is durable: the token is handed out first.
    HandOutBeforeStore,
    /// A commit requires the lease too.
    CommitGatedByLease,
    /// The data key is opened after the provider has answered.
    DecryptAfterAnswer,
    /// The transport sends a refresh token twice instead of waiting.
    ResendWithoutWaiting,
    /// The first `invalid_grant` ends the connection.
    MarkOnFirstRefusal,
    /// The transport sends an authorization code again when its answer is late.
    CodeSentAgain,
    /// A commit that failed once is not tried again.
    CommitTriedOnce,
}

impl Ordering {
    pub const ALL: [Self; 7] = [
        Self::HandOutBeforeStore,
        Self::CommitGatedByLease,
        Self::DecryptAfterAnswer,
        Self::ResendWithoutWaiting,
        Self::MarkOnFirstRefusal,
        Self::CodeSentAgain,
        Self::CommitTriedOnce,
    ];
}

/// Longer than every wait in a condition, except an attempt's lifetime.
const SHIFT: i64 = 120;

impl Mutant {
    /// Every possible way to weaken the condition of a write or a delete.
    pub fn of(name: WriteName, clauses: &[Clause]) -> Vec<Self> {
        let mut mutants = Vec::new();
        for clause in clauses {
            let mutant =
                |weakening| Self::Condition { write: name, clause: clause.name, shape: shape(&clause.test), weakening };
            mutants.push(mutant(Weakening::Removed));
            if let Test::All(parts) = &clause.test {
                mutants.extend((0..parts.len()).map(|part| mutant(Weakening::WithoutPart(part))));
            }
            mutants.extend((0..numbers(&clause.test)).map(|number| mutant(Weakening::Shifted(number))));
        }
        mutants
    }

    /// The weakened condition; `None` if the mutant is about another condition.
    pub fn weaken(&self, name: WriteName, clauses: &[Clause]) -> Option<Vec<Clause>> {
        let Self::Condition { write, clause: clause_name, shape: expected, weakening } = self else {
            return None;
        };
        if name != *write {
            return None;
        }
        let index =
            clauses.iter().position(|clause| clause.name == *clause_name && shape(&clause.test) == *expected)?;
        let mut weakened = clauses.to_vec();
        match weakening {
            Weakening::Removed => {
                weakened.remove(index);
            }
            Weakening::WithoutPart(part) => {
                if let Test::All(parts) = &mut weakened[index].test {
                    parts.remove(*part);
                }
            }
            Weakening::Shifted(number) => shift(&mut weakened[index].test, &mut number.clone()),
        }
        Some(weakened)
    }

    pub fn ordering(mutant: Option<&Self>) -> Option<Ordering> {
        match mutant {
            Some(Self::Ordering(ordering)) => Some(*ordering),
            Some(Self::Condition { .. }) | None => None,
        }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Ordering(ordering) => format!("{ordering:?}"),
            Self::Condition { write, clause, shape, weakening } => {
                let how = match weakening {
                    Weakening::Removed => "removed".to_owned(),
                    Weakening::WithoutPart(part) => format!("without part {}", part + 1),
                    Weakening::Shifted(number) => format!("number {} off by {SHIFT} s", number + 1),
                };
                format!("{write}: {clause} [{shape}] {how}")
            }
        }
    }
}

/// The attributes of a condition and their comparisons.
pub fn shape_of(clauses: &[Clause]) -> String {
    clauses.iter().map(|clause| shape(&clause.test)).collect::<Vec<_>>().join("; ")
}

/// The same for a clause, without the values. It distinguishes clauses that have the same name.
fn shape(test: &Test) -> String {
    // All slots of the list are alike.
    let slot = |name: &'static str| if name.starts_with("revoke_") { "revoke_n" } else { name };
    let list = |tests: &[Test], joint: &str| tests.iter().map(shape).collect::<Vec<_>>().join(joint);
    match test {
        Test::Exists(name) => format!("{name} exists"),
        Test::Absent(name) => format!("no {name}"),
        Test::Equals(name, _) => format!("{} =", slot(name)),
        Test::Differs(name, _) => format!("{name} ≠"),
        Test::Below(name, _) => format!("{name} <"),
        Test::AtMost(name, _) => format!("{name} ≤"),
        Test::Above(name, _) => format!("{name} >"),
        Test::Any(tests) => format!("({})", list(tests, " or ")),
        Test::All(tests) => format!("({})", list(tests, " and ")),
    }
}

/// Comparisons with a number.
fn numbers(test: &Test) -> usize {
    match test {
        Test::Below(..) | Test::AtMost(..) | Test::Above(..) => 1,
        Test::Any(tests) | Test::All(tests) => tests.iter().map(numbers).sum(),
        Test::Exists(_) | Test::Absent(_) | Test::Equals(..) | Test::Differs(..) => 0,
    }
}

fn shift(test: &mut Test, skip: &mut usize) {
    match test {
        Test::Below(_, limit) | Test::AtMost(_, limit) => {
            if *skip == 0 {
                *limit += SHIFT;
            }
            *skip = skip.wrapping_sub(1);
        }
        Test::Above(_, limit) => {
            if *skip == 0 {
                *limit -= SHIFT;
            }
            *skip = skip.wrapping_sub(1);
        }
        Test::Any(tests) | Test::All(tests) => tests.iter_mut().for_each(|test| shift(test, skip)),
        Test::Exists(_) | Test::Absent(_) | Test::Equals(..) | Test::Differs(..) => {}
    }
}
