//! Decides which step comes next, and the fate of each call: by chance, or by a search through all choices.

use crate::call::{Request, Service};

mod dice;
mod enumeration;

pub use dice::{Dice, Odds};
pub use enumeration::{Enumeration, Position};

/// The fate of a call. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Succeed,
    /// It fails before it has an effect. At the provider: the request was not sent.
    FailBefore,
    /// It takes effect, and the caller never gets the answer.
    LostAnswer,
    /// The caller gives up at its timeout. The call takes effect nevertheless, this much later.
    LateEffect(u64),
    /// The transport sends it again after a lost acknowledgement: the caller sees the second answer.
    Retried,
    /// The transport's first try was only late: it takes effect once more, this much after the answer.
    Repeated(u64),
    /// The process dies before it sends anything.
    CrashBefore,
    /// The process dies after the call has taken effect.
    CrashAfter,
    /// The process stands still between its last check and the call.
    FreezeBefore(u64),
    /// The process stands still before it sees the answer.
    FreezeAfter(u64),
    /// The provider asks to wait, and has no effect.
    Throttled {
        status: u16,
        retry_after: Option<u32>,
    },
    /// The provider fails with a 5xx, and has no effect.
    ServerError,
    /// The provider carries it out, and answers 200 with HTML.
    Html,
    /// The provider grants, keeps the refresh token (P0), and leaves it out of its answer.
    NoRefreshToken,
    /// A code gives an access token, and no refresh token at all.
    Bare,
    /// The provider refuses completely, without a statement about the grant, and has no effect.
    Refused,
    /// The provider answers `invalid_grant` although the token is valid; a moment later it accepts the token again.
    FalseRefusal,
}

impl Fate {
    /// True for a fault, false for a normal variation of an answer.
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::Succeed | Self::NoRefreshToken | Self::Bare)
    }
}

/// What the world allows at a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// No faults: at the end of a run, or in a window that the provider's promise rests on.
    pub calm: bool,
    /// The provider has not yet refused this token falsely.
    pub may_refuse_falsely: bool,
}

pub trait Chooser: Send {
    /// Chooses which of `count` steps comes next. The steps are ordered by their time.
    fn next(&mut self, count: usize) -> usize;
    fn fate(&mut self, request: &Request, weather: Weather) -> Fate;
    /// How long a call takes on its way there, or back.
    fn latency(&mut self, service: Service) -> u64;
}
