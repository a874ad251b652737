//! Values that KMS decrypts instead of Parameter Store.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::sleep;

use crate::{
    domain::{aws_error::AwsErrorKind, parameter::name::ParameterRef, schedule::decide::Purpose},
    parameters::{
        ReadMode, Reading,
        batch::ssm_fallback::SsmFallback,
        read_error::ReadError,
        testing::{Harness, KEY, needed, object, parameter_ref, subscriber},
    },
};

async fn read(harness: &Harness, names: &[ParameterRef]) -> Reading {
    harness.reader.read(&needed(names), ReadMode::Ciphertext, Purpose::FirstSync, &object("shop", "object")).await
}

#[tokio::test(start_paused = true)]
async fn kms_decrypts_each_value_and_names_its_key() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(12);
    harness.watch("object", &names, 60, false);
    let reading = read(&harness, &names).await;
    assert_eq!(reading.values[&names[11]].expose_secret(), "/0011#1");
    let calls = harness.store.calls();
    assert_eq!((calls.len(), calls.iter().any(|call| call.decrypt)), (2, false));
    assert_eq!(harness.store.state().decrypted.len(), 12);
    let decrypted: Vec<_> = reading.accesses.iter().filter(|access| access.decrypting).collect();
    assert_eq!(decrypted.len(), 12);
    assert!(decrypted.iter().all(|access| access.parameters[0].key.as_deref() == Some(KEY)));
    let key = harness.reader.keys(&reading.versions).remove(&names[0]).and_then(|key| key.arn);
    assert_eq!(key.as_deref(), Some(KEY));
    drop(reading);
    assert_eq!(harness.store.values_alive(), 0, "neither values nor ciphertexts stay in memory");
}

#[tokio::test(start_paused = true)]
async fn parameter_store_decrypts_what_kms_refuses_and_the_reading_says_so() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(3);
    harness.store.state().advanced.insert("/0001".into());
    harness.store.state().managed_keys.insert("/0002".into());
    for is_second_read in [false, true] {
        let reading = read(&harness, &names).await;
        assert_eq!(reading.values[&names[1]].expose_secret(), "/0001#1");
        assert_eq!(reading.values[&names[2]].expose_secret(), "/0002#1");
        let fallbacks: Vec<_> =
            reading.fallbacks.iter().map(|(parameter_ref, fallback)| (parameter_ref.name(), *fallback)).collect();
        assert_eq!(fallbacks, [("/0001", SsmFallback::AdvancedTier), ("/0002", SsmFallback::ManagedKey)]);
        let refused = harness.store.state().decrypted.iter().filter(|name| *name == "/0002").count();
        assert_eq!(refused, 1, "KMS is not called again (second read: {is_second_read})");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unusable_key_affects_its_own_parameters_only() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.store.state().bad_keys.insert("/0004".into());
    let reading = read(&harness, &names).await;
    assert_eq!((reading.values.len(), reading.errors.len()), (9, 1));
    let ReadError::Call { error, key: Some(key) } = &reading.errors[&names[4]] else {
        unreachable!("{:?}", reading.errors)
    };
    assert_eq!((error.kind, key.arn.as_str()), (AwsErrorKind::KeyUnavailable, KEY));
}

#[tokio::test(start_paused = true)]
async fn absent_parameters_are_reported_as_not_found() {
    let harness = Harness::new(10).await;
    harness.store.write("/a");
    let reading = read(&harness, &[parameter_ref("/a"), parameter_ref("/b")]).await;
    assert!(matches!(reading.errors[&parameter_ref("/b")], ReadError::NotFound));
    assert_eq!(reading.values.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_goes_while_kms_decrypts_leaves_no_key_behind() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(1);
    harness.store.state().kms_latency = Duration::from_secs(5);
    harness.watch("object", &names, 60, false);
    let (reader, watched) = (harness.reader.clone(), names.clone());
    let reading = tokio::spawn(async move {
        reader.read(&needed(&watched), ReadMode::Ciphertext, Purpose::FirstSync, &object("shop", "object")).await
    });
    sleep(Duration::from_secs(1)).await;
    harness.reader.forget(&subscriber("object"));
    let reading = reading.await.expect("the read ends");
    assert_eq!(reading.values.len(), 1);
    assert!(harness.reader.keys(&reading.versions).is_empty());
}
