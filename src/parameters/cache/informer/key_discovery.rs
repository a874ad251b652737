//! Learns which keys encrypt the parameters, and what becomes of these keys: in nobody's way, and never twice for one
//! version of a parameter.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::parameters::cache::informer::Shared;
use crate::{
    domain::{
        audit::{ObjectRef, aws_error::AwsError},
        parameter::name::ParameterRef,
        schedule::decide::Purpose,
    },
    parameters::{
        batch::match_response::AUDITED_OBJECTS,
        cache::key_table::key_of,
        port::{Description, ParameterApi},
    },
};

/// How long to wait for company, and for what is more urgent.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long what is more urgent may be in the way.
const LONGEST: Duration = Duration::from_secs(60);
/// How often the states of all keys are asked for.
const KEY_CHECK: Duration = Duration::from_secs(3_600);
/// How long an identity that may not describe parameters does not try again.
const DENIED: Duration = Duration::from_secs(3_600);
/// How soon a call that failed otherwise is tried again.
const RETRY: Duration = Duration::from_secs(60);

impl<A: ParameterApi> Shared<A> {
    pub(crate) async fn learn_keys(self: Arc<Self>) {
        let mut next_check = Instant::now() + KEY_CHECK;
        loop {
            if timeout_at(next_check, self.curiosity()).await.is_err() {
                next_check = Instant::now() + KEY_CHECK;
                self.index().keys.doubt();
            }
            let parameter_ref = self.index().keys.take_unknown();
            let learnt = self.learn(&parameter_ref).await;
            let mut news = learnt.as_ref().cloned().unwrap_or_default();
            news.extend(self.ask_about_keys().await);
            self.tell(&news);
            if let Err(error) = learnt {
                self.index().keys.put_back(parameter_ref);
                sleep(if error.kind.reason().is_outage() { RETRY } else { DENIED }).await;
            }
        }
    }

    /// Waits until there is something to learn and nothing more urgent to do.
    async fn curiosity(&self) {
        while !self.index().keys.is_curious() {
            self.unknown_keys.notified().await;
        }
        // Others come along.
        sleep(PATIENCE).await;
        // Not for ever: where values are asked for all the time, this is as much a part of it.
        let begun = Instant::now();
        while self.batcher.is_busy() && begun.elapsed() < LONGEST {
            sleep(PATIENCE).await;
        }
    }

    /// Learns the keys of these names. Answers with those whose key is another than was known.
    async fn learn(&self, parameter_ref: &[ParameterRef]) -> Result<Vec<ParameterRef>, AwsError> {
        let found = self.describe(parameter_ref).await?;
        let mut index = self.index();
        let mut news = Vec::new();
        for parameter_ref in parameter_ref {
            let version = index.seen(parameter_ref).and_then(|seen| Some(seen.result.as_ref().ok()?.version));
            if version.is_some_and(|version| {
                index.keys.learnt(parameter_ref, version, key_of(&found, parameter_ref, version))
            }) {
                news.push(parameter_ref.clone());
            }
        }
        Ok(news)
    }

    /// What AWS says of these names. Those of other accounts it does not describe.
    async fn describe(&self, parameter_ref: &[ParameterRef]) -> Result<Vec<Description>, AwsError> {
        let own = |parameter_ref: &ParameterRef| {
            let name = self.scope.own_name(&parameter_ref.arn)?;
            Some(if parameter_ref.name.starts_with("arn:") { name.to_owned() } else { parameter_ref.name.clone() })
        };
        let names: BTreeSet<_> = parameter_ref.iter().filter_map(own).collect();
        let names: Vec<_> = names.into_iter().collect();
        let (mut found, mut page) = (Vec::new(), None);
        // A page may be empty although others follow. That this goes on for ever is not to be feared, but not risked.
        for _ in 0..names.len() {
            let objects = self.because(parameter_ref);
            let answer = self.caller.describe_parameters(&names, page.as_deref(), objects).await?;
            found.extend(answer.found);
            page = answer.next;
            if page.is_none() || found.len() >= names.len() {
                break;
            }
        }
        Ok(found)
    }

    /// Asks KMS about keys that are new, or that were not asked about for long. Answers with the names whose key is not
    /// as it was.
    async fn ask_about_keys(&self) -> Vec<ParameterRef> {
        let keys = self.index().keys.take_undescribed();
        let mut news = Vec::new();
        for key in keys {
            let parameter_ref: Vec<_> = self.index().keys.encrypted_by(&key).cloned().collect();
            // Against what was told, not what is known: a read that failed may have asked before.
            let state = self.caller.key_state(&key, "", &self.because(&parameter_ref)).await;
            if self.index().keys.tell(&key, state.as_ref()) {
                news.extend(parameter_ref);
            }
        }
        news
    }

    fn because(&self, parameter_ref: &[ParameterRef]) -> Vec<ObjectRef> {
        let index = self.index();
        let objects: BTreeSet<_> = parameter_ref
            .iter()
            .flat_map(|parameter_ref| index.subscribers(parameter_ref))
            .take(AUDITED_OBJECTS)
            .collect();
        objects
            .iter()
            .filter_map(|subscriber| index.object(subscriber))
            .map(|o| o.with_purpose(Purpose::KeyState))
            .collect()
    }

    fn tell(&self, parameter_ref: &[ParameterRef]) {
        let subscribers: BTreeSet<_> = {
            let index = self.index();
            parameter_ref.iter().flat_map(|parameter_ref| index.subscribers(parameter_ref)).collect()
        };
        for subscriber in subscribers {
            // The receiver goes only when the process ends.
            let _ = self.changed.send(subscriber);
        }
    }
}
