//! The audit stream: one JSON object a line on standard output. Nothing else writes there.
//!
//! A thread writes it, because a reader that takes nothing would otherwise stop the reconciles.

use std::{
    io::{self, ErrorKind, Write},
    sync::Arc,
    thread,
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use parking_lot::{Condvar, Mutex};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::audit::{AuditRecord, AuditSink, RecordsLost, SecretWrite};
use crate::telemetry::{
    audit_queue::{AuditQueue, Gap, Line, Loss},
    metrics::Metrics,
};

/// Delay before a write is tried again that would have blocked: standard output may be a pipe that does not block.
const RETRY: Duration = Duration::from_millis(10);

/// Writes audit records to standard output and counts the calls they describe.
pub(crate) struct AuditStream {
    shared: Arc<Shared>,
}

struct Shared {
    metrics: Arc<Metrics>,
    queue: Mutex<AuditQueue>,
    /// Wakes the writer.
    added: Condvar,
    /// Wakes who waits for the end of the queue.
    written: Condvar,
}

impl AuditStream {
    /// Starts the thread that writes to `out`, with a queue of `capacity` bytes. Calls and lost records are counted in
    /// `metrics`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(metrics: Arc<Metrics>, capacity: usize, out: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Mutex::new(AuditQueue::new(capacity));
        let shared = Arc::new(Shared { metrics, queue, added: Condvar::new(), written: Condvar::new() });
        let writer = Writer { shared: Arc::clone(&shared), out, is_torn: false };
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        Ok(Self { shared })
    }

    /// Blocks until everything is written, for `timeout` at most. Returns the number of lines that are not.
    pub(crate) fn flush(&self, timeout: Duration) -> usize {
        let mut queue = self.shared.queue.lock();
        self.shared.written.wait_while_for(&mut queue, |queue| queue.unwritten() > 0, timeout);
        queue.unwritten()
    }

    fn write(&self, record: &impl Serialize) {
        let (now, time) = (Instant::now(), Timestamp::now());
        let added = match serde_json::to_string(record) {
            Ok(json) => self.shared.queue.lock().add(json + "\n", now, time),
            Err(_) => Err(self.shared.queue.lock().lose(1, time)),
        };
        match added {
            Ok(()) => drop(self.shared.added.notify_one()),
            Err(loss) => self.shared.lost(loss, "nobody takes them from standard output"),
        }
    }
}

impl AuditSink for AuditStream {
    fn record_call(&self, record: &AuditRecord) {
        self.shared.metrics.aws_call(record);
        self.write(record);
    }

    fn record_write(&self, record: &SecretWrite) {
        self.write(record);
    }

    fn is_congested(&self) -> bool {
        self.shared.queue.lock().is_congested(Instant::now())
    }
}

impl Shared {
    /// Counts a lost record. Logs the first one of a gap.
    fn lost(&self, loss: Loss, cause: &str) {
        self.metrics.audit_record_lost();
        if loss == Loss::First {
            tracing::warn!("audit records are being lost: {cause}; the stream will tell how many");
        }
    }
}

/// The part that runs in the thread.
struct Writer<W> {
    shared: Arc<Shared>,
    out: W,
    /// Whether a part of a line was written last.
    is_torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        loop {
            let line = self.next();
            let written = self.write_line(&line);
            if let Err(error) = &written {
                self.failed(&line, error);
            }
            let mut queue = self.shared.queue.lock();
            queue.finished(&line);
            if written.is_ok() {
                queue.announce_gap();
            }
            drop(queue);
            self.shared.written.notify_all();
        }
    }

    fn next(&self) -> Line {
        let mut queue = self.shared.queue.lock();
        loop {
            match queue.take() {
                Some(line) => return line,
                None => self.shared.added.wait(&mut queue),
            }
        }
    }

    fn failed(&self, line: &Line, error: &io::Error) {
        match line {
            Line::Record(_) => {
                let loss = self.shared.queue.lock().lose(1, Timestamp::now());
                self.shared.lost(loss, &format!("standard output cannot be written ({error})"));
            }
            // Announced again later.
            Line::Gap(gap) => {
                self.shared.queue.lock().lose(gap.count, gap.since);
            }
        }
    }

    fn write_line(&mut self, line: &Line) -> io::Result<()> {
        if self.is_torn {
            self.write_all(b"\n")?;
        }
        match line {
            Line::Record(record) => self.write_all(record.as_bytes()),
            Line::Gap(gap) => self.write_all(announcement(*gap).as_bytes()),
        }
    }

    /// Like that of [`Write`], but waits where the stream would block, and remembers whether a line was torn.
    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.out.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.is_torn = !bytes.is_empty();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }
}

