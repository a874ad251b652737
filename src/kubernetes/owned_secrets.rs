//! A cache of the Secrets that the operator owns. Of each it keeps version and owner, and nothing else: there is one for
//! each object, and their metadata would be half of what the operator holds in memory.

use std::{collections::HashMap, future, sync::Arc};

use futures::{
    StreamExt,
    stream::{BoxStream, select_all},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{ResourceExt, api::PartialObjectMeta, runtime::watcher::Event};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::api::names;
use crate::kubernetes::{cached::held_until, merged::Part, watch_stream::Refused};

/// Metadata of a Secret.
pub(crate) type SecretMeta = PartialObjectMeta<Secret>;

/// What is kept of a Secret.
#[derive(Debug, PartialEq, Eq)]
struct OwnedSecret {
    owner_uid: Box<str>,
    resource_version: Box<str>,
}

impl OwnedSecret {
    fn of(secret: &SecretMeta) -> Self {
        Self {
            owner_uid: secret.labels().get(names::OWNER_UID_LABEL).map(String::as_str).unwrap_or_default().into(),
            resource_version: secret.metadata.resource_version.as_deref().unwrap_or_default().into(),
        }
    }
}

/// Secrets by namespace and by name.
type Namespaces = HashMap<Box<str>, HashMap<Box<str>, OwnedSecret>>;

/// The cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnedSecrets(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    secrets: Mutex<Namespaces>,
    ready: CancellationToken,
}

/// A change of the cache, which shows it already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SecretChange {
    /// A Secret was created, changed or deleted.
    One {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The name of the object that owns it, by its annotation.
        owner: Option<String>,
    },
    /// A watch began or started over: any Secret may have changed.
    Listed,
}

/// The cache and the changes that fill it. It is filled only while the changes are polled.
pub(crate) struct OwnedSecretWatch {
    /// The cache.
    pub(crate) secrets: OwnedSecrets,
    /// Every change, after it was applied to the cache.
    pub(crate) changes: BoxStream<'static, SecretChange>,
}

impl OwnedSecretWatch {
    /// Creates a cache that these watches fill: one for each namespace, or one for all.
    pub(crate) fn new(parts: Vec<Part<SecretMeta>>) -> Self {
        let secrets = OwnedSecrets::default();
        let lists = parts.iter().map(|part| List::new(part.namespace.as_deref())).collect();
        let mut filling = Filling { secrets: secrets.clone(), lists, is_complete: false };
        let attempts = parts.into_iter().enumerate();
        let attempts = attempts.map(|(n, part)| part.attempts.map(move |attempt| (n, attempt)));
        let changes = select_all(attempts).filter_map(move |(n, attempt)| future::ready(filling.apply(n, attempt)));
        Self { secrets, changes: changes.boxed() }
    }

    /// Fills the cache, but announces no change before `start` resolves; see [`Watched::after`].
    ///
    /// [`Watched::after`]: crate::kubernetes::cached::Watched::after
    pub(crate) fn after(self, start: impl Future<Output = ()> + Send + 'static) -> Self {
        let is_list = |change: &SecretChange| *change == SecretChange::Listed;
        Self { changes: held_until(start, self.changes, is_list, || SecretChange::Listed), ..self }
    }
}

impl OwnedSecrets {
    /// Returns the resource version of a Secret, if it carries the mark of this owner.
    pub(crate) fn version(&self, namespace: &str, name: &str, owner_uid: &str) -> Option<String> {
        let secrets = self.0.secrets.lock();
        let secret = secrets.get(namespace)?.get(name).filter(|secret| *secret.owner_uid == *owner_uid)?;
        Some(secret.resource_version.to_string())
    }

    /// Waits until each watch has received its list or was refused.
    pub(crate) async fn wait_until_ready(&self) {
        self.0.ready.cancelled().await;
    }

    fn put(secrets: &mut Namespaces, secret: &SecretMeta) {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        if !secrets.contains_key(namespace) {
            secrets.insert(namespace.into(), HashMap::new());
        }
        if let Some(secrets) = secrets.get_mut(namespace) {
            secrets.insert(secret.name_any().into(), OwnedSecret::of(secret));
        }
    }

