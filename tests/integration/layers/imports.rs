//! Which file imports which: every path of the source is resolved to the file that defines the item it names.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::SourceFile;

type ModulePath = Vec<String>;

/// The imports of all files.
pub struct Imports<'a> {
    files: BTreeMap<&'a [String], &'a SourceFile>,
    paths: BTreeMap<&'a str, Paths>,
}

/// The paths that a file contains.
#[derive(Default)]
struct Paths {
    /// Those of its `use` declarations, with the name that each binds. A glob binds `*`.
    uses: Vec<(String, ModulePath)>,
    /// Those that stand in the code.
    inline: Vec<ModulePath>,
}

impl<'a> Imports<'a> {
    /// Reads the imports of all files.
    pub fn new(files: &'a [SourceFile]) -> Self {
        let paths = files.iter().map(|file| (file.path.as_str(), paths(&file.code))).collect();
        Self { files: files.iter().map(|file| (file.module.as_slice(), file)).collect(), paths }
    }

    /// Returns the first segments of all paths into this crate that the file contains.
    pub fn layers_used_by(&self, file: &SourceFile) -> BTreeSet<String> {
        self.absolute_paths(file).filter_map(|path| path.first().cloned()).collect()
    }

    /// Returns the paths into other crates that the file contains.
    pub fn external_paths(&self, file: &SourceFile) -> BTreeSet<String> {
        let paths = self.all_paths(file).filter(|path| self.absolute(&file.module, path).is_none());
        paths.map(|path| path.join("::")).collect()
    }

    /// Returns each circle as a line of paths. Of the circles through a file, the shortest is returned.
    pub fn circles(&self) -> Vec<String> {
        let graph: BTreeMap<_, _> =
            self.files.values().map(|file| (file.path.as_str(), self.imported_by(file))).collect();
        let mut circles = BTreeMap::new();
        for file in graph.keys() {
            if let Some(circle) = shortest_circle(&graph, file) {
                let members: BTreeSet<_> = circle.iter().copied().collect();
                circles.entry(members).or_insert_with(|| [circle.as_slice(), &[circle[0]]].concat().join(" -> "));
            }
        }
        circles.into_values().collect()
    }

    /// Returns the other files that a file imports from.
    fn imported_by(&self, file: &SourceFile) -> BTreeSet<&'a str> {
        let files = self.absolute_paths(file).filter_map(|path| self.defining_file(&path, &mut BTreeSet::new()));
        files.map(|imported| imported.path.as_str()).filter(|path| *path != file.path).collect()
    }

    fn all_paths(&self, file: &SourceFile) -> impl Iterator<Item = &ModulePath> {
        let paths = self.paths.get(file.path.as_str());
        paths.into_iter().flat_map(|paths| paths.uses.iter().map(|(_, path)| path).chain(&paths.inline))
    }

    fn absolute_paths(&self, file: &SourceFile) -> impl Iterator<Item = ModulePath> {
        self.all_paths(file).filter_map(|path| self.absolute(&file.module, path))
    }

    /// Returns a path from the root of this crate, or `None` if it leads into another crate or begins with a local name.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<ModulePath> {
        let first = path.first()?.as_str();
        let (base, rest) = match first {
            "crate" => (&[][..], &path[1..]),
            "self" => (module, &path[1..]),
            "super" => {
                let levels = path.iter().take_while(|segment| *segment == "super").count();
                (module.get(..module.len().checked_sub(levels)?)?, &path[levels..])
            }
            child => {
                let is_child = self.files.contains_key([module, &[child.to_owned()]].concat().as_slice());
                (is_child.then_some(module)?, path)
            }
        };
        Some([base, rest].concat())
    }

    /// Returns the file that defines the item at an absolute path. Follows what `use` declarations bind on the way.
    fn defining_file(&self, path: &[String], seen: &mut BTreeSet<ModulePath>) -> Option<&'a SourceFile> {
        if !seen.insert(path.to_vec()) {
            return None;
        }
        let depth = (0..=path.len()).rev().find(|depth| self.files.contains_key(&path[..*depth]))?;
        let file = self.files[&path[..depth]];
        let Some(item) = path.get(depth).filter(|item| *item != "*") else { return Some(file) };
        let uses = || self.paths[file.path.as_str()].uses.iter();
        let mut named = uses().filter(|(name, _)| name == item);
        if let Some((_, target)) = named.next()
            && let Some(target) = self.absolute(&file.module, target)
        {
            return self.defining_file(&[target.as_slice(), &path[depth + 1..]].concat(), seen);
        }
        if !defines(&file.code, item) {
            for (_, glob) in uses().filter(|(name, _)| name == "*") {
                let Some(glob) = self.absolute(&file.module, &glob[..glob.len() - 1]) else { continue };
                let target = [glob.as_slice(), &path[depth..]].concat();
                if let Some(found) = self.defining_file(&target, seen).filter(|found| defines(&found.code, item)) {
                    return Some(found);
                }
            }
        }
        Some(file)
    }
}

