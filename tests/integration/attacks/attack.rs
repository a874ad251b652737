//! One attack: what tenant A creates, and what must happen.

use anyhow::{Context, Result, bail, ensure};
use secure_parameter_operator::api::Condition;
use serde_json::Value;
use testbed::wait::eventually;

use super::{
    api::{manifest, path},
    world::Tenants,
};
use crate::support::PATIENCE;

/// What must happen.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// The API server refuses the object, with these words.
    Refused(&'static str),
    /// The object or store is not Ready, for this reason and with these words.
    Fails(&'static str, &'static [&'static str]),
}

/// What tenant A creates.
#[derive(Clone, Debug)]
pub struct Attack {
    /// What it is, in words. The object has this name, in lower case and with hyphens.
    pub name: &'static str,
    /// What A creates first.
    before: Vec<Value>,
    object: Value,
    expected: Expected,
}

impl Attack {
    /// An attack by a `SecureParameter` with this spec.
    pub fn object(name: &'static str, spec: &Value, expected: Expected) -> Self {
        Self::new(name, "SecureParameter", spec, expected)
    }

    /// An attack by a `ParameterStore` with this spec.
    pub fn store(name: &'static str, spec: &Value, expected: Expected) -> Self {
        Self::new(name, "ParameterStore", spec, expected)
    }

    fn new(name: &'static str, kind: &str, spec: &Value, expected: Expected) -> Self {
        Self {
            name,
            before: Vec::new(),
            object: manifest(kind, &name.to_lowercase().replace(' ', "-"), spec),
            expected,
        }
    }

    /// The same attack after A created these.
    pub fn after(self, before: impl Into<Vec<Value>>) -> Self {
        Self { before: before.into(), ..self }
    }

    /// Makes the attack, and checks that it fails as expected.
    pub async fn is_repelled(&self, world: &Tenants) -> Result<()> {
        for object in &self.before {
            world.as_tenant(object).await.context("preparation")?;
        }
        let applied = world.as_tenant(&self.object).await;
        match self.expected {
            Expected::Fails(reason, words) => {
                applied.context("creation")?;
                fails(world, &self.object, &[reason], words).await.map(drop)
            }
            Expected::Refused(words) => match applied {
                Ok(object) => bail!("the API server accepted {object}"),
                Err(kube::Error::Api(status)) => {
                    let is_invalid = matches!(status.code, 400 | 422);
                    ensure!(is_invalid && status.message.contains(words), "{}: {}", status.code, status.message);
                    Ok(())
                }
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Checks that AWS refuses what the operator refused before. What fails for another reason goes on doing so.
    pub async fn is_repelled_by_aws(&self, world: &Tenants) -> Result<()> {
        match self.expected {
            Expected::Refused(_) => Ok(()),
            Expected::Fails("PolicyDenied", _) => {
                let last = fails(world, &self.object, &["AccessDenied", "DecryptDenied"], &[]).await?;
                ensure!(last.contains("because no session policy allows"), "{last}");
                Ok(())
            }
            Expected::Fails(reason, words) => fails(world, &self.object, &[reason], words).await.map(drop),
        }
    }
}

/// Waits until an object or store is not Ready for one of these reasons, as its owner sees it. Returns the message.
pub async fn fails(world: &Tenants, object: &Value, reasons: &[&str], words: &[&str]) -> Result<String> {
    let mut last = Value::Null;
    let what = format!("one of the reasons {reasons:?}");
    let waited = eventually(&what, PATIENCE, async || {
        last = world.get(&world.tenant, &path(object)).await?["status"].clone();
        let conditions: Vec<Condition> = serde_json::from_value(last["conditions"].clone()).unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
        let failed =
            ready.filter(|ready| format!("{:?}", ready.status) == "False" && reasons.contains(&ready.reason.as_str()));
        Ok(failed.map(|ready| ready.message))
    });
    let message = waited.await.with_context(|| format!("last seen: {last}"))?;
    for word in words {
        ensure!(message.contains(word), "{message:?} lacks {word:?}");
    }
    Ok(message)
}
