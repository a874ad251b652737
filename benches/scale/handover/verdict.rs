//! The figures of the handovers beside their targets.

use std::time::Duration;

use anyhow::Result;

use crate::{
    measurement::Row,
    report::{self, Judged},
};

use super::replicas::Idle;

/// Longest time until somebody else holds the Lease, in seconds, by whether the leader could release it.
const TO_HOLDER: [(&str, bool, f64); 2] = [("kill -9", false, 15.0), ("clean stop", true, 2.0)];
/// Most calls that look at versions, for a thousand objects.
const LOOKS: f64 = 105.0;

/// One handover.
pub struct Handover {
    /// True if the leader was asked to stop.
    pub is_clean: bool,
    /// True if parameters were rotated meanwhile.
    pub is_rotated: bool,
    /// From the signal until somebody else held the Lease.
    pub to_holder: Duration,
    /// What the next leader used while it stood by.
    pub idle: Idle,
    /// Everything else, of the next leader.
    pub row: Row,
}

/// Prints the worst of each figure.
pub fn show(handovers: &[Handover]) -> Result<()> {
    let mut judged = Vec::new();
    for (what, is_clean, most) in TO_HOLDER {
        let these = handovers.iter().filter(|handover| handover.is_clean == is_clean);
        let seconds = worst(these.clone().map(|handover| handover.to_holder.as_secs_f64()));
        judged.push(Judged::new(&format!("From {what} to the new holder"), seconds, most, "s"));
    }
    let unchanged = || handovers.iter().filter(|handover| !handover.is_rotated).map(|handover| &handover.row);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let figures = [
        ("AWS calls of the standby", worst(handovers.iter().map(|handover| handover.idle.aws_calls as f64)), 0.0),
        ("Looks at versions, nothing rotated", worst(unchanged().map(|row| row.calls(LOOK) as f64)), LOOKS),
        ("Decryptions, nothing rotated", worst(unchanged().map(|row| row.kms_decrypts as f64)), 0.0),
        ("Writes besides the Lease, nothing rotated", worst(unchanged().map(|row| row.all_writes() as f64)), 0.0),
    ];
    judged.extend(figures.map(|(what, measured, most)| Judged::new(what, measured, most, "")));
    report::judge(&judged)?;
    for Handover { idle, row, .. } in handovers {
        let actions = match (row.latencies_ms.first(), row.latencies_ms.last()) {
            (Some(first), Some(last)) => format!("first and last rotated Secret after {first} and {last} ms, "),
            _ => String::new(),
        };
        report::note(&format!(
            "{}: {actions}all objects compared after {:.2} s; {:.0} MiB while standing by, {:.0} MiB at the end",
            row.scenario, row.seconds, idle.mebibytes, row.resident_mib
        ))?;
    }
    Ok(())
}

const LOOK: &str = "GetParameters checking";

fn worst(figures: impl Iterator<Item = f64>) -> f64 {
    figures.fold(0.0, f64::max)
}
