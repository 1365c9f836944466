//! How much work one evaluation may do, in counts that are the same on every machine.

use std::cell::Cell;

/// The work that evaluating one policy for one request may do.
///
/// Each comparison is charged for in advance, by the lengths of what is compared. Once a limit is reached, nothing more
/// is compared and the result must not be used: [`Limits::check`] says so.
#[derive(Debug)]
pub struct Limits {
    steps: u64,
    expanded: usize,
    left: Cell<u64>,
    exceeded: Cell<Option<Exceeded>>,
}

/// The limit that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// A value of the policy with its variables replaced.
    #[error("a value of the policy is longer than {0} bytes with its policy variables replaced")]
    Expanded(usize),
    /// All comparisons together.
    #[error("comparing the policy with the request takes more than {0} steps (a step is about a character)")]
    Steps(u64),
}

impl Limits {
    /// At most this many steps in all, each about the cost of comparing one character, and this many bytes for each value of
    /// the policy with its variables replaced.
    #[must_use]
    pub fn new(steps: u64, expanded: usize) -> Self {
        Self {
            steps,
            expanded,
            left: Cell::new(steps),
            exceeded: Cell::new(None),
        }
    }

    /// No limits, for policies and requests whose size is known.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, usize::MAX)
    }

    /// Checks whether the limits were enough.
    ///
    /// # Errors
    /// The limit that was exceeded first.
    pub fn check(&self) -> Result<(), Exceeded> {
        self.exceeded.get().map_or(Ok(()), Err)
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.exceeded.get().is_some()
    }

    /// Takes this many steps; `false` if too few are left.
    pub(super) fn take(&self, steps: u64) -> bool {
        match self.left.get().checked_sub(steps) {
            Some(left) => self.left.set(left),
            None => self.exceed(Exceeded::Steps(self.steps)),
        }
        !self.is_used_up()
    }

    /// Whether a value of this length, with its variables replaced, is within the limit.
    pub(super) fn holds(&self, expanded: usize) -> bool {
        if expanded > self.expanded {
            self.exceed(Exceeded::Expanded(self.expanded));
        }
        !self.is_used_up()
    }

    fn exceed(&self, limit: Exceeded) {
        self.exceeded.set(self.exceeded.get().or(Some(limit)));
    }
}
