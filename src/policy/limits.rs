//! How much one evaluation is allowed to take, in counts that are the same on every machine.

use std::cell::Cell;

/// What evaluating one policy for one request is allowed to take.
///
/// Comparing is charged for before it is done, by the lengths of what is compared. When a limit is reached, the rest
/// is not compared any more, and what came out is not to be used: [`Limits::check`] says so.
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
    /// So many steps in all, of which one is about what comparing a character takes; and so many bytes for each value of
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

    /// Was it enough?
    ///
    /// # Errors
    /// The limit that was exceeded first.
    pub fn check(&self) -> Result<(), Exceeded> {
        self.exceeded.get().map_or(Ok(()), Err)
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.exceeded.get().is_some()
    }

    /// Takes so many steps; `false` when there are none left.
    pub(super) fn take(&self, steps: u64) -> bool {
        match self.left.get().checked_sub(steps) {
            Some(left) => self.left.set(left),
            None => self.exceed(Exceeded::Steps(self.steps)),
        }
        !self.is_used_up()
    }

    /// Is a value not too long with its variables replaced?
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
