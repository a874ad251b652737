//! What the API server says about requests, from its own counters.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use axum::http::Request;
use kube::Client;

/// Requests by what they were about, for example `secrets APPLY`.
pub type Requests = BTreeMap<String, u64>;

/// Only the operator writes these while a measurement runs.
const OURS: [(&str, &str); 4] =
    [("secrets", ""), ("events", ""), ("secureparameters", "status"), ("clusterparameterstores", "status")];
/// Requests for single objects; lists and watches are not the operator's alone.
const VERBS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "APPLY", "DELETE"];

/// Every request so far for what only the operator touches.
pub async fn requests(client: &Client) -> Result<Requests> {
    let text = client.request_text(Request::get("/metrics").body(Vec::new())?).await?;
    let mut requests = Requests::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
        let (labels, count) = line.rsplit_once("} ").context("not a metric")?;
        let label = |name: &str| {
            let mut labels = labels.split(',').filter_map(|label| label.split_once('='));
            labels.find(|(key, _)| *key == name).map_or("", |(_, value)| value.trim_matches('"'))
        };
        let (resource, subresource, verb) = (label("resource"), label("subresource"), label("verb"));
        if OURS.contains(&(resource, subresource)) && VERBS.contains(&verb) {
            let refused = if label("code").starts_with('2') { String::new() } else { format!(" {}", label("code")) };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let count = count.parse::<f64>()? as u64;
            *requests.entry(format!("{resource} {verb}{refused}")).or_default() += count;
        }
    }
    Ok(requests)
}

/// What came to `before` since.
pub fn since(before: &Requests, now: Requests) -> Requests {
    let more = now.into_iter().map(|(what, count)| {
        let more = count - before.get(&what).copied().unwrap_or_default();
        (what, more)
    });
    more.filter(|(_, count)| *count > 0).collect()
}
