//! Tables, ages and counts.

use k8s_openapi::jiff::Timestamp;

use crate::domain::report::text::printable;

/// Returns rows with their cells aligned, two blanks between columns.
pub(super) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let length = |cell: &String| cell.chars().count();
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(length).max().unwrap_or_default();
    let widths: Vec<_> = (0..count).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{:<width$}", printable(cell)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Returns how long ago something was, in its largest unit, as kubectl does: `5s`, `3m`, `2h`, `4d`.
pub(super) fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns a number with its noun: `1 key`, `2 keys`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_aligned_and_steer_no_terminal() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(
            columns(&[row(["NAME", "AGE"]), row(["a\u{1b}[2J", "5s"]), row(["é", ""])]),
            ["NAME   AGE", "a [2J  5s", "é"]
        );
        assert_eq!(columns(&[]), [""; 0]);
    }

    #[test]
    fn ages_are_in_their_largest_unit() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        for (seconds, expected) in [(-3, "0s"), (5, "5s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (200_000, "2d")] {
            assert_eq!(age(at(1_000_000 + seconds), at(1_000_000)), expected);
        }
    }
}
