//! Is the Secret intact? What the operator wrote must still be there, and held by nobody else.

use std::borrow::Cow;

use crate::{
    api::names,
    domain::{
        ownership::types::{FieldOwnership, SecretMetadata},
        schedule::decide::SecretState,
    },
};

/// A Secret as last written, or as last found intact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SecretSnapshot {
    /// uid.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
    /// Who held which field.
    pub fields: FieldSnapshot,
}

impl From<SecretMetadata> for SecretSnapshot {
    fn from(metadata: SecretMetadata) -> Self {
        let fields = FieldSnapshot::of(&metadata.fields);
        Self { uid: metadata.uid, resource_version: metadata.resource_version, fields }
    }
}

/// The fields that managers own, a line each: sets of strings would take several times the memory, for each object. Neither
/// paths nor names of managers have line breaks (Kubernetes documentation, "Server-Side Apply"). Paths begin with the name of
/// a field, and so with no control character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSnapshot {
    /// Paths, abbreviated.
    ours: Box<str>,
    /// Each path, followed by its manager.
    foreign: Box<str>,
    managers: Box<str>,
}

impl FieldSnapshot {
    fn of(fields: &FieldOwnership) -> Self {
        let foreign = fields.foreign.iter().flat_map(|(path, manager)| [path, manager]);
        let ours = fields.ours.iter().map(|path| abbreviate(path));
        Self { ours: lines(ours), foreign: lines(foreign), managers: lines(&fields.managers) }
    }

    /// Returns the fields as sets.
    pub(crate) fn ownership(&self) -> FieldOwnership {
        let mut foreign = self.foreign.lines();
        let pairs = std::iter::from_fn(|| Some((foreign.next()?.to_owned(), foreign.next()?.to_owned())));
        let ours = self.ours.lines().map(spell_out).collect();
        FieldOwnership { ours, foreign: pairs.collect(), managers: self.managers.lines().map(str::to_owned).collect() }
    }
}

fn lines(texts: impl IntoIterator<Item: AsRef<str>>) -> Box<str> {
    let mut lines = String::new();
    for text in texts {
        lines.extend([text.as_ref(), "\n"]);
    }
    lines.into()
}

/// How paths begin that the operator owns in every Secret, in two parts, and what stands for it in a snapshot. In full they
/// would be two thirds of it.
const ABBREVIATIONS: [(&str, &str, &str); 5] = [
    ("data/", "", "\u{1}"),
    ("ownerReferences/", "{\"uid\":\"", "\u{2}"),
    ("labels/", names::OWNER_UID_LABEL, "\u{3}"),
    ("labels/", names::MANAGED_BY_LABEL, "\u{4}"),
    ("annotations/", names::OWNER_ANNOTATION, "\u{5}"),
];

fn abbreviate(path: &str) -> Cow<'_, str> {
    let abbreviated = |(group, name, short): &(&str, &str, &str)| {
        let rest = path.strip_prefix(group)?.strip_prefix(name)?;
        Some(Cow::Owned(format!("{short}{rest}")))
    };
    ABBREVIATIONS.iter().find_map(abbreviated).unwrap_or(Cow::Borrowed(path))
}

fn spell_out(line: &str) -> String {
    let spelled =
        |(group, name, short): &(&str, &str, &str)| Some(format!("{group}{name}{}", line.strip_prefix(short)?));
    ABBREVIATIONS.iter().find_map(spelled).unwrap_or_else(|| line.to_owned())
}

/// What a Secret is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// uid as last written.
    pub uid: &'a str,
    /// Resource version right after that write.
    pub resource_version: &'a str,
    /// The number of keys that were written.
    pub keys: i32,
    /// Keys that the spec names.
    pub required_keys: &'a [&'a str],
    /// The Secret as last seen; `None` after a restart of the operator.
    pub snapshot: Option<&'a SecretSnapshot>,
    /// Whether the operator puts keys into a Secret of others, whose other keys are not its business.
    pub merges: bool,
}

/// Compares a Secret with what was last written. `is_ours` tells whether it carries our mark, or with `Merge` our
/// consent.
pub(crate) fn secret_state(metadata: &SecretMetadata, is_ours: bool, expected: &Expected<'_>) -> SecretState {
    if metadata.uid != expected.uid || !is_ours {
        return SecretState::Drifted;
    }
    let fields = &metadata.fields;
    let is_intact = match expected.snapshot {
        Some(snapshot) => {
            let (seen, now) = (&snapshot.fields, FieldSnapshot::of(fields));
            now.ours == seen.ours && (expected.merges || now.foreign == seen.foreign)
        }
        None => metadata.resource_version == expected.resource_version || is_whole(fields, expected),
    };
    if is_intact { SecretState::Intact } else { SecretState::Drifted }
}

