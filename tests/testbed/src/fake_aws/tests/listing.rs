//! The paged operations.

use std::collections::HashSet;

use serde_json::json;

use super::client::{Client, texts};
use crate::fake_aws::{FakeAws, ParameterType, PutOptions};

#[tokio::test]
async fn a_path_is_listed_page_by_page() {
    let fake = FakeAws::start().await.expect("starts");
    for n in 0..12 {
        fake.put(&format!("/shop/p{n:02}"), "v");
    }
    fake.put("/shop/deep/x", "v");
    fake.put("/shopping", "v");
    fake.label("/shop/p03", 1, "prod");
    let client = Client::new(&fake);
    let mut input = json!({"Path": "/shop/", "Recursive": true, "WithDecryption": true});
    let mut seen = HashSet::new();
    let mut pages = 0;
    loop {
        let page = client.ssm("GetParametersByPath", input.clone()).await.json();
        let names = texts(&page, "Parameters", "Name");
        assert!(names.len() <= 10);
        seen.extend(names.into_iter().map(str::to_owned));
        pages += 1;
        let Some(next) = page["NextToken"].as_str() else { break };
        input["NextToken"] = json!(next);
    }
    assert_eq!((seen.len(), pages), (13, 2));
    assert!(!seen.contains("/shopping"));
    let flat = client.ssm("GetParametersByPath", json!({"Path": "/shop", "MaxResults": 10})).await.json();
    assert!(!texts(&flat, "Parameters", "Name").contains(&"/shop/deep/x"));
    let filters = json!([{"Key": "Label", "Option": "Equals", "Values": ["prod"]}]);
    let labelled =
        client.ssm("GetParametersByPath", json!({"Path": "/shop", "ParameterFilters": filters})).await.json();
    assert_eq!(texts(&labelled, "Parameters", "Name"), ["/shop/p03"]);
    let eleven = client.ssm("GetParametersByPath", json!({"Path": "/shop", "MaxResults": 11})).await;
    assert_eq!(eleven.error().0, "ValidationException");
    let bad = client.ssm("GetParametersByPath", json!({"Path": "/shop", "NextToken": "x"})).await;
    assert_eq!(bad.error().0, "InvalidNextToken");
}

#[tokio::test]
async fn metadata_and_history_name_the_key_but_only_history_the_value() {
    let fake = FakeAws::start().await.expect("starts");
    fake.create_key("shop");
    fake.put_with("/a", "1", PutOptions { key: Some("alias/shop".into()), ..Default::default() });
    fake.put("/a", "2");
    fake.put_with("/b", "3", PutOptions { kind: ParameterType::StringList, ..Default::default() });
    let client = Client::new(&fake);
    let answer = client.ssm("DescribeParameters", json!({})).await;
    assert!(!answer.body.contains("\"Value\""));
    let answer = answer.json();
    assert_eq!(texts(&answer, "Parameters", "Name"), ["/a", "/b"]);
    assert_eq!(answer["Parameters"][0]["KeyId"], "alias/aws/ssm", "an omitted key falls back to the default one");
    let filters = json!([{"Key": "Type", "Values": ["StringList"]}]);
    let page = client.ssm("DescribeParameters", json!({"ParameterFilters": filters, "MaxResults": 1})).await.json();
    assert_eq!(page["Parameters"], json!([]), "filters apply to a page after it is cut");
    let rest = json!({"ParameterFilters": filters, "MaxResults": 1, "NextToken": page["NextToken"]});
    assert_eq!(texts(&client.ssm("DescribeParameters", rest).await.json(), "Parameters", "Name"), ["/b"]);
    let history = client.ssm("GetParameterHistory", json!({"Name": "/a", "WithDecryption": true})).await.json();
    assert_eq!(texts(&history, "Parameters", "Value"), ["1", "2"]);
    assert_eq!(texts(&history, "Parameters", "KeyId"), ["alias/shop", "alias/aws/ssm"]);
}
