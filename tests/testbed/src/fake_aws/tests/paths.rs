//! `GetParametersByPath`.

use serde_json::{Value, json};

use super::client::{Client, texts};
use crate::fake_aws::{FakeAws, ParameterType, PutOptions};

/// Names on every page.
async fn pages(client: &Client, mut input: Value) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let page = client.ssm("GetParametersByPath", input.clone()).await.json();
        pages.push(texts(&page, "Parameters", "Name").into_iter().map(str::to_owned).collect());
        let Some(next) = page["NextToken"].as_str() else { return pages };
        input["NextToken"] = json!(next);
    }
}

fn filters(key: &str, value: &str) -> Value {
    json!([{"Key": key, "Values": [value]}])
}

#[tokio::test]
async fn a_hierarchy_is_listed_level_by_level() {
    let fake = FakeAws::start().await.expect("starts");
    for name in ["/a-b", "/a/z", "/a", "/a/y/x", "/a.b", "root", "/b/a", "/a/y-x"] {
        fake.put(name, "v");
    }
    let client = Client::new(&fake);
    let flat = |path: &str| json!({"Path": path});
    let deep = |path: &str| json!({"Path": path, "Recursive": true});
    for (input, expected) in [
        (deep("/"), vec!["/a", "/a/y/x", "/a/y-x", "/a/z", "/a-b", "/a.b", "/b/a", "root"]),
        (flat("/"), vec!["/a", "/a-b", "/a.b", "root"]),
        (deep("/a"), vec!["/a/y/x", "/a/y-x", "/a/z"]),
        (flat("/a/"), vec!["/a/y-x", "/a/z"]),
        (deep("/root"), vec![]),
        (deep("/a/z"), vec![]),
    ] {
        assert_eq!(pages(&client, input.clone()).await, [expected], "{input}");
    }
}

#[tokio::test]
async fn an_empty_page_may_have_a_next_token() {
    let fake = FakeAws::start().await.expect("starts");
    fake.create_key("shop");
    let secure = PutOptions { key: Some("alias/shop".into()), ..PutOptions::default() };
    for n in 0..9 {
        fake.put_with(&format!("/s/{n}"), "v", PutOptions { kind: ParameterType::String, ..Default::default() });
    }
    fake.put_with("/s/9", "v", secure);
    fake.label("/s/9", 1, "prod");
    let client = Client::new(&fake);
    for (key, value) in [("Type", "SecureString"), ("KeyId", "alias/shop"), ("Label", "prod")] {
        let input = json!({"Path": "/s", "MaxResults": 4, "ParameterFilters": filters(key, value)});
        assert_eq!(pages(&client, input).await, [vec![], vec![], vec!["/s/9"]], "{key}");
        let last = json!({"Path": "/s", "MaxResults": 5, "ParameterFilters": filters(key, value)});
        assert_eq!(pages(&client, last).await, [vec![], vec!["/s/9"]], "a full last page leads nowhere");
    }
}

#[tokio::test]
async fn a_label_selects_the_version_with_it() {
    let fake = FakeAws::start().await.expect("starts");
    for value in ["one", "two", "three"] {
        fake.put("/s/a", value);
    }
    fake.put("/s/b", "none");
    fake.label("/s/a", 1, "old");
    fake.label("/s/a", 2, "prod");
    let client = Client::new(&fake);
    let input = json!({"Path": "/s", "WithDecryption": true, "ParameterFilters": filters("Label", "prod")});
    let answer = client.ssm("GetParametersByPath", input).await.json();
    assert_eq!(
        (texts(&answer, "Parameters", "Name"), texts(&answer, "Parameters", "Value")),
        (vec!["/s/a"], vec!["two"])
    );
    assert_eq!((&answer["Parameters"][0]["Version"], fake.decrypts()), (&json!(2), 1));
    for (key, code) in [("Name", "InvalidFilterKey"), ("Tier", "InvalidFilterKey"), ("Path", "InvalidFilterKey")] {
        let input = json!({"Path": "/s", "ParameterFilters": filters(key, "x")});
        assert_eq!(client.ssm("GetParametersByPath", input).await.error().0, code, "{key}");
    }
    let begins = json!([{"Key": "Label", "Option": "BeginsWith", "Values": ["p"]}]);
    let refused = client.ssm("GetParametersByPath", json!({"Path": "/s", "ParameterFilters": begins})).await;
    assert_eq!(refused.error().0, "InvalidFilterOption");
    let described = client.ssm("DescribeParameters", json!({"ParameterFilters": filters("Label", "prod")})).await;
    assert_eq!(described.error().0, "InvalidFilterKey");
}

