//! How reads become calls while something fails.

use std::{collections::VecDeque, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    domain::{
        audit::aws_error::AwsErrorKind,
        parameter::{key::KeyState, name::ParameterRef},
    },
    parameters::{
        ReadError, Reading,
        testing::{Bench, KEY, parameter_ref, version},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// What a name's call failed with.
fn kind(reading: &Reading, name: &ParameterRef) -> Option<AwsErrorKind> {
    match reading.errors.get(name)? {
        ReadError::Call { error, .. } => Some(error.kind),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_name_does_not_harm_its_neighbours() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    bench.store.state().denied.insert("/0004".into());
    let reading = bench.read("shop", &names).await.expect("a reading");
    assert_eq!(reading.values.len(), 9);
    assert_eq!(kind(&reading, &names[4]), Some(AwsErrorKind::AccessDenied));
    assert_eq!(bench.store.calls().len(), 3, "together, the nine, the one that AWS named");
    for _ in 0..3 {
        let reading = bench.read("shop", &names).await.expect("a reading");
        assert_eq!(reading.values.len(), 9);
        assert_eq!(bench.store.calls().len(), 2, "it is asked for apart from then on");
    }
    bench.store.state().denied.clear();
    assert!(bench.read("shop", &names).await.expect("a reading").errors.is_empty());
    assert_eq!(bench.store.calls().len(), 2);
    assert!(bench.read("shop", &names).await.expect("a reading").errors.is_empty());
    assert_eq!(bench.store.calls().len(), 1, "and with the others again once it succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_names_no_parameter_is_found_by_halves() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    bench.store.state().bad_keys.insert("/0007".into());
    let reading = bench.read("shop", &names).await.expect("a reading");
    assert_eq!(reading.values.len(), 9);
    assert_eq!(kind(&reading, &names[7]), Some(AwsErrorKind::KeyUnavailable));
    let ReadError::Call { key: Some(KeyState { arn, .. }), .. } = &reading.errors[&names[7]] else {
        unreachable!("the key is described: {:?}", reading.errors);
    };
    assert_eq!(arn, KEY);
    let first = bench.store.calls().len();
    assert!((5..=9).contains(&first), "ten, then two for each halving: {first}");
    assert_eq!(bench.store.state().described, 1);
    bench.read("shop", &names).await.expect("a reading");
    assert_eq!(bench.store.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn several_poisoned_names_are_all_found() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    for index in [0, 3, 9] {
        bench.store.state().bad_keys.insert(names[index].name.clone());
    }
    bench.store.state().denied.insert("/0005".into());
    let reading = bench.read("shop", &names).await.expect("a reading");
    assert_eq!((reading.values.len(), reading.errors.len()), (6, 4));
    bench.store.calls();
    bench.read("shop", &names).await.expect("a reading");
    assert_eq!(bench.store.calls().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_are_tried_again_at_a_lower_rate() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(200);
    bench.store.state().limit = Some(4);
    let read = bench.read("shop", &names);
    sleep(2 * SECOND).await;
    assert!(bench.reader.budget().rate() < 6.0, "{}", bench.reader.budget().rate());
    let reading = read.await.expect("a reading");
    assert!(reading.errors.is_empty(), "{:?}", reading.errors);
    bench.store.state().limit = None;
    sleep(120 * SECOND).await;
    assert!((bench.reader.budget().rate() - 10.0).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn throttling_is_an_error_only_after_30_s_of_each_ones_own_waiting() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(1);
    bench.store.state().limit = Some(0);
    let start = Instant::now();
    let first = bench.read("a", &names);
    sleep(25 * SECOND).await;
    let late = bench.read("b", &names);
    let reading = first.await.expect("a reading");
    assert_eq!(kind(&reading, &names[0]), Some(AwsErrorKind::Throttled));
    assert!((30..35).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let reading = late.await.expect("a reading");
    assert_eq!(kind(&reading, &names[0]), Some(AwsErrorKind::Throttled));
    assert!((55..60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let calls = bench.store.calls().len();
    assert!(calls <= 60, "{calls} calls into the throttle");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_tried_again_once() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    for kind in [AwsErrorKind::ServiceUnavailable, AwsErrorKind::EndpointUnreachable] {
        bench.store.state().script = VecDeque::from([Some(kind)]);
        let reading = bench.read("shop", &names).await.expect("a reading");
        assert!(reading.errors.is_empty());
        assert_eq!(bench.store.calls().len(), 2);
    }
    bench.store.state().outage = true;
    let reading = bench.read("shop", &names).await.expect("a reading");
    assert_eq!(reading.errors.len(), 10);
    assert_eq!(kind(&reading, &names[0]), Some(AwsErrorKind::ServiceUnavailable));
    assert_eq!(bench.store.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_attempt_does_not_use_up_the_retry_of_an_outage() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(1);
    bench.store.state().script =
        VecDeque::from([Some(AwsErrorKind::Throttled), Some(AwsErrorKind::ServiceUnavailable)]);
    assert!(bench.read("shop", &names).await.expect("a reading").errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_not_tried_again() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(10);
    bench.store.state().script = VecDeque::from([Some(AwsErrorKind::CredentialsInvalid)]);
    let reading = bench.read("shop", &names).await.expect("a reading");
    assert_eq!((reading.errors.len(), bench.store.calls().len()), (10, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_second_question_does_not_make_a_parameter_missing() {
    let bench = Bench::new(10).await;
    bench.store.write("/there");
    let name = [version("/there", 7)];
    for kind in [AwsErrorKind::Throttled, AwsErrorKind::ServiceUnavailable] {
        bench.store.state().script = VecDeque::from([None, Some(kind)]);
        let reading = bench.read("shop", &name).await.expect("a reading");
        assert!(matches!(reading.errors[&name[0]], ReadError::VersionNotFound), "{:?}", reading.errors);
    }
    bench.store.state().script = VecDeque::from([None, Some(AwsErrorKind::CredentialsInvalid)]);
    let reading = bench.read("shop", &name).await.expect("a reading");
    assert!(matches!(reading.errors[&name[0]], ReadError::Call { .. }), "{:?}", reading.errors);
}

#[tokio::test(start_paused = true)]
async fn every_call_is_audited() {
    let bench = Bench::new(10).await;
    let names = bench.store.write_many(30);
    bench.store.state().bad_keys.insert("/0007".into());
    bench.store.state().denied.insert("/0015".into());
    let missing = [version("/0001", 7), parameter_ref("/gone")];
    let names: Vec<_> = names.into_iter().chain(missing).collect();
    bench.read("shop", &names).await.expect("a reading");
    let made = bench.store.calls().len() + bench.store.state().described;
    assert_eq!(bench.store.audited(), made + 1, "STS, SSM and KMS");
}
