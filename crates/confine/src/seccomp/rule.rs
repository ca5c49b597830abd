//! What a rule can say about a call's arguments.

/// A call of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) nr: u32,
    #[cfg(test)]
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    /// Why the sentry needs it, for those who review it.
    pub(super) why: &'static str,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    /// Goes through.
    Allow,
    /// Goes through if one of these ways fits: all checks of a way must hold.
    When(&'static [&'static [Check]]),
    /// The same, and fails with the errno if none fits.
    WhenElse(&'static [&'static [Check]], i32),
    /// Fails with this errno, for a caller that is known to fall back.
    Fail(i32),
}

/// A condition on an argument, counted from 0. `…32` look at the low half only: for arguments that the kernel takes as
/// `int`, of which it ignores the rest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Check {
    /// Equals, all 64 bits.
    Is(u32, u64),
    /// Equals.
    Is32(u32, u32),
    /// Is one of.
    In32(u32, &'static [u32]),
    /// Is not.
    Not32(u32, u32),
    /// Has none of these bits.
    Without32(u32, u32),
    /// Masked with the first, equals the second.
    Masked32(u32, u32, u32),
    /// Is the sentry's own PID, or 0, which says the same.
    OwnOr0(u32),
}
