//! `data` and `dataFrom`: where the keys come from.

use std::collections::BTreeSet;

use crate::{
    api::{DataEntry, DataFromEntry, Decode, Format, KeyConflicts, ValueOptions},
    domain::migrate::{
        fields::Fields,
        find, parameter, property,
        rewrite::{self, Deeper, Names},
        store::StoreName,
    },
};

/// Most entries of `data` and of `dataFrom`.
const LIMITS: (usize, usize) = (256, 16);

/// Where the keys of one Secret come from.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) data: Vec<DataEntry>,
    pub(super) data_from: Vec<DataFromEntry>,
    pub(super) key_conflicts: Option<KeyConflicts>,
    /// The stores that the entries are read from.
    pub(super) stores: BTreeSet<StoreName>,
}

/// Reads `data` and `dataFrom`.
pub(super) fn read(spec: &mut Fields<'_>, store: Option<&StoreName>) -> Sources {
    let mut sources = Sources::default();
    for entry in spec.objects("data") {
        sources.add(entry, store);
    }
    for entry in spec.objects("dataFrom") {
        sources.add_several(entry, store);
    }
    if sources.data.len() > LIMITS.0 || sources.data_from.len() > LIMITS.1 {
        let text = format!(
            "a SecureParameter has at most {} entries of data and {} of dataFrom; divide it",
            LIMITS.0, LIMITS.1
        );
        spec.notes().not_translated(&spec.place(""), text);
    }
    // In ESO later sources win, and data is last.
    let can_conflict = sources.data_from.len() > 1 || !sources.data_from.is_empty() && !sources.data.is_empty();
    sources.key_conflicts = can_conflict.then_some(KeyConflicts::LastWins);
    sources
}

impl Sources {
    fn add(&mut self, mut entry: Fields<'_>, store: Option<&StoreName>) {
        let notes = entry.notes();
        self.stores.extend(store_of(&mut entry, store));
        let key = entry.text("secretKey").unwrap_or_default();
        if self.data.iter().any(|earlier| earlier.key == key) {
            notes.dropped(
                &entry.place("secretKey"),
                format!("an earlier entry of data gives {key} too; ESO uses the last one"),
            );
            self.data.retain(|earlier| earlier.key != key);
        }
        let Some(mut remote) = entry.object("remoteRef") else {
            notes.not_translated(&entry.place("remoteRef"), "this is missing");
            return;
        };
        let (parameter, mut value) = reference(&mut remote);
        value.decode = decode(&mut remote);
        // Only names of keys are converted, and this one is given.
        remote.ignore(&["conversionStrategy"]);
        self.data.push(DataEntry { key, parameter, value: value.into() });
    }

    fn add_several(&mut self, mut entry: Fields<'_>, store: Option<&StoreName>) {
        let place = entry.place("rewrite");
        let rewrite = entry.list("rewrite");
        if let Some(generator) = entry.object("sourceRef").as_mut() {
            if generator.take("generatorRef").is_some() {
                generator.notes().not_translated(&generator.place("generatorRef"), "generators have no equivalent");
                return;
            }
            self.stores.extend(store_reference(generator).or_else(|| store.cloned()));
        } else {
            self.stores.extend(store.cloned());
        }
        let notes = entry.notes();
        let added = if let Some(remote) = entry.object("extract") {
            Some(extract(remote, rewrite, &place))
        } else if let Some(fields) = entry.object("find") {
            found(fields, rewrite, &place)
        } else {
            notes.not_translated(&entry.place(""), "neither extract nor find is set");
            None
        };
        self.data_from.extend(added);
    }
}

/// Takes the store of one entry of `data`.
fn store_of(entry: &mut Fields<'_>, store: Option<&StoreName>) -> Option<StoreName> {
    let own = entry.object("sourceRef").and_then(|mut source| {
        if source.take("generatorRef").is_some() {
            source.notes().not_translated(&source.place("generatorRef"), "generators have no equivalent");
        }
        store_reference(&mut source)
    });
    own.or_else(|| store.cloned())
}

fn store_reference(source: &mut Fields<'_>) -> Option<StoreName> {
    let mut reference = source.object("storeRef")?;
    StoreName::read(&mut reference)
}

/// Takes what names a value. An error is reported, and the name is then as it stands.
fn reference(remote: &mut Fields<'_>) -> (String, ValueOptions) {
    let notes = remote.notes();
    let key = remote.text("key").unwrap_or_else(|| {
        notes.not_translated(&remote.place("key"), "this names no parameter");
        String::new()
    });
    let version = remote.text("version");
    let (name, mut value) = parameter::split(&key, version.as_deref()).unwrap_or_else(|problem| {
        notes.not_translated(&remote.place("version"), problem);
        (key.clone(), ValueOptions::default())
    });
    if let Some(property) = remote.text("property") {
        match property::translate(&property) {
            Ok(translated) => {
                value.json_path = Some(translated.json_path);
                for condition in translated.conditions {
                    notes.check(&remote.place("property"), condition);
                }
            }
            Err(problem) => notes.not_translated(&remote.place("property"), problem),
        }
    }
    match remote.text("metadataPolicy").as_deref() {
        None | Some("None") => {}
        Some(_) => notes.not_translated(&remote.place("metadataPolicy"), "tags of parameters cannot be read"),
    }
    match remote.text("nullBytePolicy").as_deref() {
        None | Some("Ignore") => {}
        Some(_) => notes.dropped(&remote.place("nullBytePolicy"), "values with NUL bytes are not refused"),
    }
    (name, value)
}