/// Reports whether code has a definition of this name.
fn defines(code: &str, name: &str) -> bool {
    const KEYWORDS: [&str; 8] = ["struct", "enum", "trait", "fn", "type", "const", "static", "mod"];
    KEYWORDS.iter().any(|keyword| {
        let definition = format!("{keyword} {name}");
        code.match_indices(&definition).any(|(at, _)| {
            let after = code[at + definition.len()..].chars().next();
            !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    })
}

/// Returns the files of the shortest circle through a file, beginning with it.
fn shortest_circle<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut queue = VecDeque::from([vec![start]]);
    let mut reached = BTreeSet::new();
    while let Some(path) = queue.pop_front() {
        for &next in path.last().and_then(|last| graph.get(last)).into_iter().flatten() {
            if next == start {
                return Some(path);
            }
            if reached.insert(next) {
                queue.push_back([path.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

fn paths(code: &str) -> Paths {
    let tokens = tokens(code);
    let (mut paths, mut at) = (Paths::default(), 0);
    while at < tokens.len() {
        if tokens[at] == "use" {
            let end = tokens[at..].iter().position(|token| *token == ";").map_or(tokens.len(), |end| at + end);
            // `use<'a>` of a return type is no declaration.
            if tokens.get(at + 1) != Some(&"<") {
                read_tree(&tokens[at + 1..end], &mut Vec::new(), &mut paths.uses);
                at = end;
            }
        } else if is_name(tokens[at]) && tokens.get(at + 1) == Some(&"::") {
            let mut path = vec![tokens[at].to_owned()];
            while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2).is_some_and(|token| is_name(token)) {
                at += 2;
                path.push(tokens[at].to_owned());
            }
            paths.inline.push(path);
        }
        at += 1;
    }
    paths
}

/// Reads one item of a `use` declaration, or the items of a group, below a prefix.
fn read_tree(tokens: &[&str], prefix: &mut ModulePath, uses: &mut Vec<(String, ModulePath)>) {
    let length = prefix.len();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at] {
            "{" => {
                for item in items(&tokens[at + 1..]) {
                    read_tree(item, prefix, uses);
                }
                prefix.truncate(length);
                return;
            }
            "as" => break,
            "::" => {}
            // `name::{self}` binds the name itself.
            "self" if !prefix.is_empty() => {}
            segment => prefix.push(segment.to_owned()),
        }
        at += 1;
    }
    if let Some(last) = prefix.last() {
        let name = tokens.get(at + 1).map_or(last.clone(), |alias| (*alias).to_owned());
        uses.push((name, prefix.clone()));
    }
    prefix.truncate(length);
}

/// Returns the items of a group, up to the brace that closes it.
fn items<'t, 'a>(tokens: &'t [&'a str]) -> Vec<&'t [&'a str]> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" => depth += 1,
            "}" if depth > 0 => depth -= 1,
            "," | "}" if depth == 0 => {
                items.push(&tokens[start..at]);
                start = at + 1;
                if *token == "}" {
                    break;
                }
            }
            _ => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Splits code into names, `::` and single characters.
fn tokens(code: &str) -> Vec<&str> {
    let (mut tokens, mut rest) = (Vec::new(), code);
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    tokens
}
