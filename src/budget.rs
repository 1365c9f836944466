//! How much work a diagnosis may do.

use std::cell::Cell;

/// The work that may be done, counted in steps and never by a clock: the same evidence always yields the same report.
///
/// One step is a few nanoseconds: 16 bytes copied or examined. Comparing a short value of a policy with a short text takes
/// about ten of them.
#[derive(Debug)]
pub struct Budget {
    left: Cell<u64>,
    is_spent: Cell<bool>,
}

impl Budget {
    /// The budget for each of three tasks: finding the nearest value, searching for who else gets in, and proving the fixes.
    /// A typical policy uses a thousandth of it.
    pub const USUAL: u64 = 30_000_000;

    /// A budget of this many steps.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        Self {
            left: Cell::new(steps),
            is_spent: Cell::new(false),
        }
    }

    /// Takes steps. Returns `false` once too few are left, and from then on: later, smaller tasks aren't done either.
    #[must_use]
    pub fn take(&self, steps: u64) -> bool {
        if let Some(left) = self.left.get().checked_sub(steps).filter(|_| !self.is_spent()) {
            self.left.set(left);
            return true;
        }
        self.is_spent.set(true);
        false
    }

    /// Whether something was left out for lack of steps.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.is_spent.get()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::USUAL)
    }
}

/// The steps for a text of this many bytes.
#[must_use]
pub(crate) fn steps(bytes: usize) -> u64 {
    1 + u64::try_from(bytes / 16).unwrap_or(u64::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_stays_spent() {
        let budget = Budget::new(10);
        assert!(budget.take(4) && budget.take(6) && budget.take(0) && !budget.is_spent());
        assert!(!budget.take(1) && budget.is_spent());
        let budget = Budget::new(10);
        assert!(!budget.take(11));
        assert!(!budget.take(1), "a smaller thing that comes later is not done either");
    }
}
