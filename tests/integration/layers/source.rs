//! Reads the source of the product: without tests, comments and the content of texts.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A file of the product.
pub struct SourceFile {
    /// Its path below `src/`.
    pub path: String,
    /// The path of its module: `["domain", "plan"]` for `domain/plan/mod.rs`.
    pub module: Vec<String>,
    /// Its code.
    pub code: String,
}

impl SourceFile {
    /// Reports whether the file belongs to a folder directly below `src/`.
    pub fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(&format!("{folder}/"))
    }
}

/// Reads all files below `root` that are not for tests alone.
pub fn read(root: &Path) -> Result<Vec<SourceFile>> {
    let mut texts = Vec::new();
    for path in rust_files(root)? {
        let name = path.strip_prefix(root)?.to_str().context("a path that is not text")?;
        texts.push((name.to_owned(), fs::read_to_string(&path)?));
    }
    Ok(product(texts))
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the files that are part of the product, from paths and texts.
pub fn product(texts: Vec<(String, String)>) -> Vec<SourceFile> {
    let mut test_modules = BTreeSet::new();
    let mut files = Vec::new();
    for (path, text) in texts {
        let module = module(&path);
        let (product_code, modules) = without_tests(&without_comments(&text));
        test_modules.extend(modules.into_iter().map(|name| [module.as_slice(), &[name]].concat()));
        files.push(SourceFile { path, module, code: product_code });
    }
    let is_test = |module: &[String]| (0..=module.len()).any(|length| test_modules.contains(&module[..length]));
    files.retain(|file| !is_test(&file.module));
    files
}

fn module(path: &str) -> Vec<String> {
    let mut module: Vec<_> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// Removes comments, and the content of texts and characters. Each run of white space becomes one space.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, replacement) = token(rest, first);
        match replacement {
            // Separates what the white space or comment separated.
            " " if code.ends_with(' ') => {}
            replacement => code.push_str(replacement),
        }
        rest = &rest[length..];
    }
    code
}

/// Returns the length of what `rest` begins with, and the code that it stands for.
fn token(rest: &str, first: char) -> (usize, &str) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), " ");
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |end| end + 2), " ");
    }
    if first.is_whitespace() {
        return (rest.len() - rest.trim_start().len(), " ");
    }
    if first.is_alphanumeric() || first == '_' {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let is_raw = matches!(&rest[..end], "r" | "br") && rest[end..].starts_with(['"', '#']);
        return match raw_text(&rest[end..]) {
            Some(length) if is_raw => (end + length, "\"\""),
            _ => (end, &rest[..end]),
        };
    }
    match first {
        '"' => (quoted(rest, '"'), "\"\""),
        // A character, unless it is a lifetime.
        '\'' if rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => (quoted(rest, '\''), "' '"),
        _ => (first.len_utf8(), &rest[..first.len_utf8()]),
    }
}

/// Returns the length of a quoted text.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Returns the length of a raw text without its `r`, if there is one.
fn raw_text(rest: &str) -> Option<usize> {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(hashes + 1 + body.find(&end)? + end.len())
}

/// Removes test modules. Returns the code, and the names of test modules that are files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut product, mut files, mut rest) = (String::new(), Vec::new(), code);
    while let Some(at) = rest.find(MARK) {
        product.push_str(&rest[..at]);
        rest = &rest[at + MARK.len()..];
        let item = rest.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let Some(module) = item.strip_prefix("mod ") else { continue };
        let end = module.find([';', '{']).unwrap_or(module.len());
        if module[end..].starts_with(';') {
            files.push(module[..end].trim().to_owned());
            rest = &module[end + 1..];
        } else {
            rest = &module[end + block(&module[end..])..];
        }
    }
    product.push_str(rest);
    (product, files)
}

/// Returns the length of a block, which begins with its brace.
fn block(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}
