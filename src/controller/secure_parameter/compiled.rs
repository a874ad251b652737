//! What of the objects' specs is compiled, kept for as long as an object and its generation exist.

use std::{collections::HashMap, sync::Arc};

use kube::ResourceExt;
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
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    generation: Option<i64>,
    spec: Compiled,
    /// Held here, so that the store's connection keeps it while an object needs it.
    _grant: Option<Arc<Grant>>,
}

impl CompiledSpecs {
    /// Returns the compiled spec of an object. The grant that it is read with is kept beside it. Nothing is kept unless
    /// `exists` says that the object was not deleted meanwhile.
    ///
    /// # Errors
    /// `InvalidSpec` and `TemplateError`, as for [`CompiledSpec::new`].
    pub(crate) fn get(&self, object: &SecureParameter, grant: Option<&Arc<Grant>>, exists: bool) -> Compiled {
        let (uid, generation) = (object.uid().unwrap_or_default(), object.metadata.generation);
        let mut entries = self.entries.lock();
        let known = entries.get(&uid).filter(|entry| entry.generation == generation && generation.is_some());
        let spec = known.map(|entry| entry.spec.clone());
        let spec = spec.unwrap_or_else(|| CompiledSpec::new(&object.spec).map(Arc::new));
        if exists {
            entries.insert(uid, Entry { generation, spec: spec.clone(), _grant: grant.cloned() });
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
    use crate::api::SecureParameterSpec;

    fn object(uid: &str, generation: i64) -> SecureParameter {
        let mut object = SecureParameter::new(uid, SecureParameterSpec::default());
        (object.metadata.uid, object.metadata.generation) = (Some(uid.to_owned()), Some(generation));
        object
    }

    #[test]
    fn a_spec_is_compiled_once_per_generation_and_kept_while_the_object_exists() {
        let specs = CompiledSpecs::default();
        let get = |object: &SecureParameter, exists| specs.get(object, None, exists).expect("a compiled spec");
        let first = get(&object("a", 1), true);
        assert!(Arc::ptr_eq(&first, &get(&object("a", 1), true)));
        assert!(!Arc::ptr_eq(&first, &get(&object("b", 1), true)), "another object");
        assert!(!Arc::ptr_eq(&first, &get(&object("a", 2), true)), "another generation");
        assert_eq!(Arc::strong_count(&first), 1, "the former generation is forgotten");
        specs.remove("a");
        specs.remove("b");
        get(&object("c", 1), false);
        assert!(specs.entries.lock().is_empty(), "of objects that are gone");
    }
}
