//! What a translation says beside the objects that it makes.

use std::{cell::RefCell, collections::BTreeMap};

use serde::Serialize;

/// What a note means for the object that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Effect {
    /// There is no equivalent: the object that is printed is a draft, which would give another Secret.
    NotTranslated,
    /// There is no equivalent, and it is left out. The Secret holds the same data without it.
    Dropped,
    /// The translation is right under the condition that the text names.
    Check,
}

/// Something that a person should know about a translation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// What it means for the object.
    pub effect: Effect,
    /// The field that it is about, for example `spec.data[0].remoteRef.property`; empty for the whole object.
    pub field: String,
    /// One sentence.
    pub text: String,
}

/// The notes about one object, each with its place in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<BTreeMap<Note, usize>>);

impl Notes {
    /// Says that a field has no equivalent, so that the object is a draft.
    pub(super) fn not_translated(&self, field: &str, text: impl Into<String>) {
        self.add(Effect::NotTranslated, field, text.into());
    }

    /// Says that a field has no equivalent and is left out.
    pub(super) fn dropped(&self, field: &str, text: impl Into<String>) {
        self.add(Effect::Dropped, field, text.into());
    }

    /// Says under which condition a translation is right.
    pub(super) fn check(&self, field: &str, text: impl Into<String>) {
        self.add(Effect::Check, field, text.into());
    }

    fn add(&self, effect: Effect, field: &str, text: String) {
        let note = Note { effect, field: field.to_owned(), text };
        let mut notes = self.0.borrow_mut();
        let place = notes.len();
        notes.entry(note).or_insert(place);
    }

    /// Returns the notes, the gravest first.
    pub(super) fn into_sorted(self) -> Vec<Note> {
        let mut notes: Vec<_> = self.0.into_inner().into_iter().collect();
        notes.sort_by_key(|(note, place)| (note.effect, *place));
        notes.into_iter().map(|(note, _)| note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_stand_once_in_the_order_in_which_they_were_made() {
        let notes = Notes::default();
        notes.check("b", "1");
        notes.check("a", "2");
        notes.not_translated("c", "3");
        notes.check("b", "1");
        let texts: Vec<_> = notes.into_sorted().into_iter().map(|note| note.text).collect();
        assert_eq!(texts, ["3", "1", "2"]);
    }
}
