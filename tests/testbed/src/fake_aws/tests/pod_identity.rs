//! The agent of EKS Pod Identity.

use std::fs;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::Client;
use crate::fake_aws::{FakeAws, Identity, PodIdentity, PodIdentityAgent, Role, Statement};

const ROLE: &str = "arn:aws:iam::111122223333:role/pod";

/// Status and body of a request with this token.
async fn get(agent: &PodIdentityAgent, token: &str) -> (u16, String) {
    let variables = agent.environment();
    let (name, uri) = &variables[0];
    assert_eq!(name, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let (host, path) = uri.trim_start_matches("http://").split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).await.expect("connects");
    let request =
        format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, body.to_owned())
}

#[tokio::test]
async fn the_right_token_gives_credentials_with_the_tags_of_the_pod() {
    let fake = FakeAws::start().await.expect("starts");
    let by_namespace = "arn:aws:ssm:*:*:parameter/${aws:PrincipalTag/kubernetes-namespace}/*";
    let policy = vec![Statement::allow(&["ssm:*"], &[by_namespace]), Statement::allow(&["sts:*"], &["*"])];
    fake.add_role(Role::new("111122223333", "pod").with_policy(policy));
    fake.add_role(Role::new("444455556666", "next"));
    let agent = PodIdentityAgent::start(&fake, PodIdentity::new(ROLE, "shop", "checkout")).await.expect("starts");
    let (name, file) = agent.environment().remove(1);
    assert_eq!(name, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let token = fs::read_to_string(file).expect("a token");
    let (status, body) = get(&agent, &token).await;
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(answer["AccountId"], "111122223333");
    assert!(answer["Expiration"].as_str().is_some_and(|time| time.ends_with('Z')), "{answer}");
    let text = |field: &str| answer[field].as_str().expect(field).to_owned();
    let identity = Identity {
        access_key_id: text("AccessKeyId"),
        secret_access_key: text("SecretAccessKey"),
        session_token: Some(text("Token")),
        ..Identity::user("unused", "unused")
    };
    let pod = Client::as_identity(&fake, identity);
    assert_eq!(pod.ssm("GetParameters", json!({"Names": ["/shop/x"]})).await.status, 200);
    assert_eq!(pod.ssm("GetParameters", json!({"Names": ["/bank/x"]})).await.status, 400);
    let arn = pod.sts("Action=GetCallerIdentity").await.xml("Arn");
    assert!(arn.starts_with("arn:aws:sts::111122223333:assumed-role/pod/eks-demo-checkout-0-"), "{arn}");
    pod.session("arn:aws:iam::444455556666:role/next", &[]).await;
    let record = fake.records().into_iter().rfind(|record| record["eventName"] == "AssumeRole").expect("a record");
    let incoming = &record["requestParameters"]["incomingTransitiveTags"];
    assert_eq!((&incoming["kubernetes-namespace"], &incoming["eks-cluster-name"]), (&json!("shop"), &json!("demo")));
    assert_eq!(incoming.as_object().expect("tags").len(), 6);
}

#[tokio::test]
async fn wrong_tokens_failures_and_roles_without_trust_are_refused() {
    let fake = FakeAws::start().await.expect("starts");
    let agent = PodIdentityAgent::start(&fake, PodIdentity::new(ROLE, "shop", "checkout")).await.expect("starts");
    let token = fs::read_to_string(agent.token_file()).expect("a token");
    assert_eq!(get(&agent, &token).await.0, 403, "no such role");
    fake.add_role(Role { trusted: vec!["arn:*".to_owned()], ..Role::new("111122223333", "pod") });
    assert_eq!(get(&agent, &token).await.0, 403, "no trust in the service");
    fake.add_role(Role { trusted: vec!["pods.eks.amazonaws.com".to_owned()], ..Role::new("111122223333", "pod") });
    assert_eq!(get(&agent, &token).await.0, 200);
    assert_eq!(get(&agent, "wrong").await.0, 401);
    agent.rotate_token("second").expect("writes");
    assert_eq!((get(&agent, &token).await.0, get(&agent, "second").await.0), (401, 200));
    agent.accept_token("third");
    assert_eq!(fs::read_to_string(agent.token_file()).expect("a token"), "second");
    assert_eq!(get(&agent, "second").await.0, 401);
    agent.fail(Some(503));
    assert_eq!(get(&agent, "third").await.0, 503);
    agent.fail(None);
    assert_eq!((get(&agent, "third").await.0, agent.requests()), (200, 9));
}
