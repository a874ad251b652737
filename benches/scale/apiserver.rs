//! Numbers of requests, from the counters of the API server.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use axum::http::Request;
use kube::Client;

/// Numbers of requests by resource and verb, for example `secrets APPLY`.
pub type Requests = BTreeMap<String, u64>;

/// Resources and subresources that only the operator writes during a measurement.
const OURS: [(&str, &str); 5] = [
    ("secrets", ""),
    ("events", ""),
    ("secureparameters", "status"),
    ("clusterparameterstores", "status"),
    ("parameterstores", "status"),
];
/// Verbs for single objects. Lists and watches are excluded, because not only the operator makes them.
const VERBS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "APPLY", "DELETE"];

/// All requests so far for these resources.
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

/// The requests since `before`.
pub fn since(before: &Requests, now: Requests) -> Requests {
    let more = now.into_iter().map(|(what, count)| {
        let more = count - before.get(&what).copied().unwrap_or_default();
        (what, more)
    });
    more.filter(|(_, count)| *count > 0).collect()
}
