//! `rewrite`: operations on keys, as far as they amount to a style and a prefix.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    api::{KeyMapping, KeyStyle},
    domain::migrate::{fields::Fields, note::Notes},
};

/// What the names are that become keys.
#[derive(Clone, Copy)]
pub(super) enum Names<'a> {
    /// Names of fields.
    Fields,
    /// Full names of parameters below this path, which has no slash at its end.
    Parameters(&'a str),
}

/// How names become keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// As the spec says it; `None` if they stay as they are.
    pub(super) mapping: Option<KeyMapping>,
    /// What becomes of names more than one level below a path.
    pub(super) deeper: Deeper,
    /// What the translation takes for granted.
    pub(super) condition: Option<String>,
}

/// What becomes of names more than one level below a path, compared with ESO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Deeper {
    /// The same keys.
    #[default]
    Same,
    /// ESO refuses them, since a key cannot hold `/`.
    Refused,
    /// Other keys.
    Different,
}

/// What was removed from the beginning of names.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Removed {
    /// Nothing.
    #[default]
    Nothing,
    /// The path.
    Path,
    /// All but the last level.
    UpToLastLevel,
}

/// What the operations so far do.
#[derive(Default)]
struct State {
    /// What was removed from the beginning of the names.
    removed: Removed,
    upper: bool,
    /// The characters that were replaced by `_`.
    replaced: BTreeSet<char>,
    /// Whether all but letters and digits were replaced.
    all_replaced: bool,
    prefix: String,
}

/// Translates the operations on keys.
///
/// # Errors
/// What has no equivalent, as a sentence without a full stop.
pub(super) fn translate(operations: Vec<(String, Value)>, names: Names<'_>, notes: &Notes) -> Result<Keys, String> {
    if operations.is_empty() {
        return Ok(match names {
            Names::Fields => Keys::default(),
            // ESO replaces what a key cannot hold.
            Names::Parameters(path) => {
                let prefix = format!("{path}/").replace('/', "_");
                Keys { mapping: mapping(None, &prefix)?, deeper: Deeper::Different, condition: None }
            }
        });
    }
    let mut state = State::default();
    for (place, operation) in operations {
        let mut operation = Fields::new(operation, place, notes);
        if let Some(mut regexp) = operation.object("regexp") {
            let (source, target) =
                (regexp.text("source").unwrap_or_default(), regexp.text("target").unwrap_or_default());
            state.replace(&source, &target, names)?;
        }
        if let Some(mut transform) = operation.object("transform") {
            state.transform(&transform.text("template").unwrap_or_default(), names)?;
        }
        if operation.take("merge").is_some() {
            return Err("merging JSON values into one has no equivalent".to_owned());
        }
    }
    state.keys(names)
}

impl State {
    /// Applies the replacement of what an expression matches.
    fn replace(&mut self, source: &str, target: &str, names: Names<'_>) -> Result<(), String> {
        const REST: [&str; 5] = ["(.*)", "(.+)", "(.*)$", "(.+)$", ""];
        let unknown = || Err(format!("replacing {source} by {target} has no equivalent"));
        let expression = source.replace('\\', "");
        let expression = expression.strip_prefix('^').unwrap_or(&expression);
        let kept = target.strip_suffix("$1").or_else(|| target.strip_suffix("${1}"));
        if let Names::Parameters(path) = names
            && self.removed == Removed::Nothing
        {
            let rest = expression.strip_prefix(&format!("{path}/"));
            let last = [".*/", "(.*)/", "/.*/"].iter().find_map(|start| expression.strip_prefix(start));
            let group = if last.is_some() && expression.starts_with("(.*)/") { "$2" } else { "$1" };
            let Some(rest) = rest.or(last).filter(|rest| REST.contains(rest)) else { return unknown() };
            let kept = if rest.is_empty() { Some(target) } else { kept.filter(|_| group == "$1") };
            let Some(prefix) = kept else { return unknown() };
            self.removed = if last.is_some() { Removed::UpToLastLevel } else { Removed::Path };
            prefix.clone_into(&mut self.prefix);
            return Ok(());
        }
        let classes = ["[^a-zA-Z0-9]", "[^A-Za-z0-9]", "[^a-zA-Z0-9_]", "[^A-Za-z0-9_]", r"\W", r"[^\w]"];
        let is_class = classes.contains(&source);
        if is_class && target == "_" {
            self.all_replaced = true;
            self.prefix = self.prefix.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            return Ok(());
        }
        if let Some(characters) = single_characters(source).filter(|_| target == "_") {
            self.prefix = self.prefix.chars().map(|c| if characters.contains(&c) { '_' } else { c }).collect();
            self.replaced.extend(characters);
            return Ok(());
        }
        let is_whole = ["(.*)", "(.+)", "(.*)$", "(.+)$"].contains(&expression);
        let prefix = if source == "^" { Some(target) } else { kept.filter(|_| is_whole) };
        match prefix {
            Some(prefix) if !prefix.contains('$') => self.prefix.insert_str(0, prefix),
            _ => return unknown(),
        }
        Ok(())
    }

