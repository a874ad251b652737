//! Values that Parameter Store decrypts although the store says that KMS should. Pure; time is an argument.

use std::{collections::HashMap, fmt, time::Duration};

use tokio::time::Instant;

/// How long Parameter Store decrypts a value before KMS is tried again: the parameter may have another key or tier by
/// then.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// Why Parameter Store decrypts a value that KMS cannot decrypt directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SsmFallback {
    /// The value is an envelope of the advanced tier.
    AdvancedTier,
    /// AWS manages the key, or its manager is not known.
    ManagedKey,
}

impl fmt::Display for SsmFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdvancedTier => "advanced tier",
            Self::ManagedKey => "AWS managed key, or no permission to use the key directly",
        })
    }
}

/// The parameters that Parameter Store decrypts.
#[derive(Debug, Default)]
pub(crate) struct SsmFallbacks {
    /// By ARN, with the time since when.
    by_arn: HashMap<String, (SsmFallback, Instant)>,
    /// With more than these, those that are too old are forgotten.
    prune_at: usize,
}

impl SsmFallbacks {
    /// Returns the fallback of a parameter. A change of the parameter ends it.
    pub(crate) fn get(&mut self, arn: &str, changed_at: Option<Instant>, now: Instant) -> Option<SsmFallback> {
        let (fallback, since) = self.by_arn.get(arn)?;
        let is_recent = now.saturating_duration_since(*since) < MAX_AGE;
        if is_recent && changed_at.is_none_or(|changed_at| changed_at <= *since) {
            return Some(*fallback);
        }
        self.by_arn.remove(arn);
        None
    }

    /// Begins a fallback.
    pub(crate) fn insert(&mut self, arn: &str, fallback: SsmFallback, now: Instant) {
        self.by_arn.insert(arn.to_owned(), (fallback, now));
        if self.by_arn.len() > self.prune_at {
            self.by_arn.retain(|_, (_, since)| now.saturating_duration_since(*since) < MAX_AGE);
            self.prune_at = 2 * self.by_arn.len();
        }
    }

    /// Notes that the fallback was used for the version that is known now, so that observing it does not end the
    /// fallback.
    pub(crate) fn confirm(&mut self, arn: &str, now: Instant) {
        if let Some((_, since)) = self.by_arn.get_mut(arn) {
            *since = now;
        }
    }
}
