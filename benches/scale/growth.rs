//! What each further object adds.

use anyhow::Result;

use crate::{
    report,
    scale::{Pair, Size},
};

const BYTES: f64 = 1024.0 * 1024.0;
const MILLISECONDS: f64 = 1000.0;

/// What grows: its name, how many of its unit are one of the figure, and the figure.
type Kind = (&'static str, f64, fn(&Pair) -> f64);

#[expect(clippy::cast_precision_loss, reason = "all numbers are far below 2^52")]
const KINDS: [Kind; 11] = [
    ("Peak memory, bytes", BYTES, |pair| pair.start.peak_mib),
    ("Memory at the end, bytes", BYTES, |pair| pair.start.resident_mib),
    ("API requests", 1.0, |pair| pair.start.api_requests.values().sum::<u64>() as f64),
    ("AWS calls", 1.0, |pair| pair.start.calls("") as f64),
    ("Decryptions by KMS", 1.0, |pair| pair.start.kms_decrypts as f64),
    ("CPU of the operator, ms", MILLISECONDS, |pair| pair.start.cpu_seconds.operator),
    ("CPU of API server and etcd, ms", MILLISECONDS, |pair| pair.start.cpu_seconds.storage()),
    ("The same during `raw`, ms", MILLISECONDS, |pair| pair.raw.cpu_seconds.storage()),
    ("CPU of the plain client of `raw`, ms", MILLISECONDS, |pair| pair.raw.cpu_seconds.bench),
    ("Cold start, ms", MILLISECONDS, |pair| pair.start.seconds),
    ("`raw`, ms", MILLISECONDS, |pair| pair.raw.seconds),
];

/// Prints the slopes between sizes that follow each other.
pub fn show(sizes: &[Size]) -> Result<()> {
    if sizes.len() < 2 {
        return Ok(());
    }
    let steps: Vec<_> = sizes.windows(2).collect();
    let titles = steps.iter().map(|step| format!("{} to {}", step[0].objects, step[1].objects));
    let mut lines = Vec::new();
    for (what, unit, figure) in KINDS {
        let slopes = steps.iter().map(|step| format!("{:.2}", unit * slope(&step[0], &step[1], figure)));
        lines.push((what, slopes.collect()));
    }
    report::growth(&titles.collect::<Vec<_>>(), &lines)
}

fn slope(small: &Size, large: &Size, figure: fn(&Pair) -> f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a number of objects")]
    let objects = large.objects as f64 - small.objects as f64;
    (large.mean(figure) - small.mean(figure)) / objects
}
