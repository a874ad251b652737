//! Arguments.

use std::{fmt::Display, str::FromStr, time::Duration};

use anyhow::{Context, Result, bail};

/// Default number of objects of scenarios whose number can be chosen.
const OBJECTS: usize = 1000;
/// Default sizes of scenario `scale`.
const SIZES: [usize; 3] = [1000, 10_000, 50_000];
/// Default length of scenario `adversary`.
const ADVERSARY: Duration = Duration::from_mins(2);

/// What is run, and how.
pub struct Options {
    /// Names of scenarios; empty for all.
    pub scenarios: Vec<String>,
    /// Length of scenario `adversary`.
    pub adversary: Duration,
    /// How often scenario `scale` measures each size.
    pub pairs: usize,
    /// Numbers of objects that were asked for.
    objects: Vec<usize>,
}

impl Options {
    /// Reads the arguments without the name of the program.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { scenarios: Vec::new(), adversary: ADVERSARY, pairs: 1, objects: Vec::new() };
        for argument in arguments {
            match argument.split_once('=').unwrap_or((&argument, "")) {
                // Cargo adds it.
                ("--bench", _) => {}
                ("--seconds", value) => options.adversary = Duration::from_secs(number(&argument, value)?),
                ("--pairs", value) => options.pairs = number(&argument, value)?,
                ("--objects", value) => {
                    options.objects = value.split(',').map(|value| number(&argument, value)).collect::<Result<_>>()?;
                }
                (name, _) if name.starts_with('-') => {
                    bail!("no option {name}; there are --objects=N, --pairs=N and --seconds=N")
                }
                _ => options.scenarios.push(argument),
            }
        }
        Ok(options)
    }

    /// Number of objects of a scenario that has one size.
    pub fn objects(&self) -> usize {
        self.objects.first().copied().unwrap_or(OBJECTS)
    }

    /// Numbers of objects of scenario `scale`.
    pub fn sizes(&self) -> &[usize] {
        if self.objects.is_empty() { &SIZES } else { &self.objects }
    }
}

/// A number above zero.
fn number<N: FromStr + Display + PartialOrd + Default>(argument: &str, value: &str) -> Result<N> {
    let number = value.parse().ok().filter(|number| *number > N::default());
    number.with_context(|| format!("{argument} needs a whole number above zero"))
}
