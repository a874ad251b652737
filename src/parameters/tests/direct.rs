//! Values that KMS decrypts instead of Parameter Store.

use secrecy::ExposeSecret;

use crate::{
    domain::{
        audit::aws_error::AwsErrorKind,
        parameter::{key::KeyState, name::ParameterRef},
        schedule::decide::Purpose,
    },
    parameters::{
        Mode, ReadError, Reading, SsmFallback,
        testing::{Bench, KEY, needed, object, parameter_ref},
    },
};

async fn read(bench: &Bench, names: &[ParameterRef]) -> Reading {
    bench.reader.read(&needed(names), Mode::Direct, Purpose::FirstSync, &object("shop", "object")).await
}

#[tokio::test(start_paused = true)]
async fn kms_decrypts_each_value_and_names_its_key() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(12);
    let reading = read(&bench, &names).await;
    assert_eq!(reading.values[&names[11]].expose_secret(), "/0011#1");
    let calls = bench.store.calls();
    assert_eq!((calls.len(), calls.iter().any(|call| call.decrypt)), (2, false));
    assert_eq!(bench.store.state().decrypted.len(), 12);
    let decrypted: Vec<_> = reading.accesses.iter().filter(|access| access.decrypting).collect();
    assert_eq!(decrypted.len(), 12);
    assert!(decrypted.iter().all(|access| access.parameters[0].key.as_deref() == Some(KEY)));
    let key = bench.reader.keys(&reading.versions).remove(&names[0]).and_then(|key| key.arn);
    assert_eq!(key.as_deref(), Some(KEY));
    drop(reading);
    assert_eq!(bench.store.values_alive(), 0, "neither values nor ciphertext stay");
}

#[tokio::test(start_paused = true)]
async fn what_kms_refuses_takes_the_detour_and_says_so() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(3);
    bench.store.state().advanced.insert("/0001".into());
    bench.store.state().managed_keys.insert("/0002".into());
    for asked_before in [false, true] {
        let reading = read(&bench, &names).await;
        assert_eq!(reading.values[&names[1]].expose_secret(), "/0001#1");
        assert_eq!(reading.values[&names[2]].expose_secret(), "/0002#1");
        let detours: Vec<_> =
            reading.detours.iter().map(|(parameter_ref, detour)| (parameter_ref.name.as_str(), *detour)).collect();
        assert_eq!(detours, [("/0001", SsmFallback::AdvancedTier), ("/0002", SsmFallback::ManagedKey)]);
        let refused = bench.store.state().decrypted.iter().filter(|name| *name == "/0002").count();
        assert_eq!(refused, 1, "KMS is not asked in vain again ({asked_before})");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_in_trouble_harms_its_own_parameters_only() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    bench.store.state().bad_keys.insert("/0004".into());
    let reading = read(&bench, &names).await;
    assert_eq!((reading.values.len(), reading.errors.len()), (9, 1));
    let ReadError::Call { error, key: Some(KeyState { arn, .. }) } = &reading.errors[&names[4]] else {
        unreachable!("{:?}", reading.errors)
    };
    assert_eq!((error.kind, arn.as_str()), (AwsErrorKind::KeyUnavailable, KEY));
}

#[tokio::test(start_paused = true)]
async fn absent_names_are_absent() {
    let bench = Bench::new(10).await;
    bench.store.write("/a");
    let reading = read(&bench, &[parameter_ref("/a"), parameter_ref("/b")]).await;
    assert!(matches!(reading.errors[&parameter_ref("/b")], ReadError::NotFound));
    assert_eq!(reading.values.len(), 1);
}
