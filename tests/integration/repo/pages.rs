//! The repository's pages of Markdown: their fenced blocks, headings and links.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// Folders without pages of the project.
const SKIPPED: [&str; 3] = ["target", "tests", "node_modules"];

/// A page.
pub struct Page {
    /// Its path in the repository.
    pub path: PathBuf,
    pub text: String,
}

/// A fenced block of a page.
pub struct Block {
    /// The first word of its info string, such as `sh`.
    pub language: String,
    /// The rest of its info string, such as `needs-aws`.
    pub mark: String,
    /// Page and line, for messages.
    pub origin: String,
    pub text: String,
}

/// Folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Page {
    /// All pages of the repository.
    pub fn all() -> Result<Vec<Self>> {
        let mut pages = Vec::new();
        Self::collect(root(), &mut pages)?;
        pages.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(pages)
    }

    /// The page at this path in the repository.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(root().join(path)).with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_owned(), text })
    }

    fn collect(folder: &Path, pages: &mut Vec<Self>) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let (path, name) = (entry.as_ref().map(fs::DirEntry::path), entry.as_ref().map(fs::DirEntry::file_name));
            let (Ok(path), Ok(name)) = (path, name) else { continue };
            let name = name.to_string_lossy();
            let is_hidden = name.starts_with('.') && name != ".github";
            if path.is_dir() && !is_hidden && !SKIPPED.contains(&&*name) {
                Self::collect(&path, pages)?;
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(Self::read(path.strip_prefix(root())?)?);
            }
        }
        Ok(())
    }

    /// Its fenced blocks, from top to bottom.
    pub fn blocks(&self) -> Result<Vec<Block>> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(info) = line.trim_start().strip_prefix("```") else { continue };
            let indent = line.len() - line.trim_start().len();
            let origin = format!("{}:{}", self.path.display(), number + 1);
            let (language, mark) = info.split_once(' ').unwrap_or((info, ""));
            let mut text = String::new();
            loop {
                let (_, line) = lines.next().with_context(|| format!("{origin}: the block has no end"))?;
                if line.trim() == "```" {
                    break;
                }
                text += line.get(indent..).unwrap_or_default();
                text.push('\n');
            }
            blocks.push(Block { language: language.to_owned(), mark: mark.trim().to_owned(), origin, text });
        }
        Ok(blocks)
    }

    /// The page without fenced blocks.
    fn prose(&self) -> String {
        let mut is_code = false;
        let keep = |line: &&str| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        };
        self.text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect()
    }

    /// What its links point to.
    pub fn links(&self) -> Vec<String> {
        let text = without_code(&self.prose());
        text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
    }

    /// The anchors of its headings, as GitHub and mdBook make them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut seen = BTreeMap::new();
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        let anchor = |heading: &str| {
            let slug = slug(heading.trim_start_matches('#').trim());
            let count: &mut usize = seen.entry(slug.clone()).or_default();
            *count += 1;
            if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
        };
        headings.map(anchor).collect()
    }
}

/// The anchor of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

/// A text without its code spans. A span ends with as many backticks as it begins with.
fn without_code(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let (before, from) = rest.split_at(at);
        kept += before;
        let ticks = from.len() - from.trim_start_matches('`').len();
        let after = &from[ticks..];
        rest = end_of_span(after, ticks).map_or(after, |end| &after[end..]);
    }
    kept + rest
}

/// Where the first run of exactly this many backticks ends.
fn end_of_span(text: &str, ticks: usize) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find('`') {
        let start = from + at;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        from = start + run;
        if run == ticks {
            return Some(from);
        }
    }
    None
}

#[test]
fn pages_are_read_as_readers_see_them() -> Result<()> {
    let text = "# The `quota`, twice\n\n# The quota, twice\n\n- x\n  ```sh needs-aws\n  # no heading\n  aws\n  ```\n\
                `a` ``b ` [no](code)`` [yes](to.md#x)\n";
    let page = Page { path: "x.md".into(), text: text.to_owned() };
    assert_eq!(page.anchors(), ["the-quota-twice".to_owned(), "the-quota-twice-1".to_owned()].into());
    assert_eq!(page.links(), ["to.md#x"]);
    let blocks = page.blocks()?;
    ensure!(blocks.len() == 1, "not one block");
    let Block { language, mark, origin, text } = &blocks[0];
    assert_eq!([language, mark, origin, text], ["sh", "needs-aws", "x.md:6", "# no heading\naws\n"]);
    Ok(())
}