    /// Applies a template.
    fn transform(&mut self, template: &str, names: Names<'_>) -> Result<(), String> {
        let unknown = || format!("the template {template} has no equivalent");
        let (prefix, rest) = template.trim().split_once("{{").ok_or_else(unknown)?;
        let pipeline = rest.strip_suffix("}}").ok_or_else(unknown)?.trim_matches(['-', ' ']);
        let mut commands = pipeline.split('|').map(str::trim);
        match commands.next() {
            Some(".value") => {}
            Some("upper .value") => self.make_upper(),
            _ => return Err(unknown()),
        }
        for command in commands {
            let words: Vec<_> = command.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
            match words[..] {
                ["upper"] => self.make_upper(),
                ["replace", from, "_"] if from.chars().count() == 1 => {
                    self.prefix = self.prefix.replace(from, "_");
                    self.replaced.extend(from.chars());
                }
                ["trimPrefix", start] => match names {
                    Names::Parameters(path) if self.removed == Removed::Nothing && start == format!("{path}/") => {
                        self.removed = Removed::Path;
                    }
                    _ => return Err(unknown()),
                },
                _ => return Err(unknown()),
            }
        }
        self.prefix.insert_str(0, prefix);
        Ok(())
    }

    fn make_upper(&mut self) {
        self.upper = true;
        self.prefix = self.prefix.to_uppercase();
    }

    fn keys(self, names: Names<'_>) -> Result<Keys, String> {
        let is_below_path = matches!(names, Names::Parameters(_));
        if is_below_path && self.removed == Removed::Nothing {
            return Err("keys that begin with the whole path have no equivalent".to_owned());
        }
        // Other characters cannot be in the key of a Secret, nor in the name of a parameter.
        let replaces = |character| self.all_replaced || self.replaced.contains(&character);
        let (is_complete, replaces_slash) = (replaces('-') && replaces('.'), replaces('/'));
        let is_untouched = !self.all_replaced && self.replaced.is_empty();
        let style = match (self.upper, is_complete) {
            (true, true) => Some(KeyStyle::EnvVar),
            (false, _) if is_untouched => None,
            (false, false) if self.replaced.iter().all(|character| *character == '/') => None,
            (true, false) => {
                return Err("upper case has an equivalent only if - and . become _ too (style EnvVar)".to_owned());
            }
            (false, _) => {
                return Err("_ for other characters has an equivalent only in upper case (style EnvVar)".to_owned());
            }
        };
        let condition = (style.is_some() && self.prefix.is_empty())
            .then(|| "no name begins with a digit, since such a key gets _ before it here".to_owned());
        let deeper = match style {
            _ if !is_below_path => Deeper::Same,
            _ if self.removed == Removed::UpToLastLevel => Deeper::Different,
            _ if !replaces_slash => Deeper::Refused,
            Some(_) => Deeper::Same,
            None => Deeper::Different,
        };
        Ok(Keys { mapping: mapping(style, &self.prefix)?, deeper, condition })
    }
}

/// Returns the characters of an expression that matches single ones, such as `-` or `[-.]`.
fn single_characters(expression: &str) -> Option<BTreeSet<char>> {
    let Some(inner) = expression.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return match expression {
            "-" | "/" | ":" | "_" | " " | "@" => Some(expression.chars().collect()),
            r"\." => Some(['.'].into()),
            r"\-" => Some(['-'].into()),
            r"\/" => Some(['/'].into()),
            _ => None,
        };
    };
    let (mut found, mut rest) = (BTreeSet::new(), inner.chars());
    while let Some(character) = rest.next() {
        let character = match character {
            '\\' => rest.next()?,
            // Between two others, it stands for a range.
            '-' if !found.is_empty() && !rest.as_str().is_empty() => return None,
            other => other,
        };
        found.insert(Some(character).filter(|character| "-./:_ @".contains(*character))?);
    }
    Some(found).filter(|found| !found.is_empty())
}

