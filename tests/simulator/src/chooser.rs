//! Decides which step comes next, and the fate of each call: by chance, or by a search through all choices.

use crate::call::{Request, Service};

mod dice;
mod enumeration;

pub use dice::{Dice, Odds};
pub use enumeration::{Enumeration, Position};

/// What happens to a call. Times are milliseconds.
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
    /// The process is frozen between its last check and the call.
    FreezeBefore(u64),
    /// The process is frozen before it gets the answer.
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
    /// The provider (P0) gives an access token, and leaves the refresh token, which stays valid, out of its answer.
    NoRefreshToken,
    /// The provider answers a code with an access token, and without a refresh token.
    AccessTokenOnly,
    /// The provider refuses the request, and does not say that the grant is invalid. It has no effect.
    Refused,
    /// The provider answers `invalid_grant` although the token is valid; a moment later it accepts the token again.
    FalseRefusal,
}

impl Fate {
    /// True for a fault, false for a normal variation of an answer.
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::Succeed | Self::NoRefreshToken | Self::AccessTokenOnly)
    }
}

/// Which faults the world allows at a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultsAllowed {
    /// At the end of a run, and in a window that the provider's promise depends on.
    pub no_faults: bool,
    /// The provider has not yet refused this token falsely.
    pub may_refuse_falsely: bool,
}

pub trait Chooser: Send {
    /// Chooses which of `count` steps comes next. The steps are ordered by their time.
    fn next(&mut self, count: usize) -> usize;
    fn fate(&mut self, request: &Request, allowed: FaultsAllowed) -> Fate;
    /// How long a call takes on its way there, or back.
    fn latency(&mut self, service: Service) -> u64;
}
