//! Goldens: what the plugin printed when somebody looked at it and found it right. `UPDATE=1` rewrites them.

use std::{fs, path::Path};

use anyhow::{Result, ensure};

use crate::support::same_as_file;

/// Checks that a text is as the golden has it, but for times.
pub fn check(name: &str, text: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/plugin/goldens").join(name);
    same_as_file(&path, &normalized(text), "plugin::")
}

/// Replaces times and ages.
fn normalized(text: &str) -> String {
    let mut in_table = false;
    let line = |line: &str| {
        in_table |= line.ends_with("  AGE");
        let words =
            line.split(' ').map(|word| if is_time(word.trim_matches(['"', ',', ';', '.'])) { "TIME" } else { word });
        let line = words.collect::<Vec<_>>().join(" ");
        match line.rsplit_once("  ") {
            Some((rest, age)) if in_table && !line.starts_with(' ') && is_age(age) => format!("{rest}  AGE"),
            _ => line,
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

fn is_time(word: &str) -> bool {
    word.len() >= 20 && word.ends_with('Z') && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T'
}

fn is_age(word: &str) -> bool {
    let word = word.trim();
    word.strip_suffix(['s', 'm', 'h']).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The page about the plugin shows what the plugin printed.
#[test]
fn the_page_is_made_of_goldens() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut goldens = Vec::new();
    for entry in fs::read_dir(root.join("tests/integration/plugin/goldens"))? {
        goldens.push(fs::read_to_string(entry?.path())?);
    }
    let page = fs::read_to_string(root.join("docs/kubectl-plugin.md"))?;
    let blocks: Vec<_> = page.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    ensure!(blocks.len() >= 5, "only {} outputs", blocks.len());
    for block in blocks {
        let without_command = block.split_once('\n').filter(|(first, _)| first.starts_with("$ ")).map(|(_, rest)| rest);
        let texts = [Some(block), without_command].into_iter().flatten().map(normalized);
        let is_golden = texts.into_iter().any(|text| goldens.iter().any(|golden| golden.contains(&text)));
        ensure!(is_golden, "docs/kubectl-plugin.md shows what no golden has:\n{block}");
    }
    Ok(())
}
