//! Whether AWS fails as a whole, or only for some names. Pure.

use crate::domain::parameter::name::ParameterRef;
use crate::parameters::port::ReadMode;

/// Calls that fail in a row before AWS counts as out. With fewer, the fault may be that of names: even if all ten names of
/// a call are at fault, each is alone after 19 failed calls.
const OUT_AFTER: u32 = 20;

/// The calls that failed in a row because AWS did not serve them.
#[derive(Debug, Default)]
pub(crate) struct Failing {
    in_a_row: u32,
    /// The names that were found at fault meanwhile.
    suspects: Vec<(ReadMode, ParameterRef)>,
}

impl Failing {
    /// Notes that a call succeeded, or that AWS refused it for a cause of its own.
    pub(crate) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Notes that a call failed.
    pub(crate) const fn failed(&mut self) {
        self.in_a_row = self.in_a_row.saturating_add(1);
    }

    /// Notes that a name seems to be at fault, since its call failed though it was alone.
    pub(crate) fn suspect(&mut self, mode: ReadMode, name: &ParameterRef) {
        self.suspects.push((mode, name.clone()));
    }

    /// Reports whether AWS is out as a whole, so that calls for fewer names would fail as well.
    pub(crate) const fn is_out(&self) -> bool {
        self.in_a_row >= OUT_AFTER
    }

    /// Takes the names that were suspected and are not at fault after all, since AWS is out as a whole.
    pub(crate) fn take_cleared(&mut self) -> Vec<(ReadMode, ParameterRef)> {
        if self.is_out() { std::mem::take(&mut self.suspects) } else { Vec::new() }
    }
}
