//! The texts that the statuses in a cache have in common, each once in memory.

use std::collections::HashSet;

use crate::api::{SecureParameter, SharedText};

/// The texts that were seen. Whenever there are twice as many, those that no object has any more are dropped.
#[derive(Debug, Default)]
pub(crate) struct SharedTexts {
    texts: HashSet<SharedText>,
    /// How many there may be before the next look at which are in use.
    most: usize,
}

/// Fewer are not worth a look.
const FEW: usize = 64;

impl SharedTexts {
    /// Has the status of an object share its texts with those that were seen before.
    pub(crate) fn share(&mut self, object: &mut SecureParameter) {
        let Some(status) = object.status.as_mut().and_then(|status| status.unshared()) else { return };
        status.for_each_text(|text| self.share_text(text));
        if self.texts.len() > self.most.max(FEW) {
            self.texts.retain(|text| !text.is_unshared());
            self.most = 2 * self.texts.len();
        }
    }

    fn share_text(&mut self, text: &mut SharedText) {
        match self.texts.get(text) {
            Some(known) => *text = known.clone(),
            None => drop(self.texts.insert(text.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(key: &str) -> SecureParameter {
        let parameter = json!({"arn": "a", "version": 1, "type": "SecureString", "keyARN": key});
        let status = json!({"observedGeneration": 1, "parameters": [parameter]});
        let metadata = json!({"name": "a", "namespace": "shop"});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"data": []}, "status": status}))
            .expect("an object")
    }

    fn key(object: &SecureParameter) -> &SharedText {
        object.status.as_ref().and_then(|status| status.parameters[0].key_arn.as_ref()).expect("a key")
    }

    #[test]
    fn objects_have_a_text_in_common() {
        let (mut texts, mut first, mut second) = (SharedTexts::default(), object("key"), object("key"));
        assert!(key(&first).is_unshared());
        for object in [&mut first, &mut second] {
            texts.share(object);
        }
        drop(texts);
        assert!(key(&first).as_ptr() == key(&second).as_ptr() && !key(&first).is_unshared());
        drop(second);
        assert!(key(&first).is_unshared());
    }

    #[test]
    fn every_text_of_a_status_is_shared() {
        let parameter = json!({"arn": "a", "version": 1, "type": "SecureString", "keyARN": "key", "keyManager": "AWS"});
        let condition = json!({"type": "Ready", "status": "True", "reason": "Synced", "message": "It is.",
                               "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let access = json!({"time": "2026-01-01T00:00:00Z", "eventName": "GetParameters", "principal": "role"});
        let status = json!({"conditions": [condition], "parameters": [parameter], "lastAccess": access,
                            "store": {"kind": "ClusterParameterStore", "name": "default"}});
        let object = json!({"metadata": {"name": "a"}, "spec": {"data": []}, "status": status});
        let (mut texts, mut seen) = (SharedTexts::default(), Vec::new());
        for _ in 0..2 {
            let mut object: SecureParameter = serde_json::from_value(object.clone()).expect("an object");
            texts.share(&mut object);
            let mut addresses = Vec::new();
            let status = object.status.as_mut().and_then(|status| status.unshared()).expect("a status");
            status.for_each_text(|text| addresses.push(text.as_ptr().addr()));
            seen.push((addresses, object));
        }
        assert_eq!((seen[0].0.len(), &seen[0].0), (8, &seen[1].0), "as many as there are fields of this type");
    }

    #[test]
    fn texts_that_no_object_has_any_more_do_not_pile_up() {
        let (mut texts, kept) = (SharedTexts::default(), &mut object("kept"));
        texts.share(kept);
        for number in 0..10_000 {
            texts.share(&mut object(&number.to_string()));
            assert!(texts.texts.len() <= 2 * FEW + 2);
        }
        let mut again = object("kept");
        texts.share(&mut again);
        assert_eq!(key(kept).as_ptr(), key(&again).as_ptr());
    }
}
