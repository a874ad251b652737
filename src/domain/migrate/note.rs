//! What a translation says beside the objects that it makes.

use std::cell::RefCell;

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

/// The notes about one object, as they are made.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<Note>>);

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
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// Returns the notes, the gravest first.
    pub(super) fn into_sorted(self) -> Vec<Note> {
        let mut notes = self.0.into_inner();
        notes.sort_by_key(|note| note.effect);
        notes
    }
}
