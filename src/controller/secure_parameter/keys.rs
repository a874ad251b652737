//! Checks that granted KMS keys encrypt what an object reads, where access rules ask for that.

use std::time::Duration;

use tokio::time::sleep;

use crate::controller::secure_parameter::inputs::ReadContext;
use crate::{
    domain::{
        Fault,
        access::key_authority::{KeyFact, KeyFacts, UnknownKey},
        parameter::{name::ParameterRef, revision::Versions},
        plan::types::{Plan, Reads},
    },
    parameters::{KeyNeed, NeededVersion, ReadMode, Reading},
};

/// How often AWS is asked about what it does not describe yet as it was read, and how long to wait before.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(1);

/// What follows from a check of values that were read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recheck {
    /// Granted keys encrypt them.
    Granted,
    /// Only a read can tell.
    Read,
}

/// Checks, before Parameter Store decrypts anything, that granted keys encrypt the newest versions. What KMS is to decrypt
/// is refused here only if its key is known from before: KMS names it when it decrypts.
///
/// # Errors
/// `PolicyDenied`, or the failure of AWS.
pub(super) async fn check_before_read(read: ReadContext<'_>, plan: &Plan) -> Result<(), Fault> {
    let reads = plan.reads();
    let needs: Vec<_> = needed(read, &reads).map(|name| need(read, name, NeededVersion::Newest)).collect();
    if read.connection.mode == ReadMode::Ciphertext {
        return check_facts(read, &read.reader.known_keys(&needs)).await;
    }
    check(read, &needs).await
}

/// Checks, before anything is written, that granted keys encrypt exactly the versions that were read.
///
/// # Errors
/// `PolicyDenied`, or the failure of AWS.
pub(super) async fn check_read(read: ReadContext<'_>, plan: &Plan, reading: &Reading) -> Result<(), Fault> {
    let reads = plan.reads();
    let need = |name| {
        let metadata = reading.versions.get(name)?.as_ref()?;
        let decrypted_with = reading.keys.get(name);
        Some(KeyNeed { decrypted_with, ..need(read, name, NeededVersion::Read(metadata)) })
    };
    let needs: Vec<_> = needed(read, &reads).filter_map(need).collect();
    check(read, &needs).await
}

/// Checks that granted keys encrypt versions that were read before: the rules may have changed since. `None` stands for the
/// newest versions.
///
/// # Errors
/// `PolicyDenied`, or the failure of AWS.
pub(super) async fn check_again(
    read: ReadContext<'_>,
    reads: &Reads<'_>,
    versions: Option<&Versions>,
) -> Result<Recheck, Fault> {
    let need = |name| match versions {
        None => Some(need(read, name, NeededVersion::Newest)),
        Some(versions) => Some(need(read, name, NeededVersion::Read(versions.get(name)?.as_ref()?))),
    };
    let needs: Vec<_> = needed(read, reads).filter_map(need).collect();
    if needs.is_empty() {
        return Ok(Recheck::Granted);
    }
    let facts = ask(read, &needs).await?;
    let is_direct = read.connection.mode == ReadMode::Ciphertext;
    let may_be_read = |fact: &KeyFact| match fact {
        KeyFact::Unknown(why) => *why == UnknownKey::Unsettled || is_direct && why.is_known_to_kms(),
        KeyFact::Known(_) | KeyFact::Absent => false,
    };
    if facts.values().any(may_be_read) {
        return Ok(Recheck::Read);
    }
    check_facts(read, &facts).await.map(|()| Recheck::Granted)
}

async fn check(read: ReadContext<'_>, needs: &[KeyNeed<'_>]) -> Result<(), Fault> {
    if needs.is_empty() {
        return Ok(());
    }
    let mut facts = ask(read, needs).await?;
    for _ in 1..ROUNDS {
        let passes =
            |fact: &KeyFact| matches!(fact, KeyFact::Unknown(UnknownKey::Unsettled | UnknownKey::NotDescribed));
        if !facts.values().any(passes) {
            break;
        }
        read.slot.release_while(sleep(ROUND)).await;
        facts = ask(read, needs).await?;
    }
    check_facts(read, &facts).await
}

async fn ask(read: ReadContext<'_>, needs: &[KeyNeed<'_>]) -> Result<KeyFacts, Fault> {
    let object = read.inputs.audit_reference();
    read.slot.release_while(read.reader.key_facts(needs, &object)).await
}

async fn check_facts(read: ReadContext<'_>, facts: &KeyFacts) -> Result<(), Fault> {
    let (aliases, object) = (read.authority.undecided_aliases(facts), read.inputs.audit_reference());
    let resolving = read.reader.resolve_aliases(aliases, &object);
    let aliases = read.slot.release_while(resolving).await;
    read.authority.check_keys(facts, &aliases)
}

/// The parameters that may be read only if a certain key encrypts them.
fn needed<'p>(read: ReadContext<'_>, reads: &Reads<'p>) -> impl Iterator<Item = &'p ParameterRef> {
    reads.keys().copied().filter(move |name| read.authority.needs_key(name))
}

fn need<'p>(read: ReadContext<'_>, parameter_ref: &'p ParameterRef, version: NeededVersion<'p>) -> KeyNeed<'p> {
    KeyNeed { parameter_ref, version, decrypted_with: None, needs_alias: read.authority.needs_alias(parameter_ref) }
}
