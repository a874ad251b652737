//! How reads are combined into calls while some fail.

use std::{collections::VecDeque, time::Duration};

use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep};

use crate::{
    domain::{aws_error::AwsErrorKind, parameter::name::ParameterRef, schedule::decide::Purpose},
    parameters::{
        ReadMode, Reading,
        read_error::ReadError,
        testing::{Harness, KEY, object, optional, parameter_ref, version},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the kind of error that a name's call failed with.
fn kind(reading: &Reading, name: &ParameterRef) -> Option<AwsErrorKind> {
    match reading.errors.get(name)? {
        ReadError::Call { error, .. } => Some(error.kind),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_name_does_not_affect_the_others_of_its_call() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.store.state().denied.insert("/0004".into());
    let reading = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!(reading.values.len(), 9);
    assert_eq!(kind(&reading, &names[4]), Some(AwsErrorKind::AccessDenied));
    assert_eq!(harness.store.calls().len(), 3, "together, the nine, the one that AWS named");
    for _ in 0..3 {
        let reading = harness.read("shop", &names).await.expect("the read ends");
        assert_eq!(reading.values.len(), 9);
        assert_eq!(harness.store.calls().len(), 2, "it is requested alone from then on");
    }
    harness.store.state().denied.clear();
    assert!(harness.read("shop", &names).await.expect("the read ends").errors.is_empty());
    assert_eq!(harness.store.calls().len(), 2);
    assert!(harness.read("shop", &names).await.expect("the read ends").errors.is_empty());
    assert_eq!(harness.store.calls().len(), 1, "and with the others again once it succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_names_no_parameter_is_found_by_halving_the_call() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.store.state().bad_keys.insert("/0007".into());
    let reading = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!(reading.values.len(), 9);
    assert_eq!(kind(&reading, &names[7]), Some(AwsErrorKind::KeyUnavailable));
    let ReadError::Call { key: Some(key), .. } = &reading.errors[&names[7]] else {
        unreachable!("the key is described: {:?}", reading.errors);
    };
    assert_eq!(key.arn, KEY);
    let first = harness.store.calls().len();
    assert!((5..=9).contains(&first), "ten, then two for each halving: {first}");
    assert_eq!(harness.store.state().described, 1);
    harness.read("shop", &names).await.expect("the read ends");
    assert_eq!(harness.store.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_of_several_failing_names_are_found() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    for index in [0, 3, 9] {
        harness.store.state().bad_keys.insert(names[index].name().to_string());
    }
    harness.store.state().denied.insert("/0005".into());
    let reading = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!((reading.values.len(), reading.errors.len()), (6, 4));
    harness.store.calls();
    harness.read("shop", &names).await.expect("the read ends");
    assert_eq!(harness.store.calls().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_retried_at_a_lower_rate() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(200);
    harness.store.state().limit = Some(4);
    let read = harness.read("shop", &names);
    sleep(2 * SECOND).await;
    assert!(harness.reader.rate_limit().rate() < 6.0, "{}", harness.reader.rate_limit().rate());
    let reading = read.await.expect("the read ends");
    assert!(reading.errors.is_empty(), "{:?}", reading.errors);
    harness.store.state().limit = None;
    sleep(120 * SECOND).await;
    assert!((harness.reader.rate_limit().rate() - 10.0).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn throttling_is_reported_to_each_read_after_it_waited_30_s() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(1);
    harness.store.state().limit = Some(0);
    let start = Instant::now();
    let first = harness.read("a", &names);
    sleep(25 * SECOND).await;
    let late = harness.read("b", &names);
    let reading = first.await.expect("the read ends");
    assert_eq!(kind(&reading, &names[0]), Some(AwsErrorKind::Throttled));
    assert!((30..35).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let reading = late.await.expect("the read ends");
    assert_eq!(kind(&reading, &names[0]), Some(AwsErrorKind::Throttled));
    assert!((55..60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let calls = harness.store.calls().len();
    assert!(calls <= 60, "{calls} calls into the throttle");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_retried_once() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    for kind in [AwsErrorKind::ServiceUnavailable, AwsErrorKind::EndpointUnreachable] {
        harness.store.state().script = VecDeque::from([Some(kind)]);
        let reading = harness.read("shop", &names).await.expect("the read ends");
        assert!(reading.errors.is_empty());
        assert_eq!(harness.store.calls().len(), 2);
    }
    harness.store.state().outage = true;
    // The first failures may be the fault of single names. Then it is known that AWS is out as a whole.
    for most in [20, 2, 2] {
        let reading = harness.read("shop", &names).await.expect("the read ends");
        assert_eq!(reading.errors.len(), 10);
        assert_eq!(kind(&reading, &names[0]), Some(AwsErrorKind::ServiceUnavailable));
        let calls = harness.store.calls().len();
        assert!(calls <= most, "{calls} calls rather than {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_attempt_does_not_use_up_the_retry_of_an_outage() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(1);
    harness.store.state().script =
        VecDeque::from([Some(AwsErrorKind::Throttled), Some(AwsErrorKind::ServiceUnavailable)]);
    assert!(harness.read("shop", &names).await.expect("the read ends").errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_tried_once_more_since_new_ones_are_fetched_meanwhile() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.store.state().script = VecDeque::from([Some(AwsErrorKind::CredentialsInvalid)]);
    let reading = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!((reading.values.len(), harness.store.calls().len()), (10, 2));
}

/// One slow key makes the whole call fail in a way that says nothing of single names.
#[tokio::test(start_paused = true)]
async fn a_name_that_seems_to_put_aws_out_affects_itself_alone() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    for index in [1, 3, 5, 6, 7, 9] {
        harness.store.state().failing.insert(names[index].name().to_string());
    }
    let reading = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!((reading.values.len(), reading.errors.len()), (4, 6), "{:?}", reading.errors);
    assert_eq!(kind(&reading, &names[5]), Some(AwsErrorKind::EndpointUnreachable));
    let calls = harness.store.calls().len();
    assert!(calls <= 20, "{calls}");
    let again = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!(again.values.len(), 4);
    assert!(
        harness.store.calls().iter().filter(|call| call.failed).all(|call| call.names.len() == 1),
        "alone from now on"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_no_call_for_every_name() {
    let harness = Harness::new(100).await;
    let names = harness.store.write_many(200);
    harness.store.state().outage = true;
    let reading = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!(reading.errors.len(), 200);
    let calls = harness.store.calls().len();
    assert!(calls <= 60, "{calls} calls for twenty times ten names");
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_leaves_out_is_a_failure_and_not_absent() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.store.state().left_out.insert("/0003".into());
    let reads = optional(&names);
    let reading = harness.reader.read(&reads, ReadMode::Decrypt, Purpose::FirstSync, &object("shop", "object")).await;
    assert_eq!(reading.values.len(), 9);
    assert_eq!(kind(&reading, &names[3]), Some(AwsErrorKind::ServiceUnavailable));
    assert!(!reading.versions.contains_key(&names[3]), "it is not known to be absent");
}

#[tokio::test(start_paused = true)]
async fn an_older_version_is_read_again_and_never_handed_out() {
    let harness = Harness::new(10).await;
    harness.store.write("/a");
    harness.store.write("/a");
    let name = [parameter_ref("/a")];
    harness.watch("object", &name, 60, false);
    harness.read("shop", &name).await.expect("the read ends");
    harness.store.state().stale.insert("/a".into(), 1);
    let read = harness.read("shop", &name);
    sleep(SECOND / 2).await;
    harness.store.state().stale.clear();
    let reading = read.await.expect("the read ends");
    assert_eq!(reading.values[&name[0]].expose_secret(), "/a#2");
    harness.store.state().stale.insert("/a".into(), 1);
    let reading = harness.read("shop", &name).await.expect("the read ends");
    assert_eq!(kind(&reading, &name[0]), Some(AwsErrorKind::ServiceUnavailable), "{:?}", reading.versions);
    assert!(reading.values.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_for_a_missing_version_does_not_make_the_parameter_missing() {
    let harness = Harness::new(10).await;
    harness.store.write("/there");
    let name = [version("/there", 7)];
    for kind in [AwsErrorKind::Throttled, AwsErrorKind::ServiceUnavailable] {
        harness.store.state().script = VecDeque::from([None, Some(kind)]);
        let reading = harness.read("shop", &name).await.expect("the read ends");
        assert!(matches!(reading.errors[&name[0]], ReadError::VersionNotFound), "{:?}", reading.errors);
    }
    harness.store.state().script =
        VecDeque::from([None, Some(AwsErrorKind::CredentialsInvalid), Some(AwsErrorKind::CredentialsInvalid)]);
    let reading = harness.read("shop", &name).await.expect("the read ends");
    assert!(matches!(reading.errors[&name[0]], ReadError::Call { .. }), "{:?}", reading.errors);
}

#[tokio::test(start_paused = true)]
async fn every_call_is_audited() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(30);
    harness.store.state().bad_keys.insert("/0007".into());
    harness.store.state().denied.insert("/0015".into());
    let missing = [version("/0001", 7), parameter_ref("/gone")];
    let names: Vec<_> = names.into_iter().chain(missing).collect();
    harness.read("shop", &names).await.expect("the read ends");
    let made = harness.store.calls().len() + harness.store.state().described;
    assert_eq!(harness.store.audited(), made + 1, "STS, SSM and KMS");
}

#[tokio::test(start_paused = true)]
async fn a_bug_that_one_name_brings_to_light_affects_it_alone() {
    let harness = Harness::new(10).await;
    let names = harness.store.write_many(10);
    harness.store.state().panicking.insert("/0006".into());
    let reading = harness.read("shop", &names).await.expect("the read ends");
    assert_eq!((reading.values.len(), reading.errors.len()), (9, 1));
    assert_eq!(kind(&reading, &names[6]), Some(AwsErrorKind::ServiceUnavailable));
}
