//! Whether AWS fails as a whole, or only for some names. Pure.

/// Calls that fail in a row before AWS counts as out. With fewer, the fault may be that of a name: of ten names of which
/// four are at fault, halving finds a part without fault after no more calls than this.
const OUT_AFTER: u32 = 8;

/// Counts the calls that failed in a row because AWS did not serve them.
#[derive(Debug, Default)]
pub(crate) struct Failing {
    in_a_row: u32,
}

impl Failing {
    /// Notes that a call succeeded, or that AWS refused it for a cause of its own.
    pub(crate) const fn answered(&mut self) {
        self.in_a_row = 0;
    }

    /// Notes that a call failed.
    pub(crate) const fn failed(&mut self) {
        self.in_a_row = self.in_a_row.saturating_add(1);
    }

    /// Reports whether AWS is out as a whole, so that calls for fewer names would fail as well.
    pub(crate) const fn is_out(&self) -> bool {
        self.in_a_row >= OUT_AFTER
    }
}