fn decode(remote: &mut Fields<'_>) -> Option<Decode> {
    match remote.text("decodingStrategy").as_deref() {
        None | Some("None") => None,
        Some("Base64") => Some(Decode::Base64),
        Some("Base64URL") => Some(Decode::Base64Url),
        Some(other) => {
            let text =
                format!("{other} has no equivalent; write decode: Base64 if the value is base64, or leave it out");
            remote.notes().not_translated(&remote.place("decodingStrategy"), text);
            None
        }
    }
}

/// Refuses to decode each of several values, which has no equivalent.
fn decodes_nothing(remote: &mut Fields<'_>) {
    let place = remote.place("decodingStrategy");
    match remote.text("decodingStrategy").as_deref() {
        None | Some("None") => {}
        Some(_) => {
            remote.notes().not_translated(&place, "several values cannot be decoded; write an entry of data for each");
        }
    }
}

fn extract(mut remote: Fields<'_>, rewrite: Vec<(String, serde_json::Value)>, place: &str) -> DataFromEntry {
    let notes = remote.notes();
    let (parameter, value) = reference(&mut remote);
    decodes_nothing(&mut remote);
    let keys = rewrite::translate(rewrite, Names::Fields, notes).unwrap_or_else(|problem| {
        notes.not_translated(place, problem);
        rewrite::Keys::default()
    });
    let strategy = remote.text("conversionStrategy");
    if keys.mapping.is_none() {
        let becomes = if strategy.as_deref() == Some("Unicode") { "_U and their number" } else { "_" };
        let text = format!(
            "the names of the fields hold letters, digits, -, _ and . only; ESO writes {becomes} for other characters, and here \
             they are an error, but / becomes a dot"
        );
        notes.check(&remote.place("conversionStrategy"), text);
    }
    if let Some(condition) = keys.condition {
        notes.check(place, condition);
    }
    DataFromEntry {
        parameter: Some(parameter),
        format: Some(Format::Json),
        keys: keys.mapping,
        value,
        ..DataFromEntry::default()
    }
}

fn found(mut fields: Fields<'_>, rewrite: Vec<(String, serde_json::Value)>, place: &str) -> Option<DataFromEntry> {
    let notes = fields.notes();
    decodes_nothing(&mut fields);
    match fields.text("nullBytePolicy").as_deref() {
        None | Some("Ignore") => {}
        Some(_) => notes.dropped(&fields.place("nullBytePolicy"), "values with NUL bytes are not refused"),
    }
    if fields.text("conversionStrategy").as_deref() == Some("Unicode") && rewrite.is_empty() {
        notes.not_translated(
            &fields.place("conversionStrategy"),
            "keys with _U and the number of a character have no equivalent",
        );
    }
    let path = fields.text("path");
    let name = fields.object("name");
    if fields.take("tags").is_some() && name.is_none() {
        notes
            .not_translated(&fields.place("tags"), "parameters cannot be found by their tags; put them below one path");
        return None;
    }
    let Some(mut name) = name else {
        notes.not_translated(&fields.place("name"), "without name.regexp and tags ESO finds nothing either");
        return None;
    };
    let regexp = name.text("regexp").unwrap_or_default();
    let found = match find::translate(path.as_deref(), &regexp) {
        Ok(found) => found,
        Err(problem) => {
            notes.not_translated(&name.place("regexp"), format!("{regexp} has no equivalent: {problem}"));
            return None;
        }
    };
    let keys = match rewrite::translate(rewrite, Names::Parameters(&found.path), notes) {
        Ok(keys) => keys,
        Err(problem) => {
            notes.not_translated(place, problem);
            return None;
        }
    };
    if let Some(condition) = keys.condition {
        notes.check(place, condition);
    }
    if keys.deeper == Deeper::Different && found.recursive {
        let text = format!(
            "parameters more than one level below {} would get other keys, with . instead of _; if there are none, use this \
             draft, and else name the parameters in data",
            found.path
        );
        notes.not_translated(place, text);
    }
    let recursive = found.recursive && keys.deeper == Deeper::Same;
    let include: Vec<String> = found.include.into_iter().filter(|glob| recursive || !glob.contains('/')).collect();
    Some(DataFromEntry {
        path: Some(found.path),
        recursive: recursive.then_some(true),
        include,
        keys: keys.mapping,
        ..DataFromEntry::default()
    })
}
