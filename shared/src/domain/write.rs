//! Conditional writes as values.
//!
//! The safety of the protocol is in its conditions, so each is a value with named clauses. The DynamoDB adapter renders
//! it, `evaluate` says which clauses an image fails, and a test can remove a clause to see what breaks. There is no
//! second copy of a condition that is kept by hand.

use std::fmt;

use super::item::{Item, Value};

/// One update of one row, applied if every clause holds (DynamoDB `UpdateItem` with a `ConditionExpression`).
#[derive(Clone, Debug)]
pub struct Write {
    /// Which write it is, for logs and for the simulator.
    pub name: WriteName,
    /// The row's key: the value of `id` in the connections table, of `pk` in the attempts table.
    pub key: String,
    /// All of them must hold for the row as it stands.
    pub clauses: Vec<Clause>,
    /// The changes, all in one step; each attribute at most once.
    pub changes: Vec<Change>,
}

/// One row deleted, if every clause holds (DynamoDB `DeleteItem` with a `ConditionExpression`).
#[derive(Clone, Debug)]
pub struct Delete {
    /// Which write it is, for logs and for the simulator.
    pub name: WriteName,
    /// The row's key: the value of `id` in the connections table, of `pk` in the attempts table.
    pub key: String,
    /// All of them must hold for the row as it stands.
    pub clauses: Vec<Clause>,
}

