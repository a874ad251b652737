//! The choice of one version of a parameter.

use std::fmt;

/// The choice of one version of a parameter. Without a selector, the newest version is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// A fixed version. It never changes.
    Version(i64),
    /// The version that carries the label.
    Label(String),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "{version}"),
            Self::Label(label) => f.write_str(label),
        }
    }
}
