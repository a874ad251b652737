//! How long a call waits for more names. Pure; time is an argument.
//!
//! A call waits a moment, so that requests made together share it. In a burst that is not enough: requests of a cold start
//! come as fast as the API server takes Secrets, which is a few within such a moment. There a call waits until it is full,
//! as Nagle's algorithm has it for packets, but for a bounded time. So about two calls a second are made that are not full,
//! however slowly requests go on coming.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::parameters::port::NAMES_PER_CALL;

/// How long a call waits for more names.
const WINDOW: Duration = Duration::from_millis(25);

/// How long a call waits at most in a burst, unless it is full.
const BURST_WINDOW: Duration = Duration::from_millis(500);

/// This many calls within [`BURST_WITHIN`] are a burst.
const BURST: usize = 4;

/// See [`BURST`].
const BURST_WITHIN: Duration = Duration::from_secs(2);

/// The batch window of one kind of call.
#[derive(Debug, Default)]
pub(crate) struct BatchWindow {
    /// When the last calls began, [`BURST`] at most.
    begun: VecDeque<Instant>,
}

impl BatchWindow {
    /// Notes that a call began.
    pub(crate) fn call_began(&mut self, now: Instant) {
        if self.begun.len() == BURST {
            self.begun.pop_front();
        }
        self.begun.push_back(now);
    }

    /// Returns until when the next call waits for more names, for which `names` wait, the first of them `since` then.
    pub(crate) fn ends_at(&self, names: usize, since: Instant) -> Instant {
        let end = since + WINDOW;
        let is_burst = self.begun.len() == BURST && names < NAMES_PER_CALL;
        match self.begun.front() {
            Some(first) if is_burst => end.max(*first + BURST_WITHIN).min(since + BURST_WINDOW),
            _ => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn a_part_full_call_waits_longer_in_a_burst() {
        let (mut window, start) = (BatchWindow::default(), Instant::now());
        let waits = |window: &BatchWindow, names, at: Duration| {
            (window.ends_at(names, start + at).saturating_duration_since(start + at)).as_millis()
        };
        for call in 0..4 {
            assert_eq!(waits(&window, 1, call * 10 * MILLISECOND), 25, "call {call}");
            window.call_began(start + call * 10 * MILLISECOND);
        }
        for (names, at, expected) in [(9, 100, 500), (10, 100, 25), (1, 1_800, 200), (1, 1_990, 25), (1, 5_000, 25)] {
            assert_eq!(waits(&window, names, at * MILLISECOND), expected, "{names} names at {at} ms");
        }
    }
}
