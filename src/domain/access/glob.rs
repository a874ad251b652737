//! Globs on names: `*` and `?` stop at `/`, `**` as a whole segment does not, and everything else stands for itself.
//! Braces and brackets are refused, since they have a meaning elsewhere.
//!
//! A glob is an automaton whose states are the bits of a few words, so that a match takes the same few operations for each
//! character of the name, whatever the glob: shift-and, by Baeza-Yates and Gonnet.
//!
//! This is not left to a library because compiled globs stay in memory, those of each rule for each namespace and those that
//! tenants write: one takes some hundred bytes here, but 13 KiB as a regular expression of `globset` (2,000 of them were
//! measured), which also matches bytes rather than characters.

use std::fmt;

use crate::domain::steps;

/// A compiled glob.
#[derive(Clone)]
pub(crate) struct Glob {
    text: Box<str>,
    /// What every name begins with that the glob matches.
    prefix: Box<str>,
    /// Number of words of each set of states.
    words: usize,
    /// The characters that the glob holds, in order.
    characters: Box<[char]>,
    /// For each of these, the states from which it leads to the next state.
    steps: Box<[u64]>,
    /// The states from which any character but `/` leads to the next state.
    any: Box<[u64]>,
    /// The states that any character but `/` leaves as they are.
    star: Box<[u64]>,
    /// The states that any character leaves as they are.
    everything: Box<[u64]>,
    /// The states that come back after each later `/`.
    folders: Box<[u64]>,
    /// The state at which the whole glob has matched.
    last: usize,
}

/// Compiles a glob.
///
/// # Errors
/// Says what is wrong with the glob, without a full stop.
pub(crate) fn compile(glob: &str) -> Result<Glob, String> {
    if glob.contains(['{', '}']) {
        return Err(format!("glob {glob} has braces, which are not allowed"));
    }
    if glob.contains(['[', ']']) {
        return Err(format!("glob {glob} has brackets, which are not allowed"));
    }
    Ok(Parsed::of(glob).compile(glob))
}

/// A glob as one token for each character that it consumes, and what may come between two of them.
#[derive(Default)]
struct Parsed {
    /// Characters; `None` stands for any but `/`.
    tokens: Vec<Option<char>>,
    star: Vec<usize>,
    everything: Vec<usize>,
    folders: Vec<usize>,
}

impl Parsed {
    fn of(glob: &str) -> Self {
        let mut parsed = Self::default();
        let mut segments = glob.split('/').peekable();
        while let Some(segment) = segments.next() {
            let (at, is_last) = (parsed.tokens.len(), segments.peek().is_none());
            if segment == "**" {
                // Folders include the `/` that follows them.
                if is_last {
                    parsed.everything.push(at);
                } else {
                    parsed.folders.push(at);
                }
                continue;
            }
            for character in segment.chars() {
                match character {
                    '*' => parsed.star.push(parsed.tokens.len()),
                    '?' => parsed.tokens.push(None),
                    other => parsed.tokens.push(Some(other)),
                }
            }
            if !is_last {
                parsed.tokens.push(Some('/'));
            }
        }
        parsed
    }

    fn compile(&self, glob: &str) -> Glob {
        let last = self.tokens.len();
        let words = last / 64 + 1;
        let set = |states: &mut dyn Iterator<Item = usize>| {
            let mut set = vec![0_u64; words].into_boxed_slice();
            states.for_each(|state| set[state / 64] |= 1 << (state % 64));
            set
        };
        let mut places: Vec<_> =
            self.tokens.iter().zip(0..).filter_map(|(token, at)| Some((((*token)?), at))).collect();
        places.sort_unstable();
        let by_character: Vec<_> = places.chunk_by(|one, other| one.0 == other.0).collect();
        let special = [&self.star, &self.everything, &self.folders].into_iter().flatten();
        let literal = special.copied().min().unwrap_or(last);
        Glob {
            text: glob.into(),
            prefix: self.tokens[..literal].iter().map_while(|token| *token).collect::<String>().into(),
            words,
            characters: by_character.iter().map(|places| places[0].0).collect(),
            steps: by_character.iter().flat_map(|places| set(&mut places.iter().map(|place| place.1))).collect(),
            any: set(&mut self.tokens.iter().zip(0..).filter(|(token, _)| token.is_none()).map(|(_, at)| at)),
            star: set(&mut self.star.iter().copied()),
            everything: set(&mut self.everything.iter().copied()),
            folders: set(&mut self.folders.iter().copied()),
            last,
        }
    }
}

impl Glob {
    /// Returns the text that the glob was compiled of.
    pub(crate) const fn text(&self) -> &str {
        &self.text
    }

    /// Reports whether the glob matches the whole name.
    pub(crate) fn is_match(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&*self.prefix) else { return false };
        let mut sets = vec![0; 3 * self.words];
        let (mut states, others) = sets.split_at_mut(self.words);
        let (mut next, passed) = others.split_at_mut(self.words);
        let first = self.prefix.chars().count();
        states[first / 64] = 1 << (first % 64);
        for character in rest.chars() {
            steps::count(self.words);
            self.step(character, states, next, passed);
            (states, next) = (next, states);
        }
        states[self.last / 64] & 1 << (self.last % 64) != 0
    }

    /// Computes the states after one character. `passed` holds the states before folders that were reached so far.
    fn step(&self, character: char, states: &[u64], next: &mut [u64], passed: &mut [u64]) {
        let own = self.characters.binary_search(&character).ok().map(|at| &self.steps[at * self.words..]);
        // A `/` opens folders; every other character is one that wildcards take.
        let (slash, other) = if character == '/' { (u64::MAX, 0) } else { (0, u64::MAX) };
        let mut carry = 0;
        for word in 0..self.words {
            let from = states[word];
            let consumed = from & (own.map_or(0, |own| own[word]) | self.any[word] & other);
            passed[word] |= from & self.folders[word];
            let stays = from & (self.everything[word] | self.star[word] & other) | passed[word] & slash;
            next[word] = consumed << 1 | carry | stays;
            carry = consumed >> 63;
        }
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_characters_rather_than_bytes() {
        for (glob, name, expected) in [
            ("?", "é", true),
            ("?", "💥", true),
            ("??", "é", false),
            ("a?c", "aßc", true),
            ("?", "/", false),
            ("*é", "éé", true),
            ("a**", "a/b", false),
            ("**/a", "a", true),
            ("**/a", "/a", true),
            ("**/a", "xa", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/xb", false),
            ("**", "", true),
        ] {
            assert_eq!(compile(glob).expect(glob).is_match(name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn a_glob_may_have_more_states_than_a_word_has_bits() {
        let glob = compile(&format!("{}*{}?", "ab".repeat(60), "c".repeat(130))).expect("a glob");
        let name = |middle: &str| format!("{}{middle}{}x", "ab".repeat(60), "c".repeat(130));
        assert!(glob.is_match(&name("")) && glob.is_match(&name("ccc")) && glob.is_match(&name("yz")));
        assert!(!glob.is_match(&name("/")) && !glob.is_match(&name("")[1..]));
    }

    #[test]
    fn what_has_a_meaning_elsewhere_is_refused() {
        for (glob, words) in [("{a,b}", "{a,b} has braces"), ("[a-z]*", "[a-z]* has brackets"), ("a]", "brackets")] {
            assert!(compile(glob).expect_err(glob).contains(words), "{glob}");
        }
    }
}