fn mapping(style: Option<KeyStyle>, prefix: &str) -> Result<Option<KeyMapping>, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || style.is_none() && (c == '-' || c == '.');
    if prefix.len() > 100 || !prefix.chars().all(is_allowed) {
        return Err(format!("{prefix} cannot be a prefix of keys here"));
    }
    let prefix = Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty());
    Ok((style.is_some() || prefix.is_some()).then_some(KeyMapping { style, prefix }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(operations: &Value, names: Names<'_>) -> Result<Keys, String> {
        let list = operations.as_array().expect("a list").iter().cloned();
        translate(list.map(|operation| (String::new(), operation)).collect(), names, &Notes::default())
    }

    fn regexp(source: &str, target: &str) -> Value {
        json!({"regexp": {"source": source, "target": target}})
    }

    #[test]
    fn operations_become_a_style_and_a_prefix() {
        let path = Names::Parameters("/shop/app");
        let upper = json!({"transform": {"template": "{{ .value | upper }}"}});
        for (operations, names, style, prefix, deeper) in [
            (json!([]), Names::Fields, None, None, Deeper::Same),
            (json!([]), path, None, Some("_shop_app_"), Deeper::Different),
            (json!([regexp("/shop/app/(.*)", "$1")]), path, None, None, Deeper::Refused),
            (json!([regexp("^/shop/app/", "")]), path, None, None, Deeper::Refused),
            (json!([regexp(".*/(.*)", "db-$1")]), path, None, Some("db-"), Deeper::Different),
            (json!([regexp("^(.*)$", "APP_$1")]), Names::Fields, None, Some("APP_"), Deeper::Same),
            (json!([{"transform": {"template": "app-{{ .value }}"}}]), Names::Fields, None, Some("app-"), Deeper::Same),
            (
                json!([regexp("/shop/app/", ""), regexp("[^a-zA-Z0-9]", "_"), upper]),
                path,
                Some(KeyStyle::EnvVar),
                None,
                Deeper::Same,
            ),
            (json!([regexp("[^A-Za-z0-9_]", "_"), upper]), Names::Fields, Some(KeyStyle::EnvVar), None, Deeper::Same),
            (
                json!([{"transform": {"template": "{{ .value | upper | replace \"-\" \"_\" | replace \".\" \"_\" }}"}}]),
                Names::Fields,
                Some(KeyStyle::EnvVar),
                None,
                Deeper::Same,
            ),
        ] {
            let found = keys(&operations, names).unwrap_or_else(|problem| unreachable!("{operations}: {problem}"));
            let mapping = found.mapping.unwrap_or_default();
            let expected = (style, prefix.map(str::to_owned), deeper);
            assert_eq!((mapping.style, mapping.prefix, found.deeper), expected, "{operations}");
        }
    }

    #[test]
    fn brackets_hold_single_characters_or_are_refused() {
        for (expression, expected) in [
            (r"[\-\-]", Some("-")),
            ("[-.]", Some("-.")),
            ("[.-]", Some("-.")),
            (r"[.\-/]", Some("-./")),
            ("[ä-z]", None),
            ("[-ä]", None),
            ("[.-/]", None),
            (r"[\--/]", None),
            (r"[\]", None),
            ("[]", None),
            ("[", None),
        ] {
            let expected = expected.map(|characters: &str| characters.chars().collect());
            assert_eq!(single_characters(expression), expected, "{expression}");
        }
    }

    #[test]
    fn other_operations_are_refused() {
        for operations in [
            json!([regexp("-", "_")]),
            json!([regexp(".", "_"), {"transform": {"template": "{{ .value | upper }}"}}]),
            json!([regexp("W", "_"), {"transform": {"template": "{{ .value | upper }}"}}]),
            json!([regexp("[.-/]", "_"), {"transform": {"template": "{{ .value | upper }}"}}]),
            json!([{"transform": {"template": "{{ .value | upper }}"}}]),
            json!([{"transform": {"template": "{{ .value | lower }}"}}]),
            json!([regexp("(.*)", "$1_old")]),
            json!([regexp("a", "b")]),
            json!([{"merge": {}}]),
            json!([regexp("^", "a b")]),
        ] {
            assert!(keys(&operations, Names::Fields).is_err(), "{operations}");
        }
        let whole_path = json!([regexp("/", "_")]);
        assert!(keys(&whole_path, Names::Parameters("/shop/app")).is_err());
    }
}
