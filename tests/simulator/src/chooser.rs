//! Decides which step comes next, and the fate of each call. Chance, or a search through all choices.

use crate::call::{Request, Service};

mod dice;
mod enumeration;

pub use dice::{Dice, Odds};
pub use enumeration::{Enumeration, Position};

/// The fate of a call. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Succeed,
    /// It fails before it has an effect. At the provider: nothing was sent.
    FailBefore,
    /// It takes effect, and the caller never gets the answer.
    LostAnswer,
    /// The caller gives up at its timeout; the effect comes that much later all the same.
    LateEffect(u64),
    /// The transport sends it again after a lost acknowledgement: the caller sees the second answer.
    Retried,
    /// The transport's first try was only late: it takes effect once more, that much after the answer.
    Repeated(u64),
    /// The process dies before it sends anything.
    CrashBefore,
    /// The process dies when the call has taken effect.
    CrashAfter,
    /// The process stands still between its last check and the call.
    FreezeBefore(u64),
    /// The process stands still before it sees the answer.
    FreezeAfter(u64),
    /// The provider asks to wait; nothing was done.
    Throttled {
        status: u16,
        retry_after: Option<u32>,
    },
    /// The provider fails, 5xx; nothing was done.
    ServerError,
    /// The provider does it, and answers 200 with HTML.
    Html,
    /// The provider grants, and leaves a refresh token that it keeps (P0) out of its answer.
    NoRefreshToken,
    /// A code gives an access token, and no refresh token at all.
    Bare,
    /// The provider refuses completely, and says nothing about the grant; nothing was done.
    Refused,
    /// The provider says `invalid_grant` though it is not true; a moment later it accepts the token again.
    FalseRefusal,
}

impl Fate {
    /// A fault, and not a mere variation of an answer.
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::Succeed | Self::NoRefreshToken | Self::Bare)
    }
}

/// What the world allows at a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// No faults: the end of a run, or a window that the provider's promise rests on.
    pub calm: bool,
    /// The provider has not yet refused this token falsely.
    pub may_refuse_falsely: bool,
}

pub trait Chooser: Send {
    /// Which of `count` steps comes next; they stand in the order of their time.
    fn next(&mut self, count: usize) -> usize;
    fn fate(&mut self, request: &Request, weather: Weather) -> Fate;
    /// How long a call takes on its way there, or back.
    fn latency(&mut self, service: Service) -> u64;
}