fn announcement(Gap { count, since }: Gap) -> String {
    tracing::info!(count, %since, "audit records were lost; the stream is written again");
    let record = RecordsLost::new(Uuid::new_v4().to_string(), count, since, Timestamp::now());
    serde_json::to_string(&record).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, pipe};

    use serde_json::Value;

    use super::*;
    use crate::domain::audit::ObjectRef;

    /// More than any pipe holds.
    const RECORDS: usize = 2_000;
    const LONG: Duration = Duration::from_secs(60);

    fn record(number: usize) -> SecretWrite {
        let object = ObjectRef {
            kind: "SecureParameter",
            namespace: Some("shop".into()),
            name: "checkout".into(),
            uid: "uid".into(),
            secret: None,
            reason: "",
        };
        SecretWrite::new(number.to_string(), "apply", Timestamp::UNIX_EPOCH, None, vec![], object)
    }

    fn start(out: impl Write + Send + 'static) -> (Arc<Metrics>, AuditStream) {
        let metrics = Arc::new(Metrics::default());
        let stream = AuditStream::start(metrics.clone(), 16 * 1_024, out).expect("a thread");
        (metrics, stream)
    }

    fn lost(metrics: &Metrics) -> usize {
        let page = metrics.encode();
        let line = page.lines().find_map(|line| line.strip_prefix("secureparameter_audit_records_lost_total "));
        line.and_then(|count| count.parse().ok()).expect("the metric")
    }

    #[test]
    fn a_reader_that_takes_nothing_loses_records_and_is_told_how_many() {
        let (reader, writer) = pipe().expect("a pipe");
        let (metrics, stream) = start(writer);
        for number in 0..RECORDS {
            stream.record_write(&record(number));
        }
        let (mut read, mut announced, mut lines) = (0, 0, BufReader::new(reader).lines());
        while read + announced < RECORDS {
            let line = lines.next().expect("an open stream").expect("a line");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            if let Some(count) = line["recordsLost"]["count"].as_u64() {
                announced += usize::try_from(count).expect("a number");
            } else {
                assert_eq!(line["auditID"], (read + announced).to_string(), "a gap is announced where it is");
                read += 1;
            }
        }
        assert!(announced > 0);
        assert_eq!((announced, read + announced), (lost(&metrics), RECORDS));
        assert_eq!(stream.flush(LONG), 0);
    }

    #[test]
    fn a_closed_stream_loses_records_and_nothing_else() {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let (metrics, stream) = start(writer);
        for number in 0..10 {
            stream.record_write(&record(number));
        }
        assert_eq!(stream.flush(LONG), 0);
        assert_eq!(lost(&metrics), 10);
    }

    /// Takes a part of the first line, and then fails once.
    struct Torn<W>(usize, W);

    impl<W: Write> Write for Torn<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => self.1.write(&bytes[..10]),
                2 => Err(ErrorKind::StorageFull.into()),
                _ => self.1.write(bytes),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            self.1.flush()
        }
    }

    #[test]
    fn a_line_that_was_torn_does_not_spoil_the_next() {
        let (mut reader, writer) = pipe().expect("a pipe");
        let (metrics, stream) = start(Torn(0, writer));
        stream.record_write(&record(1));
        stream.record_write(&record(2));
        assert_eq!(stream.flush(LONG), 0);
        let mut text = [0; 4_096];
        let count = reader.read(&mut text).expect("text");
        let text = String::from_utf8_lossy(&text[..count]).into_owned();
        let second = text.lines().nth(1).and_then(|line| serde_json::from_str::<Value>(line).ok());
        assert_eq!(second.expect("a whole line")["auditID"], "2", "{text}");
        assert_eq!(lost(&metrics), 1);
    }
}