/// After a restart, for a Secret that somebody touched meanwhile: none of our fields may be missing or held by others. Without
/// the type, a Secret was taken over with the values of others, and not written yet.
fn is_whole(fields: &FieldOwnership, expected: &Expected<'_>) -> bool {
    let ours = fields.ours.iter().filter(|field| field.starts_with("data/")).count();
    let has_all = expected.required_keys.iter().all(|key| fields.ours.contains(&format!("data/{key}")));
    let is_ours_alone = fields.foreign.is_empty() && fields.ours.contains("type");
    (expected.merges || is_ours_alone) && usize::try_from(expected.keys) == Ok(ours) && has_all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(ours: &[&str], foreign: &[&str]) -> FieldOwnership {
        FieldOwnership {
            ours: ours.iter().map(|key| format!("data/{key}")).chain(["type".to_owned()]).collect(),
            foreign: foreign.iter().map(|key| (format!("data/{key}"), "vim".to_owned())).collect(),
            ..FieldOwnership::default()
        }
    }

    fn metadata(uid: &str, version: &str, fields: FieldOwnership) -> SecretMetadata {
        SecretMetadata { uid: uid.into(), resource_version: version.into(), fields, ..SecretMetadata::default() }
    }

    const EXPECTED: Expected<'_> =
        Expected { uid: "u", resource_version: "5", keys: 2, required_keys: &["A"], snapshot: None, merges: false };

    #[test]
    fn after_a_restart_version_or_fields_tell() {
        let merges = Expected { merges: true, ..EXPECTED };
        for (expected, version, ours, foreign, is_intact) in [
            (EXPECTED, "5", &[][..], &[][..], true),
            (EXPECTED, "6", &["A", "B"], &[], true),
            (EXPECTED, "6", &["A"], &[], false),
            (EXPECTED, "6", &["B", "C"], &[], false),
            (EXPECTED, "6", &["A", "B"], &["A"], false),
            (merges, "6", &["A", "B"], &["X"], true),
        ] {
            let state = secret_state(&metadata("u", version, fields(ours, foreign)), true, &expected);
            assert_eq!(state == SecretState::Intact, is_intact, "{version} {ours:?} {foreign:?}");
        }
    }

    #[test]
    fn a_secret_that_was_taken_over_but_not_written_has_drifted() {
        let mut taken_over = fields(&["A", "B"], &[]);
        taken_over.ours.remove("type");
        let snapshot = SecretSnapshot::from(metadata("u", "5", fields(&["A", "B"], &[])));
        for snapshot in [None, Some(&snapshot)] {
            let state = secret_state(&metadata("u", "6", taken_over.clone()), true, &Expected { snapshot, ..EXPECTED });
            assert_eq!(state, SecretState::Drifted);
        }
    }

    #[test]
    fn while_running_the_fields_must_be_as_last_seen() {
        let snapshot = SecretSnapshot::from(metadata("u", "5", fields(&["A"], &[])));
        let expected = Expected { snapshot: Some(&snapshot), ..EXPECTED };
        let merges = Expected { merges: true, ..expected };
        for (expected, ours, foreign, is_intact) in [
            (expected, &["A"][..], &[][..], true),
            (expected, &["A"], &["B"], false),
            (expected, &[], &[], false),
            (merges, &["A"], &["B"], true),
            (merges, &[], &["B"], false),
        ] {
            let state = secret_state(&metadata("u", "9", fields(ours, foreign)), true, &expected);
            assert_eq!(state == SecretState::Intact, is_intact, "{ours:?} {foreign:?}");
        }
    }

    #[test]
    fn a_snapshot_holds_every_field_and_manager() {
        for (ours, foreign, managers) in [
            (&[][..], &[][..], &[][..]),
            (&["A"], &["B"], &["vim"]),
            (&["A", "B", "ownerReferences/{\"uid\":\"x\\ny\"}"], &["B", "C"], &["kubectl edit", "vim"]),
        ] {
            let managers = managers.iter().map(|manager| (*manager).to_owned()).collect();
            let mut fields = FieldOwnership { managers, ..fields(ours, foreign) };
            fields.ours.extend(ABBREVIATIONS.iter().map(|(group, name, _)| format!("{group}{name}x")));
            assert_eq!(FieldSnapshot::of(&fields).ownership(), fields);
            fields.foreign.insert(("type".to_owned(), String::new()));
            assert_eq!(FieldSnapshot::of(&fields).ownership(), fields);
        }
    }

    #[test]
    fn a_snapshot_of_a_usual_secret_is_short() {
        let names = ["labels/secureparameter.io/owner-uid", "labels/app.kubernetes.io/managed-by"];
        let owner = "ownerReferences/{\"uid\":\"11111111-2222-3333-4444-555555555555\"}";
        let mut fields = fields(&["KEY"], &[]);
        fields.ours.extend(names.into_iter().chain(["annotations/secureparameter.io/owner", owner]).map(str::to_owned));
        assert!(FieldSnapshot::of(&fields).ours.len() < 60, "there is one for each object");
    }

    #[test]
    fn another_secret_or_one_without_our_mark_has_drifted() {
        for (uid, is_ours) in [("other", true), ("u", false)] {
            let state = secret_state(&metadata(uid, "5", fields(&["A", "B"], &[])), is_ours, &EXPECTED);
            assert_eq!(state, SecretState::Drifted, "{uid} {is_ours}");
        }
    }
}