    fn remove(secrets: &mut Namespaces, secret: &SecretMeta) {
        let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
        if let Some(of_namespace) = secrets.get_mut(namespace) {
            of_namespace.remove(secret.name_any().as_str());
            if of_namespace.is_empty() {
                secrets.remove(namespace);
            }
        }
    }
}

/// The list of one watch.
struct List {
    namespace: Option<Box<str>>,
    /// What has arrived of it.
    secrets: Namespaces,
    /// Whether a whole list has arrived, or was refused.
    is_settled: bool,
}

impl List {
    fn new(namespace: Option<&str>) -> Self {
        Self { namespace: namespace.map(Into::into), secrets: Namespaces::new(), is_settled: false }
    }

    /// Replaces what a cache holds of the list before.
    fn replace(&mut self, cached: &mut Namespaces) {
        let arrived = std::mem::take(&mut self.secrets);
        match &self.namespace {
            Some(namespace) => {
                cached.remove(namespace);
                cached.extend(arrived);
            }
            None => *cached = arrived,
        }
    }
}

/// Fills a cache.
struct Filling {
    secrets: OwnedSecrets,
    lists: Vec<List>,
    is_complete: bool,
}

impl Filling {
    /// Applies what watch `n` yields. Returns the change of the cache; `None` while it or a list is incomplete.
    fn apply(&mut self, n: usize, attempt: Result<Event<SecretMeta>, Refused>) -> Option<SecretChange> {
        let (list, mut secrets) = (&mut self.lists[n], self.secrets.0.secrets.lock());
        let change = match attempt {
            Ok(Event::Init) => {
                list.secrets = Namespaces::new();
                return None;
            }
            Ok(Event::InitApply(secret)) => {
                OwnedSecrets::put(&mut list.secrets, &secret);
                return None;
            }
            Ok(Event::InitDone) => {
                list.replace(&mut secrets);
                list.is_settled = true;
                SecretChange::Listed
            }
            // What is known of a namespace stays.
            Err(Refused) if self.is_complete => return None,
            Err(Refused) => {
                list.is_settled = true;
                SecretChange::Listed
            }
            Ok(Event::Apply(secret)) => {
                OwnedSecrets::put(&mut secrets, &secret);
                one(&secret)
            }
            Ok(Event::Delete(secret)) => {
                OwnedSecrets::remove(&mut secrets, &secret);
                one(&secret)
            }
        };
        let was_complete = self.is_complete;
        self.is_complete |= self.lists.iter().all(|list| list.is_settled);
        if self.is_complete && !was_complete {
            self.secrets.0.ready.cancel();
        }
        self.is_complete.then_some(change)
    }
}

