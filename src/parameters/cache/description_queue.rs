//! The names that somebody waits to be described. Pure.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::oneshot;

use crate::api::SharedText;
use crate::domain::{audit::ObjectRef, aws_error::AwsError};
use crate::parameters::{
    cache::key_table::NAMES_PER_DESCRIPTION, outcome::MAX_AUDITED_OBJECTS, port::ParameterDescription,
};

/// What AWS says of a name; `None` if it does not describe it.
pub(crate) type Description = Result<Option<Arc<ParameterDescription>>, Arc<AwsError>>;

/// The names that somebody waits to be described, each once. Namespaces take turns, so that one that waits for thousands of
/// names delays another one by a call.
#[derive(Debug, Default)]
pub(crate) struct DescriptionQueue {
    waiting: HashMap<Arc<str>, Waiting>,
    /// The names by the namespace that asked first.
    names: HashMap<SharedText, VecDeque<Arc<str>>>,
    /// The namespaces with names, in the order of their turns.
    turns: VecDeque<SharedText>,
}

#[derive(Debug, Default)]
struct Waiting {
    objects: Vec<ObjectRef>,
    replies: Vec<oneshot::Sender<Description>>,
}

/// The names of one call, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The names, each once.
    pub(crate) names: Vec<String>,
    /// The objects that the call is for.
    pub(crate) objects: Vec<ObjectRef>,
    replies: Vec<(Arc<str>, Vec<oneshot::Sender<Description>>)>,
}

impl DescriptionQueue {
    /// Has a name of the own account and region described.
    pub(crate) fn ask(&mut self, name: &str, object: &ObjectRef) -> oneshot::Receiver<Description> {
        let (sender, receiver) = oneshot::channel();
        let name: Arc<str> = name.into();
        if !self.waiting.contains_key(&name) {
            let namespace = object.namespace.clone().unwrap_or_default();
            let names = self.names.entry(namespace.clone()).or_default();
            if names.is_empty() {
                self.turns.push_back(namespace);
            }
            names.push_back(Arc::clone(&name));
        }
        let waiting = self.waiting.entry(name).or_default();
        waiting.replies.push(sender);
        if waiting.objects.len() < MAX_AUDITED_OBJECTS {
            waiting.objects.push(object.clone());
        }
        receiver
    }

    /// Takes the names of the next call, one of each namespace in turn. Names that nobody waits for any more are left out.
    pub(crate) fn take(&mut self) -> Batch {
        let mut batch = Batch::default();
        while batch.names.len() < NAMES_PER_DESCRIPTION {
            let Some(namespace) = self.turns.pop_front() else { break };
            let Some(names) = self.names.get_mut(&namespace) else { continue };
            let name = names.pop_front();
            if names.is_empty() {
                self.names.remove(&namespace);
            } else {
                self.turns.push_back(namespace);
            }
            if let Some((name, waiting)) = name.and_then(|name| self.waiting.remove_entry(&name)) {
                batch.add(name, waiting);
            }
        }
        batch.objects.sort_unstable_by(|one, other| one.uid.cmp(&other.uid));
        batch.objects.dedup_by(|one, other| one.uid == other.uid);
        batch.objects.truncate(MAX_AUDITED_OBJECTS);
        batch
    }

    /// Reports whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

impl Batch {
    fn add(&mut self, name: Arc<str>, mut waiting: Waiting) {
        waiting.replies.retain(|reply| !reply.is_closed());
        if !waiting.replies.is_empty() {
            self.names.push(name.to_string());
            self.objects.extend(waiting.objects);
            self.replies.push((name, waiting.replies));
        }
    }

    /// Tells everybody who waits what AWS says of each name.
    pub(crate) fn answer(self, described: impl Fn(&str) -> Description) {
        for (name, replies) in self.replies {
            let description = described(&name);
            for reply in replies {
                // Who does not wait any more needs no answer.
                let _ = reply.send(description.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(namespace: &str) -> ObjectRef {
        ObjectRef {
            kind: "SecureParameter",
            namespace: Some(namespace.into()),
            name: "object".into(),
            uid: namespace.into(),
            secret: None,
            reason: "",
        }
    }

    #[test]
    fn namespaces_take_turns_and_a_name_is_asked_for_once() {
        let (mut queue, mut replies) = (DescriptionQueue::default(), Vec::new());
        for number in 0..200 {
            replies.push(queue.ask(&format!("/many/{number}"), &object("many")));
        }
        for (name, namespace) in [("/few/a", "few"), ("/many/0", "few"), ("/last", "last")] {
            replies.push(queue.ask(name, &object(namespace)));
        }
        let batch = queue.take();
        assert_eq!((batch.names.len(), batch.objects.len()), (NAMES_PER_DESCRIPTION, 3));
        for name in ["/few/a", "/last", "/many/0"] {
            assert_eq!(batch.names.iter().filter(|asked| *asked == name).count(), 1, "{name}");
        }
        drop(replies);
        assert!(queue.take().names.is_empty() && queue.is_empty(), "nobody waits any more");
    }
}
