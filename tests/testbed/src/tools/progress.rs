//! Progress of long steps, shown to the user.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::process::Process;

/// Time between two updates of the line on a terminal.
const TERMINAL_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two lines where standard error is not a terminal.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// Time between two checks whether the program has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Prints a line on standard error. Tests show it too, because their capture covers only the print macros.
pub fn say(line: &str) {
    // If standard error is closed, the line has no reader.
    let _ = writeln!(std::io::stderr(), "testbed: {line}");
}

/// Runs `command` to its end and shows `what` it does and for how long. `note` says how long it should take.
pub(super) fn run(what: &str, note: &str, command: &Command, log: &Path) -> Result<()> {
    // Supervised, because a build that outlives this process would continue without holding the lock.
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
