//! Throughput quotas: one token bucket per account, region and category, shared by all callers.

use std::collections::HashMap;
use std::time::Instant;

/// Calls a second of each category. The defaults are those of a new account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// `GetParameter`, `GetParameters` and `GetParametersByPath` together.
    pub reads: f64,
    /// `DescribeParameters`, `GetParameterHistory`, labels and `PutParameter`.
    pub others: f64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { reads: 40.0, others: 3.0 }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Category {
    Reads,
    Others,
    Deletions,
}

fn category(operation: &str) -> Option<Category> {
    match operation {
        "GetParameter" | "GetParameters" | "GetParametersByPath" => Some(Category::Reads),
        "DescribeParameters"
        | "GetParameterHistory"
        | "LabelParameterVersion"
        | "UnlabelParameterVersion"
        | "PutParameter" => Some(Category::Others),
        "DeleteParameter" | "DeleteParameters" => Some(Category::Deletions),
        _ => None,
    }
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// The buckets. There is no limit until a quota is set.
#[derive(Default)]
pub(super) struct Quotas {
    quota: Option<Quota>,
    buckets: HashMap<(String, String, Category), Bucket>,
}

impl Quotas {
    /// Sets the quota, with full buckets, or removes it.
    pub(super) fn set(&mut self, quota: Option<Quota>) {
        self.quota = quota;
        self.buckets.clear();
    }

    /// Takes a token if the operation needs one. Returns false if the call is throttled. A bucket holds the tokens of one
    /// second.
    pub(super) fn admit(&mut self, account: &str, region: &str, operation: &str, now: Instant) -> bool {
        let (Some(quota), Some(category)) = (self.quota, category(operation)) else {
            return true;
        };
        let rate = match category {
            Category::Reads => quota.reads,
            Category::Others | Category::Deletions => quota.others,
        };
        let key = (account.to_owned(), region.to_owned(), category);
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: rate.max(1.0), filled: now });
        let gained = now.saturating_duration_since(bucket.filled).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + gained).min(rate.max(1.0));
        bucket.filled = now;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_per_account_region_and_category() {
        let mut quotas = Quotas::default();
        let now = Instant::now();
        let mut admit = |region: &str, operation: &str, after: u64| {
            quotas.admit("1", region, operation, now + Duration::from_millis(after))
        };
        assert!((0..100).all(|_| admit("r", "GetParameters", 0)), "off by default");
        quotas.set(Some(Quota::default()));
        let mut admit = |region: &str, operation: &str, after: u64| {
            quotas.admit("1", region, operation, now + Duration::from_millis(after))
        };
        assert_eq!((0..50).filter(|_| admit("r", "GetParameters", 0)).count(), 40);
        assert!(!admit("r", "GetParameter", 0), "shared between the get operations");
        assert!(admit("other", "GetParameter", 0));
        assert_eq!((0..5).filter(|_| admit("r", "PutParameter", 0)).count(), 3);
        assert!(admit("r", "DeleteParameter", 0));
        assert_eq!((0..50).filter(|_| admit("r", "GetParameters", 500)).count(), 20);
        assert!(admit("r", "DescribeKey", 0), "KMS is not limited here");
    }
}