fn one(secret: &SecretMeta) -> SecretChange {
    SecretChange::One {
        namespace: secret.namespace().unwrap_or_default(),
        name: secret.name_any(),
        owner: secret.annotations().get(names::OWNER_ANNOTATION).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;

    use super::*;

    type Attempt = Result<Event<SecretMeta>, Refused>;

    fn secret(namespace: &str, name: &str, owner: &str, version: &str) -> SecretMeta {
        let metadata = ObjectMeta {
            namespace: Some(namespace.into()),
            name: Some(name.into()),
            labels: Some([(names::OWNER_UID_LABEL.to_owned(), owner.to_owned())].into()),
            annotations: Some([(names::OWNER_ANNOTATION.to_owned(), format!("owner-of-{name}"))].into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        };
        SecretMeta { metadata, ..SecretMeta::default() }
    }

    fn list(secrets: Vec<SecretMeta>) -> Vec<Attempt> {
        let secrets = secrets.into_iter().map(Event::InitApply);
        [Event::Init].into_iter().chain(secrets).chain([Event::InitDone]).map(Ok).collect()
    }

    fn filling(namespaces: &[Option<&str>]) -> Filling {
        let lists = namespaces.iter().map(|namespace| List::new(*namespace)).collect();
        Filling { secrets: OwnedSecrets::default(), lists, is_complete: false }
    }

    fn all(filling: &Filling) -> Vec<String> {
        let secrets = filling.secrets.0.secrets.lock();
        let show = |namespace: &str, secrets: &HashMap<Box<str>, OwnedSecret>| {
            let show = |name: &str, secret: &OwnedSecret| {
                format!("{namespace}/{name}@{} of {}", secret.resource_version, secret.owner_uid)
            };
            secrets.iter().map(|(name, secret)| show(name, secret)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = secrets.iter().flat_map(|(namespace, secrets)| show(namespace, secrets)).collect();
        all.sort();
        all
    }

    #[test]
    fn a_list_replaces_the_one_before_once_it_is_complete() {
        let mut filling = filling(&[None]);
        let mut changes = Vec::new();
        let mut apply = |filling: &mut Filling, attempts: Vec<Attempt>| {
            changes.extend(attempts.into_iter().filter_map(|attempt| filling.apply(0, attempt)));
        };
        let first = list(vec![secret("shop", "a", "1", "10"), secret("shop", "b", "2", "11")]);
        apply(&mut filling, first);
        assert_eq!(all(&filling), ["shop/a@10 of 1", "shop/b@11 of 2"]);
        // The list does not arrive whole, and begins again.
        apply(&mut filling, vec![Ok(Event::Init), Ok(Event::InitApply(secret("shop", "c", "3", "12")))]);
        assert_eq!(all(&filling), ["shop/a@10 of 1", "shop/b@11 of 2"]);
        apply(&mut filling, list(vec![secret("shop", "b", "2", "13")]));
        assert_eq!(all(&filling), ["shop/b@13 of 2"]);
        apply(&mut filling, vec![Ok(Event::Apply(secret("billing", "d", "4", "14")))]);
        apply(&mut filling, vec![Ok(Event::Delete(secret("shop", "b", "2", "15")))]);
        assert_eq!(all(&filling), ["billing/d@14 of 4"]);
        assert_eq!(filling.secrets.0.secrets.lock().len(), 1, "nothing is kept of a namespace without Secrets");
        let one = |namespace: &str, name: &str| SecretChange::One {
            namespace: namespace.into(),
            name: name.into(),
            owner: Some(format!("owner-of-{name}")),
        };
        assert_eq!(changes, [SecretChange::Listed, SecretChange::Listed, one("billing", "d"), one("shop", "b")]);
    }

    #[test]
    fn a_list_of_one_namespace_replaces_its_secrets_alone_and_a_refusal_keeps_nobody_waiting() {
        let mut filling = filling(&[Some("a"), Some("b")]);
        let mut announced = |n, attempts: Vec<Attempt>| {
            let changes: Vec<_> = attempts.into_iter().filter_map(|attempt| filling.apply(n, attempt)).collect();
            (changes.len(), filling.secrets.0.ready.is_cancelled(), all(&filling).join(", "))
        };
        let first = announced(0, list(vec![secret("a", "x", "1", "10")]));
        assert_eq!(first, (0, false, "a/x@10 of 1".to_owned()), "b has no list yet");
        assert_eq!(announced(1, vec![Ok(Event::Init), Err(Refused)]), (1, true, "a/x@10 of 1".to_owned()));
        assert_eq!(announced(1, vec![Ok(Event::Init), Err(Refused)]).0, 0, "it stays refused");
        let granted = announced(1, list(vec![secret("b", "y", "2", "11")]));
        assert_eq!(granted, (1, true, "a/x@10 of 1, b/y@11 of 2".to_owned()));
        let again = announced(0, list(vec![secret("a", "z", "3", "12")]));
        assert_eq!(again, (1, true, "a/z@12 of 3, b/y@11 of 2".to_owned()));
        assert_eq!(announced(0, vec![Err(Refused)]), (0, true, "a/z@12 of 3, b/y@11 of 2".to_owned()));
    }

    #[test]
    fn a_secret_that_carries_another_mark_has_no_version() {
        let mut filling = filling(&[None]);
        for attempt in list(vec![secret("shop", "a", "1", "10")]) {
            filling.apply(0, attempt);
        }
        let version = |name, owner| filling.secrets.version("shop", name, owner);
        assert_eq!(version("a", "1"), Some("10".to_owned()));
        assert_eq!((version("a", "2"), version("b", "1")), (None, None));
    }
}
