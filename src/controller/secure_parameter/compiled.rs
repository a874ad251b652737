//! What of the objects' specs is compiled, kept for as long as an object and its generation exist.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    api::SecureParameter,
    domain::{Fault, access::grant::Grant, plan::compiled::CompiledSpec},
};

/// The result of compiling a spec.
type Compiled = Result<Arc<CompiledSpec>, Fault>;

/// What is compiled for all objects, by uid.
#[derive(Debug, Default)]
pub(crate) struct CompiledSpecs {
    entries: Mutex<HashMap<Arc<str>, Entry>>,
}

#[derive(Debug)]
struct Entry {
    /// None for most specs: what has no glob, JSONPath or template takes longer to keep than to make.
    compiled: Option<Box<OfGeneration>>,
    /// Held here, so that the store's connection keeps it while an object needs it.
    _grant: Option<Arc<Grant>>,
}

#[derive(Debug)]
struct OfGeneration {
    generation: i64,
    spec: Compiled,
}

impl CompiledSpecs {
    /// Returns the compiled spec of the object with this uid. The grant that it is read with is kept beside it. Nothing is
    /// kept unless `exists` says that the object was not deleted meanwhile.
    ///
    /// # Errors
    /// `InvalidSpec` and `TemplateError`, as for [`CompiledSpec::new`].
    pub(crate) fn get(
        &self,
        uid: &Arc<str>,
        object: &SecureParameter,
        grant: Option<&Arc<Grant>>,
        exists: bool,
    ) -> Compiled {
        let generation = object.metadata.generation;
        let mut entries = self.entries.lock();
        let known = entries.get(uid).and_then(|entry| entry.compiled.as_ref());
        let known = known.filter(|known| Some(known.generation) == generation).map(|known| known.spec.clone());
        let spec = known.unwrap_or_else(|| CompiledSpec::new(&object.spec).map(Arc::new));
        if exists {
            let is_kept = spec.as_ref().map_or(true, |spec| spec.is_worth_keeping());
            let compiled = generation.filter(|_| is_kept);
            let compiled = compiled.map(|generation| Box::new(OfGeneration { generation, spec: spec.clone() }));
            entries.insert(Arc::clone(uid), Entry { compiled, _grant: grant.cloned() });
        }
        spec
    }

    /// Forgets an object that was deleted.
    pub(crate) fn remove(&self, uid: &str) {
        self.entries.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{DataEntry, SecureParameterSpec, ValueOptions};

    fn object(uid: &str, generation: i64) -> SecureParameter {
        let value = ValueOptions { json_path: Some("$.a".to_owned()), ..ValueOptions::default() };
        let entry = DataEntry { key: "KEY".to_owned(), parameter: "/a".to_owned(), value: value.into() };
        let mut object = SecureParameter::new(uid, SecureParameterSpec { data: vec![entry], ..Default::default() });
        (object.metadata.uid, object.metadata.generation) = (Some(uid.to_owned()), Some(generation));
        object
    }

    #[test]
    fn a_spec_is_compiled_once_per_generation_and_kept_while_the_object_exists() {
        let specs = CompiledSpecs::default();
        let uid = |object: &SecureParameter| object.metadata.uid.as_deref().map(Arc::from).expect("a uid");
        let get =
            |object: &SecureParameter, exists| specs.get(&uid(object), object, None, exists).expect("a compiled spec");
        let first = get(&object("a", 1), true);
        assert!(Arc::ptr_eq(&first, &get(&object("a", 1), true)));
        assert!(!Arc::ptr_eq(&first, &get(&object("b", 1), true)), "another object");
        assert!(!Arc::ptr_eq(&first, &get(&object("a", 2), true)), "another generation");
        assert_eq!(Arc::strong_count(&first), 1, "the former generation is forgotten");
        let mut plain = object("d", 1);
        plain.spec = SecureParameterSpec::default();
        get(&plain, true);
        assert!(specs.entries.lock()["d"].compiled.is_none(), "made faster than kept");
        for uid in ["a", "b", "d"] {
            specs.remove(uid);
        }
        get(&object("c", 1), false);
        assert!(specs.entries.lock().is_empty(), "of objects that are gone");
    }
}