macro_rules! write_names {
    ($($name:ident = $text:literal,)+) => {
        /// Every conditional write and delete, by name. The simulator checks exhaustively what must hold after each of
        /// them: a new one does not compile there before it has its checks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum WriteName {
            $(#[doc = concat!("The write `", $text, "`: its name in logs.")] $name,)+
        }

        impl WriteName {
            /// Every name once, in the order of the variants.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name in logs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

write_names! {
    BeginAttempt = "begin attempt",
    NoteFailure = "note failure",
    TakeAttempt = "take attempt",
    GiveAttemptBack = "give attempt back",
    EndAttempt = "end attempt",
    BeginSession = "begin session",
    EndSession = "end session",
    ConfirmSession = "confirm session",
    TakePresentOrder = "take present order",
    TakeNextOrder = "take next order",
    Connect = "connect",
    AwaitConfirmation = "await confirmation",
    Confirm = "confirm",
    ExpireConfirmation = "expire confirmation",
    Acquire = "acquire",
    Commit = "commit",
    Settle = "settle",
    GiveUp = "give up",
    Quarantine = "quarantine",
    Disconnect = "disconnect",
    AddRevocation = "add revocation",
    ClaimRevocation = "claim revocation",
    RemoveRevocation = "remove revocation",
    LeaveSchedule = "leave schedule",
    Identify = "identify",
    IdentifyWaiting = "identify waiting",
    ClaimAccount = "claim account",
    Reseal = "reseal",
    ReapTombstone = "reap tombstone",
    ReapConnection = "reap connection",
    Pause = "pause",
    CountRefusals = "count refusals",
    BeginWindow = "begin window",
    NoteSuccess = "note success",
    TakeSlots = "take slots",
    BeginSecond = "begin second",
    LowerRate = "lower rate",
    HandOn = "hand on",
}

impl fmt::Display for WriteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One part of a condition, which a test can remove to see what breaks without it.
#[derive(Clone, Debug)]
pub struct Clause {
    /// What must hold, in words: [`Write::evaluate`] returns it.
    pub name: &'static str,
    /// How it is checked.
    pub test: Test,
}

/// A clause of this name.
pub fn clause(name: &'static str, test: Test) -> Clause {
    Clause { name, test }
}

/// Comparisons are false when the attribute is absent, as in DynamoDB; for `Differs` see below.
#[derive(Clone, Debug)]
pub enum Test {
    /// The row has the attribute, with any value.
    Exists(&'static str),
    /// The row does not have the attribute, or there is no row.
    Absent(&'static str),
    /// Present, with this type and value.
    Equals(&'static str, Value),
    /// Absent, or another value.
    Differs(&'static str, Value),
    /// `attribute < number`
    Below(&'static str, i64),
    /// `attribute <= number`
    AtMost(&'static str, i64),
    /// `attribute > number`
    Above(&'static str, i64),
    /// At least one of them holds.
    Any(Vec<Test>),
    /// Each of them holds.
    All(Vec<Test>),
}

/// What a write does to one attribute.
#[derive(Clone, Debug)]
pub enum Change {
    /// Replaces the value, or creates the attribute.
    Set(&'static str, Value),
    /// Creates the attribute; a value that is there stays.
    SetIfAbsent(&'static str, Value),
    /// Adds a number; absent counts as zero.
    Add(&'static str, i64),
    /// Deletes the attribute; it may be absent.
    Remove(&'static str),
}

impl Change {
    /// The name of the attribute that it changes.
    pub fn attribute(&self) -> &'static str {
        match self {
            Self::Set(name, _) | Self::SetIfAbsent(name, _) | Self::Add(name, _) | Self::Remove(name) => name,
        }
    }
}

/// What a store answers to a [`Write`]. `R` is the row, parsed.
#[derive(Clone, Debug)]
pub enum Written<R> {
    /// The row as it is now.
    Applied(R),
    /// The row as it stands, unchanged; `None` where there is none.
    ConditionFailed(Option<R>),
}

impl<R> Written<R> {
    /// Parses the row, if there is one; the first error ends it.
    pub fn try_map<T, E>(self, parse: impl FnOnce(R) -> Result<T, E>) -> Result<Written<T>, E> {
        Ok(match self {
            Self::Applied(row) => Written::Applied(parse(row)?),
            Self::ConditionFailed(row) => Written::ConditionFailed(row.map(parse).transpose()?),
        })
    }

    /// As [`Written::try_map`], where parsing cannot fail.
    pub fn map<T>(self, parse: impl FnOnce(R) -> T) -> Written<T> {
        match self {
            Self::Applied(row) => Written::Applied(parse(row)),
            Self::ConditionFailed(row) => Written::ConditionFailed(row.map(parse)),
        }
    }
}

impl Write {
    /// The names of the clauses that `image` does not meet; empty when the write would be applied.
    pub fn evaluate(&self, image: Option<&Item>) -> Vec<&'static str> {
        failing(&self.clauses, image)
    }

    /// The row after the write, without checking its condition.
    pub fn apply(&self, image: Option<&Item>) -> Item {
        let mut item = image.cloned().unwrap_or_default();
        for change in &self.changes {
            match change {
                Change::Set(attribute, value) => {
                    item.0.insert((*attribute).into(), value.clone());
                }
                Change::SetIfAbsent(attribute, value) => {
                    item.0.entry((*attribute).into()).or_insert_with(|| value.clone());
                }
                Change::Add(attribute, number) => {
                    let entry = item.0.entry((*attribute).into()).or_insert(Value::N(0));
                    if let Value::N(stored) = entry {
                        *stored += number;
                    }
                }
                Change::Remove(attribute) => {
                    item.0.remove(*attribute);
                }
            }
        }
        item
    }
}

impl Delete {
    /// As [`Write::evaluate`].
    pub fn evaluate(&self, image: Option<&Item>) -> Vec<&'static str> {
        failing(&self.clauses, image)
    }
}

/// The names of the clauses that `image` does not meet.
pub fn failing(clauses: &[Clause], image: Option<&Item>) -> Vec<&'static str> {
    clauses.iter().filter(|clause| !clause.test.holds(image)).map(|clause| clause.name).collect()
}

impl Test {
    fn holds(&self, image: Option<&Item>) -> bool {
        let attribute = |name: &str| image.and_then(|item| item.0.get(name));
        let number = |name: &str| match attribute(name) {
            Some(Value::N(number)) => Some(*number),
            _ => None,
        };
        match self {
            Test::Exists(name) => attribute(name).is_some(),
            Test::Absent(name) => attribute(name).is_none(),
            Test::Equals(name, value) => attribute(name) == Some(value),
            Test::Differs(name, value) => attribute(name) != Some(value),
            Test::Below(name, limit) => number(name).is_some_and(|stored| stored < *limit),
            Test::AtMost(name, limit) => number(name).is_some_and(|stored| stored <= *limit),
            Test::Above(name, limit) => number(name).is_some_and(|stored| stored > *limit),
            Test::Any(tests) => tests.iter().any(|test| test.holds(image)),
            Test::All(tests) => tests.iter().all(|test| test.holds(image)),
        }
    }
}
