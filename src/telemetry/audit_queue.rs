//! The records that wait to be written to the audit stream. Bounded: what finds no room is lost and counted.

use std::{collections::VecDeque, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// How long calls of AWS wait for room. After that they are made, and their records may be lost.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// A line of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A record.
    Record(String),
    /// The announcement of lost records. It becomes text when it is written.
    Gap(Gap),
}

/// Records that were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Their number.
    pub(crate) count: u64,
    /// When the first one was lost.
    pub(crate) since: Timestamp,
}

/// A record that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// A gap begins with it.
    First,
    /// It belongs to a gap that began before.
    Further,
}

/// Lines that wait. Records are refused from the moment one does not fit until half of the room is free again, so that
/// there is one gap and not many.
#[derive(Debug)]
pub(crate) struct AuditQueue {
    lines: VecDeque<Line>,
    /// Whether a line is being written.
    is_writing: bool,
    /// Bytes of the records that wait or are being written.
    bytes: usize,
    capacity: usize,
    /// When more than half of the room was taken, if it still is.
    congested_since: Option<Instant>,
    /// Whether records are refused.
    is_full: bool,
    gap: Option<Gap>,
}

impl AuditQueue {
    /// Creates an empty queue for this many bytes.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            is_writing: false,
            bytes: 0,
            capacity,
            congested_since: None,
            is_full: false,
            gap: None,
        }
    }

    /// Adds a record, or loses it if there is no room.
    ///
    /// # Errors
    /// The loss.
    pub(crate) fn add(&mut self, record: String, now: Instant, time: Timestamp) -> Result<(), Loss> {
        self.is_full |= self.bytes + record.len() > self.capacity;
        if self.is_full {
            return Err(self.lose(1, time));
        }
        self.bytes += record.len();
        self.lines.push_back(Line::Record(record));
        if self.is_half_full() {
            self.congested_since.get_or_insert(now);
        }
        Ok(())
    }

    /// Notes that records were lost at `time`.
    pub(crate) fn lose(&mut self, count: u64, time: Timestamp) -> Loss {
        let loss = if self.gap.is_none() { Loss::First } else { Loss::Further };
        self.gap.get_or_insert(Gap { count: 0, since: time }).count += count;
        loss
    }

    /// Reports whether calls of AWS should wait for room.
    pub(crate) fn is_congested(&self, now: Instant) -> bool {
        self.congested_since.is_some_and(|since| now.saturating_duration_since(since) < LONGEST_DELAY)
    }

    /// Takes the next line. Its room stays taken until [`AuditQueue::finished`].
    pub(crate) fn take(&mut self) -> Option<Line> {
        let line = self.lines.pop_front();
        self.is_writing = line.is_some();
        line
    }

    /// Frees the room of a line of this length that is no longer being written.
    pub(crate) fn finished(&mut self, line: &Line) {
        self.is_writing = false;
        if let Line::Record(record) = line {
            self.bytes -= record.len();
        }
        if !self.is_half_full() {
            self.congested_since = None;
            self.is_full = false;
        }
    }

    /// Announces the gap, if there is one and there is room again. To be called when a line was written.
    pub(crate) fn announce_gap(&mut self) {
        if !self.is_half_full()
            && let Some(gap) = self.gap.take()
        {
            self.lines.push_back(Line::Gap(gap));
        }
    }

    /// Returns the number of lines that wait or are being written.
    pub(crate) fn unwritten(&self) -> usize {
        self.lines.len() + usize::from(self.is_writing)
    }

    const fn is_half_full(&self) -> bool {
        self.bytes > self.capacity / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Timestamp = Timestamp::UNIX_EPOCH;

    fn record(number: usize) -> String {
        format!("record {number}\n")
    }

    /// A queue for ten records, and how many of `count` records it took.
    fn filled(count: usize) -> (AuditQueue, usize) {
        let mut queue = AuditQueue::new(10 * record(0).len());
        let added = (0..count).filter(|_| add(&mut queue)).count();
        (queue, added)
    }

    fn add(queue: &mut AuditQueue) -> bool {
        queue.add(record(0), Instant::now(), EPOCH).is_ok()
    }

    fn finish(queue: &mut AuditQueue, count: usize) {
        for _ in 0..count {
            let line = queue.take().expect("a line");
            queue.finished(&line);
        }
    }

    #[test]
    fn what_finds_no_room_is_refused_until_half_is_free() {
        let (mut queue, added) = filled(12);
        assert_eq!(added, 10);
        finish(&mut queue, 4);
        assert!(!add(&mut queue), "a second gap would begin soon");
        finish(&mut queue, 1);
        assert!(add(&mut queue));
    }

    #[test]
    fn a_line_that_is_being_written_takes_room() {
        let (mut queue, _) = filled(10);
        let line = queue.take().expect("a line");
        assert_eq!(queue.unwritten(), 10);
        assert!(!add(&mut queue));
        queue.finished(&line);
        assert_eq!(queue.unwritten(), 9);
        finish(&mut queue, 9);
        assert_eq!(queue.unwritten(), 0);
    }

    #[test]
    fn a_gap_is_announced_once_where_it_is() {
        let (mut queue, _) = filled(10);
        assert_eq!(queue.lose(1, EPOCH), Loss::First);
        assert_eq!(queue.lose(2, Timestamp::MAX), Loss::Further);
        queue.announce_gap();
        finish(&mut queue, 5);
        queue.announce_gap();
        queue.announce_gap();
        assert!(add(&mut queue));
        finish(&mut queue, 5);
        assert_eq!(queue.take(), Some(Line::Gap(Gap { count: 3, since: EPOCH })));
        assert_eq!(queue.take(), Some(Line::Record(record(0))));
        assert_eq!(queue.take(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_wait_for_room_but_not_for_ever() {
        let (mut queue, _) = filled(5);
        assert!(!queue.is_congested(Instant::now()));
        assert!(add(&mut queue));
        assert!(queue.is_congested(Instant::now()));
        tokio::time::advance(LONGEST_DELAY).await;
        assert!(!queue.is_congested(Instant::now()), "the reader takes nothing");
        assert!(add(&mut queue));
        assert!(!queue.is_congested(Instant::now()), "the wait is for all calls together");
        finish(&mut queue, 2);
        assert!(add(&mut queue));
        assert!(queue.is_congested(Instant::now()), "the reader had taken something");
    }
}
