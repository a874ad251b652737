//! Counts the work of a thread, so that tests can tell how it grows with the input. Outside tests this is nothing.

/// Counts so many steps of work, such as characters that were looked at.
#[inline]
pub(crate) fn count(steps: usize) {
    #[cfg(test)]
    counter::STEPS.with(|counter| counter.set(counter.get() + steps));
    #[cfg(not(test))]
    let _ = steps;
}

/// Returns how many steps some work takes.
#[cfg(test)]
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> usize {
    let before = counter::STEPS.with(std::cell::Cell::get);
    drop(work());
    counter::STEPS.with(std::cell::Cell::get) - before
}

#[cfg(test)]
mod counter {
    use std::cell::Cell;

    thread_local! {
        pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
    }
}
