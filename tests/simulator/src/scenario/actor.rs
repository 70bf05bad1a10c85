//! The actors of a run, as numbers in the queue of steps.

/// The actor of a turn. Packed into the number of a [`crate::world::Step::Act`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Actor {
    Sweep,
    Reader(usize),
    Customer(usize),
    /// A browser comes back from the provider, in a journey.
    Return(usize),
    Disconnect(usize),
    /// The queue delivers its messages.
    Replay,
    /// A connection of another system is imported.
    Import(usize),
    /// The integrator's backend confirms what a journey has connected.
    Confirm(usize),
    Maintain,
    Damage(usize),
    Repair(usize),
    /// Browsers follow a link.
    FollowLink(usize),
    /// All clocks are stopped, or started again.
    StopClocks,
    StartClocks,
    /// The table stops accepting writes, or accepts them again.
    StopTable,
    StartTable,
}

/// [`Actor::Replay`], packed.
pub const REPLAY: u32 = 5 << 24;

impl Actor {
    pub(super) fn pack(self) -> u32 {
        let (kind, index) = match self {
            Self::Sweep => (0, 0),
            Self::Reader(index) => (1, index),
            Self::Customer(index) => (2, index),
            Self::Return(index) => (3, index),
            Self::Disconnect(index) => (4, index),
            Self::Replay => (REPLAY >> 24, 0),
            Self::Import(index) => (6, index),
            Self::Confirm(index) => (7, index),
            Self::Maintain => (8, 0),
            Self::Damage(index) => (9, index),
            Self::Repair(index) => (10, index),
            Self::FollowLink(index) => (11, index),
            Self::StopClocks => (12, 0),
            Self::StartClocks => (13, 0),
            Self::StopTable => (14, 0),
            Self::StartTable => (15, 0),
        };
        (kind << 24) | index as u32
    }

    pub(super) fn unpack(number: u32) -> Self {
        let index = (number & 0xFF_FFFF) as usize;
        match number >> 24 {
            0 => Self::Sweep,
            1 => Self::Reader(index),
            2 => Self::Customer(index),
            3 => Self::Return(index),
            4 => Self::Disconnect(index),
            6 => Self::Import(index),
            7 => Self::Confirm(index),
            8 => Self::Maintain,
            9 => Self::Damage(index),
            10 => Self::Repair(index),
            11 => Self::FollowLink(index),
            12 => Self::StopClocks,
            13 => Self::StartClocks,
            14 => Self::StopTable,
            15 => Self::StartTable,
            _ => Self::Replay,
        }
    }
}