#[tokio::test]
async fn invalid_input_is_refused() {
    let fake = FakeAws::start().await.expect("starts");
    for n in 0..12 {
        fake.put(&format!("/s/{n:02}"), "v");
    }
    let client = Client::new(&fake);
    for size in [-1, 0, 11] {
        let (code, message) =
            client.ssm("GetParametersByPath", json!({"Path": "/s", "MaxResults": size})).await.error();
        assert_eq!(code, "ValidationException", "{size}");
        assert!(message.contains(&format!("Value '{size}' at 'maxResults'")), "{message}");
    }
    for path in ["", "s", "/s//t", "/s:1", "/ä"] {
        let answer = client.ssm("GetParametersByPath", json!({"Path": path})).await;
        assert_eq!(answer.error().0, "ValidationException", "{path}");
    }
    let described = client.ssm("DescribeParameters", json!({"MaxResults": 1})).await.json()["NextToken"].clone();
    let own = client.ssm("GetParametersByPath", json!({"Path": "/s"})).await.json()["NextToken"].clone();
    assert!(!own.as_str().expect("text").contains("/s"));
    for token in [described, json!("x"), json!("YWZ0ZXI6MTA"), json!(format!("{}A", own.as_str().expect("text")))] {
        let input = json!({"Path": "/s", "NextToken": token});
        assert_eq!(client.ssm("GetParametersByPath", input).await.error().0, "InvalidNextToken", "{token}");
    }
    assert_eq!(client.ssm("GetParametersByPath", json!({"Path": "/s", "NextToken": own})).await.status, 200);
}

#[tokio::test]
async fn only_the_path_is_authorised_and_recorded() {
    let fake = FakeAws::start().await.expect("starts");
    for n in 0..11 {
        fake.put(&format!("/s/{n:02}"), "value");
    }
    fake.deny("ssm:*", "*:parameter/s/*");
    let client = Client::new(&fake);
    let filters = json!([{"Key": "Type", "Option": "Equals", "Values": ["SecureString"]}]);
    let mut input = json!({"Path": "/s/", "Recursive": true, "WithDecryption": true, "MaxResults": 10,
        "ParameterFilters": filters});
    let first = client.ssm("GetParametersByPath", input.clone()).await;
    assert_eq!(texts(&first.json(), "Parameters", "Value").len(), 10);
    input["NextToken"] = first.json()["NextToken"].clone();
    assert_eq!(client.ssm("GetParametersByPath", input.clone()).await.status, 200);
    let record = fake.records().pop().expect("a record");
    let filters = json!([{"key": "Type", "option": "Equals", "values": ["SecureString"]}]);
    let expected = json!({"path": "/s/", "recursive": true, "withDecryption": true, "maxResults": 10,
        "parameterFilters": filters, "nextToken": input["NextToken"]});
    assert_eq!((&record["requestParameters"], record.get("resources")), (&expected, None));
    assert!(!Value::from(fake.records()).to_string().contains("\"value\""));
    fake.deny("ssm:GetParametersByPath", &fake.parameter_arn("/s"));
    let (code, message) = client.ssm("GetParametersByPath", json!({"Path": "/s/"})).await.error();
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("on resource: arn:aws:ssm:eu-central-1:111122223333:parameter/s because"), "{message}");
}
