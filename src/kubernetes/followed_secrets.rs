//! Who follows which Secret that the operator does not own. Each subscriber follows one at most.

use std::collections::{BTreeSet, HashMap};

/// Namespace and name of a Secret.
pub(crate) type SecretKey = (String, String);

/// Who follows which Secret.
#[derive(Debug, Default)]
pub(crate) struct FollowedSecrets {
    by_subscriber: HashMap<String, SecretKey>,
    by_secret: HashMap<SecretKey, BTreeSet<String>>,
}

impl FollowedSecrets {
    /// Makes a subscriber follow this Secret and no other. Returns the Secret if nobody followed it before.
    pub(crate) fn set(&mut self, subscriber: &str, secret: Option<SecretKey>) -> Option<SecretKey> {
        if self.by_subscriber.get(subscriber) == secret.as_ref() {
            return None;
        }
        if let Some(former) = self.by_subscriber.remove(subscriber)
            && let Some(subscribers) = self.by_secret.get_mut(&former)
        {
            subscribers.remove(subscriber);
            if subscribers.is_empty() {
                self.by_secret.remove(&former);
            }
        }
        let secret = secret?;
        self.by_subscriber.insert(subscriber.to_owned(), secret.clone());
        let subscribers = self.by_secret.entry(secret.clone()).or_default();
        let is_new = subscribers.is_empty();
        subscribers.insert(subscriber.to_owned());
        is_new.then_some(secret)
    }

    /// Returns the Secrets that somebody follows.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretKey> {
        self.by_secret.keys()
    }

    /// Reports whether somebody follows this Secret.
    pub(crate) fn contains(&self, secret: &SecretKey) -> bool {
        self.by_secret.contains_key(secret)
    }

    /// Reports whether nobody follows any Secret.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_secret.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_followed_until_its_last_subscriber_leaves() {
        let key = |name: &str| Some(("shop".to_owned(), name.to_owned()));
        let mut followed = FollowedSecrets::default();
        assert_eq!(followed.set("one", key("a")), key("a"));
        assert_eq!(followed.set("one", key("a")), None, "nothing changed");
        assert_eq!(followed.set("two", key("a")), None, "followed already");
        assert_eq!(followed.set("one", key("b")), key("b"), "another one instead");
        assert_eq!(followed.secrets().count(), 2);
        assert_eq!(followed.set("two", None), None);
        assert!(!followed.contains(&("shop".into(), "a".into())) && followed.contains(&("shop".into(), "b".into())));
        followed.set("one", None);
        followed.set("never", None);
        assert!(followed.is_empty() && followed.by_subscriber.is_empty() && followed.by_secret.is_empty());
    }
}
