//! Child processes that end with the process that started them, even if that process is killed.
//!
//! Each program runs under a small shell supervisor that reads its own standard input. This process holds the writing
//! end of that pipe, and the kernel closes it when this process ends for any reason. The supervisor then ends the
//! program by its process id. A [`Process`] may therefore live in a `static`, which is never dropped.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

/// Number of lines of a log that an error message quotes.
const TAIL_LINES: usize = 25;
/// Time between two checks of a blocking wait.
const INTERVAL: Duration = Duration::from_millis(20);

/// Options of a [`Process`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Whole seconds between asking the program to end (SIGTERM) and ending it (SIGKILL).
    pub grace_seconds: u32,
    /// A folder to remove once the program has ended.
    pub remove: Option<PathBuf>,
    /// The file for standard error, if it must not go to the same file as standard output.
    pub errors: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { grace_seconds: 5, remove: None, errors: None }
    }
}

/// A running program. It ends when this is dropped, or when the process that holds this ends.
#[derive(Debug)]
pub struct Process {
    name: String,
    id: u32,
    log: PathBuf,
    grace: Duration,
    supervisor: Mutex<Child>,
    lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts `command` with standard output and standard error appended to `log`.
    ///
    /// The program, arguments, environment and working folder of the command are used; its standard streams are not.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        Self::start_with(name, command, log, &Options::default())
    }

    /// Like [`Process::start`], with options.
    pub fn start_with(name: &str, command: &Command, log: &Path, options: &Options) -> Result<Self> {
        let errors = options.errors.as_deref().unwrap_or(log);
        for file in [log, errors] {
            // Opened here, because the supervisor could not report why it cannot open a log.
            OpenOptions::new().create(true).append(true).open(file).with_context(|| file.display().to_string())?;
        }
        let mut supervisor = supervise(command, log, errors, options)
            .spawn()
            .with_context(|| format!("cannot start the supervisor of {name}"))?;
        let lifeline = supervisor.stdin.take();
        let mut line = String::new();
        let output = supervisor.stdout.take().context("the supervisor has no standard output")?;
        BufReader::new(output).read_line(&mut line)?;
        let id = line.trim().parse().with_context(|| format!("the supervisor of {name} did not start it"))?;
        Ok(Self {
            name: name.to_owned(),
            id,
            log: errors.to_owned(),
            grace: Duration::from_secs(options.grace_seconds.into()),
            supervisor: Mutex::new(supervisor),
            lifeline,
        })
    }

    /// Process id of the program itself, not of its supervisor.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The file with standard error, and with standard output unless [`Options::errors`] is set.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of [`Process::log`].
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// The exit status, if the program has ended. A program ended by signal N reports 128 + N.
    pub fn try_wait(&self) -> Result<Option<ExitStatus>> {
        Ok(self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?)
    }

    /// An error with the end of the log, if the program has ended.
    pub fn ensure_running(&self) -> Result<()> {
        match self.try_wait()? {
            None => Ok(()),
            Some(status) => Err(anyhow!("{} ended ({status}); end of its log:\n{}", self.name, self.log_tail())),
        }
    }

    /// Sends a signal by name, for example `TERM`, `KILL`, `STOP` or `CONT`.
    pub fn signal(&self, signal: &str) -> Result<()> {
        self.ensure_running()?;
        // The shell's own `kill`, because std has none and the program is not installed everywhere.
        let script = r#"kill -s "$1" "$2""#;
        let status = Command::new("sh").args(["-c", script, "sh", signal]).arg(self.id.to_string()).status()?;
        if !status.success() {
            bail!("cannot send SIG{signal} to {} (process {})", self.name, self.id);
        }
        Ok(())
    }

    /// Asks the program to end without waiting for it; it is killed after its grace period.
    pub fn close(&mut self) {
        self.lifeline = None;
    }

    /// Ends the program and waits until it has ended.
    pub fn stop(&mut self) -> Result<()> {
        self.close();
        // The supervisor kills the program after the grace period, so it ends before this deadline.
        self.wait(self.grace + Duration::from_secs(10)).map(drop)
    }

    /// Blocks until the program has ended by itself, for `timeout` at most.
    pub fn wait(&self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("{} (process {}) still runs after {timeout:?}", self.name, self.id);
            }
            thread::sleep(INTERVAL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error cannot be returned here. The supervisor continues without this process.
        let _ = self.stop();
    }
}

fn supervise(command: &Command, log: &Path, errors: &Path, options: &Options) -> Command {
    let mut supervisor = Command::new("sh");
    supervisor
        .args(["-c", include_str!("supervise.sh"), "supervise"])
        .arg(options.grace_seconds.to_string())
        .arg(options.remove.as_deref().unwrap_or(Path::new("")))
        .args([log, errors])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => supervisor.env(name, value),
            None => supervisor.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        supervisor.current_dir(folder);
    }
    // In its own process group, so that Ctrl-C in a terminal reaches only this process, which ends its children in order.
    supervisor.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    supervisor
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
