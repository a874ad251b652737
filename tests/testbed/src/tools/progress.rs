//! What the user sees while something is made.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::process::Process;

/// How often a terminal's line is rewritten.
const TERMINAL_INTERVAL: Duration = Duration::from_secs(1);
/// How often a log gets a line.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// How often the program is asked whether it has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Says a line on standard error, also inside a test, whose capture takes only what the print macros write.
pub fn say(line: &str) {
    // With standard error closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "testbed: {line}");
}

/// Runs `command` to its end and shows `what` it is doing and for how long; `note` says what to expect of it.
pub fn run(what: &str, note: &str, command: &Command, log: &Path) -> Result<()> {
    // Supervised, because a build that survives its starter would go on without holding the lock.
    let process = Process::start(what, command, log)?;
    let terminal = std::io::stderr().is_terminal();
    let start = Instant::now();
    let mut shown = start;
    if !terminal {
        say(&format!("{what} ({note})"));
    }
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        if terminal {
            if shown == start || shown.elapsed() >= TERMINAL_INTERVAL {
                shown = Instant::now();
                let _ = write!(std::io::stderr(), "\rtestbed: {what} ({note}) ... {} s ", start.elapsed().as_secs());
            }
        } else if shown.elapsed() >= LOG_INTERVAL {
            shown = Instant::now();
            say(&format!("{what} ... {} s", start.elapsed().as_secs()));
        }
        thread::sleep(POLL_INTERVAL);
    };
    if terminal {
        let _ = writeln!(std::io::stderr());
    }
    if !status.success() {
        bail!("{what} failed ({status}); end of {}:\n{}", log.display(), process.log_tail());
    }
    say(&format!("{what}: done in {} s", start.elapsed().as_secs()));
    Ok(())
}
