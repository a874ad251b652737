//! Faults, quotas, latency.

use std::time::{Duration, Instant};

use serde_json::json;

use super::client::Client;
use crate::fake_aws::{FakeAws, Fault, PutOptions, Quota};

fn read() -> serde_json::Value {
    json!({"Names": ["/x"], "WithDecryption": true})
}

#[tokio::test]
async fn faults_with_an_error_response() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    fake.fault("GetParameters", Fault::Throttle, 2);
    for _ in 0..2 {
        let answer = client.ssm("GetParameters", read()).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.error(), ("ThrottlingException".to_owned(), "Rate exceeded".to_owned()));
    }
    assert_eq!(client.ssm("GetParameters", read()).await.status, 200);
    fake.fault("*", Fault::Internal, 3);
    let ssm = client.ssm("GetParameters", read()).await;
    assert_eq!((ssm.status, ssm.error().0.as_str()), (500, "InternalServerError"));
    let kms = client.kms("DescribeKey", json!({"KeyId": "alias/aws/ssm"})).await;
    assert_eq!((kms.status, kms.error().0.as_str()), (500, "KMSInternalException"));
    let sts = client.sts("Action=GetCallerIdentity").await;
    assert_eq!((sts.status, sts.xml("Code").as_str()), (500, "InternalFailure"));
    assert_eq!(fake.records().len(), 6);
    fake.fault("GetParameters", Fault::Unavailable, 1);
    let answer = client.ssm("GetParameters", read()).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (503, "text/html"));
    assert_eq!((fake.records().len(), fake.calls("GetParameters")), (6, 5));
    fake.fault("GetCallerIdentity", Fault::Throttle, 1);
    assert_eq!(client.sts("Action=GetCallerIdentity").await.xml("Code"), "Throttling");
}

#[tokio::test]
async fn faults_without_a_complete_response() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/x", "v");
    let client = Client::new(&fake);
    fake.fault("GetParameters", Fault::Reset, 1);
    let error = client.try_ssm("GetParameters", read()).await.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    fake.fault("GetParameters", Fault::Close, 1);
    let error = client.try_ssm("GetParameters", read()).await.expect_err("an early end");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert_eq!((fake.records().len(), fake.decrypts()), (0, 0));
    fake.fault("GetParameters", Fault::Malformed, 1);
    let answer = client.ssm("GetParameters", read()).await;
    assert_eq!((answer.status, fake.decrypts()), (200, 1));
    serde_json::from_str::<serde_json::Value>(&answer.body).expect_err("half of it");
    assert_eq!(fake.records().last().expect("a record")["requestID"], answer.request_id());
    fake.fault("GetParameters", Fault::Empty, 1);
    let answer = client.ssm("GetParameters", read()).await;
    assert_eq!((answer.status, answer.body.as_str(), fake.decrypts()), (200, "{}", 2));
}

#[tokio::test]
async fn a_fault_can_start_at_the_nth_call() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    let mut outcomes = Vec::new();
    let list = || client.try_ssm("GetParametersByPath", json!({"Path": "/"}));
    assert_eq!(list().await.map(|answer| answer.status).ok(), Some(200), "before it was planned");
    fake.fault_from("GetParametersByPath", 3, Fault::Reset, 1);
    fake.fault_from("GetParametersByPath", 5, Fault::Internal, usize::MAX);
    for _ in 0..6 {
        assert_eq!(client.ssm("GetParameters", read()).await.status, 200, "another operation");
        outcomes.push(list().await.map(|answer| answer.status).map_err(|error| error.kind()));
    }
    let reset = Err(std::io::ErrorKind::ConnectionReset);
    assert_eq!(outcomes, [Ok(200), Ok(200), reset, Ok(200), Ok(500), Ok(500)]);
    fake.clear_faults();
    assert_eq!(list().await.map(|answer| answer.status).ok(), Some(200));
}

#[tokio::test]
async fn a_hanging_call_continues_when_the_faults_are_cleared() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/x", "v");
    fake.fault("GetParameters", Fault::Hang, usize::MAX);
    let client = Client::new(&fake);
    let calls = async { tokio::join!(client.ssm("GetParameters", read()), client.ssm("GetParameters", read())) };
    tokio::pin!(calls);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut calls).await;
    assert!(early.is_err() && fake.calls("GetParameters") == 2);
    fake.clear_faults();
    let (one, other) = tokio::time::timeout(Duration::from_secs(5), calls).await.expect("now answered");
    assert_eq!((one.status, other.status), (200, 200));
}

#[tokio::test]
async fn kms_can_fail_within_a_call_of_parameter_store() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/x", "v");
    let client = Client::new(&fake);
    fake.fault("kms:Decrypt", Fault::Throttle, 1);
    let (code, message) = client.ssm("GetParameters", read()).await.error();
    assert_eq!(code, "ThrottlingException");
    assert!(message.starts_with("Rate exceeded (Service: AWSKMS; Status Code: 400; Error Code: ThrottlingException;"));
    fake.fault("kms:Decrypt", Fault::Internal, 1);
    assert_eq!(client.ssm("GetParameters", read()).await.status, 500);
    assert_eq!(client.ssm("GetParameters", read()).await.status, 200);
}

#[tokio::test]
async fn a_quota_throttles_and_latency_delays() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    fake.set_quota(Some(Quota { reads: 2.0, others: 1.0 }));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.ssm("GetParameters", read()).await.status);
    }
    assert_eq!(statuses, [200, 200, 400]);
    let record = fake.records().pop().expect("a record");
    assert_eq!(record["errorCode"], "ThrottlingException");
    fake.set_quota(None);
    fake.set_latency(Duration::from_millis(120));
    let start = Instant::now();
    assert_eq!(client.ssm("GetParameters", read()).await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(120));
}

/// Two hundred calls at a time all get a response, and each is counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_run_concurrently() {
    let fake = FakeAws::start().await.expect("starts");
    for n in 0..10 {
        fake.put_with(&format!("/p{n}"), "v", PutOptions::default());
    }
    let names: Vec<String> = (0..10).map(|n| format!("/p{n}")).collect();
    let client = Client::new(&fake);
    let input = json!({"Names": names, "WithDecryption": true});
    let calls = (0..200).map(|_| client.ssm("GetParameters", input.clone()));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((fake.decrypts(), fake.records().len()), (2000, 2200));
}
