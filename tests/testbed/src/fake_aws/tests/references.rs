//! References to secrets of Secrets Manager.

use serde_json::{Value, json};

use super::client::{Client, texts};
use crate::fake_aws::{FakeAws, PutOptions, Statement};

const NAME: &str = "/aws/reference/secretsmanager/shop/db";

fn read(names: &[&str]) -> Value {
    json!({"Names": names, "WithDecryption": true})
}

#[tokio::test]
async fn a_reference_returns_the_secret_and_its_source() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/zoo", "z");
    fake.put("/a", "a");
    let first = fake.put_secret("shop/db", "{\"password\":\"one\"}");
    let second = fake.put_secret("shop/db", "two");
    let previous = format!("{NAME}:AWSPREVIOUS");
    let by_id = format!("{NAME}:{second}");
    let client = Client::new(&fake);
    let answer = client.ssm("GetParameters", read(&["/zoo", &by_id, NAME, "/a", &previous])).await.json();
    assert_eq!(answer["InvalidParameters"], json!([]));
    assert_eq!(texts(&answer, "Parameters", "Name"), ["/a", NAME, NAME, NAME, "/zoo"]);
    // Of one name, the order of selections follows from random ids.
    let selected = |selector: Value| {
        let parameters = answer["Parameters"].as_array().expect("a list").iter();
        parameters.filter(|p| p["Name"] == NAME).find(|p| p["Selector"] == selector).expect("such a selection")
    };
    let (current, by_id) = (selected(Value::Null), selected(format!(":{second}").into()));
    let previous = selected(":AWSPREVIOUS".into());
    assert_eq!((&current["Value"], &previous["Value"]), (&json!("two"), &json!("{\"password\":\"one\"}")));
    let arn = current["ARN"].as_str().expect("text");
    let random = arn.strip_prefix("arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/db-").expect(arn);
    assert_eq!((random.len(), &previous["ARN"]), (6, &current["ARN"]));
    for (parameter, version, stage) in
        [(current, &second, "AWSCURRENT"), (by_id, &second, "AWSCURRENT"), (previous, &first, "AWSPREVIOUS")]
    {
        assert_eq!(
            (&parameter["Type"], &parameter["Version"], &parameter["DataType"]),
            (&json!("SecureString"), &json!(0), &json!("text"))
        );
        assert!(parameter["LastModifiedDate"].is_number());
        let source: Value = serde_json::from_str(parameter["SourceResult"].as_str().expect("text")).expect("JSON");
        assert!(source["createdDate"].as_str().is_some_and(|date| date.ends_with('M')), "{source}");
        let expected = json!({"ARN": arn, "name": "shop/db", "versionId": version, "secretString": parameter["Value"],
            "versionStages": [stage], "createdDate": source["createdDate"]});
        assert_eq!(source, expected);
    }
    assert_eq!(fake.decrypts(), 2, "of the two parameters");
}

#[tokio::test]
async fn a_third_version_leaves_the_first_without_a_stage() {
    let fake = FakeAws::start().await.expect("starts");
    let [first, ..] = ["1", "2", "3"].map(|value| fake.put_secret("shop/db", value));
    let client = Client::new(&fake);
    let names =
        [NAME.to_owned(), format!("{NAME}:AWSPREVIOUS"), format!("{NAME}:{first}"), format!("{NAME}:AWSPENDING")];
    let names = names.each_ref().map(String::as_str);
    let answer = client.ssm("GetParameters", read(&names)).await.json();
    let mut values = texts(&answer, "Parameters", "Value");
    values.sort_unstable();
    assert_eq!((values, &answer["InvalidParameters"]), (vec!["1", "2", "3"], &json!([names[3]])));
    let single = client.ssm("GetParameter", json!({"Name": names[2], "WithDecryption": true})).await.json();
    assert_eq!(single["Parameter"]["Value"], "1");
    assert!(single["Parameter"]["SourceResult"].as_str().is_some_and(|text| text.contains("\"versionStages\":[]")));
}

#[tokio::test]
async fn invalid_references_are_refused() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/a", "a");
    fake.put_secret("shop/db", "one");
    let client = Client::new(&fake);
    let answer = client.ssm("GetParameters", read(&["/a", "/aws/reference/secretsmanager/none"])).await.json();
    assert_eq!(answer["InvalidParameters"], json!(["/aws/reference/secretsmanager/none"]));
    assert_eq!(texts(&answer, "Parameters", "Name"), ["/a"]);
    let single = json!({"Name": "/aws/reference/secretsmanager/none", "WithDecryption": true});
    let text = "An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret \
                aws/reference/secretsmanager/nonenull not found.";
    assert_eq!(client.ssm("GetParameter", single).await.error(), ("ParameterNotFound".to_owned(), text.to_owned()));
    let text = "WithDecryption flag must be True for retrieving a Secret Manager secret.";
    let expected = ("ValidationException".to_owned(), text.to_owned());
    for (operation, input) in [
        ("GetParameters", json!({"Names": ["/a", NAME]})),
        ("GetParameters", json!({"Names": [NAME], "WithDecryption": false})),
        ("GetParameter", json!({"Name": NAME})),
    ] {
        assert_eq!(client.ssm(operation, input).await.error(), expected);
    }
}

#[tokio::test]
async fn both_services_must_allow_it() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/a", "a");
    fake.put_secret("shop/db", "one");
    let client = Client::new(&fake);
    let both = read(&["/a", NAME]);
    let rule =
        fake.deny("ssm:GetParameters", "arn:aws:ssm:eu-central-1:111122223333:parameter/aws/reference/*/shop/db");
    let (code, message) = client.ssm("GetParameters", both.clone()).await.error();
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("perform: ssm:GetParameters on resource"), "{message}");
    fake.undeny(rule);
    let ssm = Statement::allow(&["ssm:GetParameters"], &["*"]);
    fake.set_policy(Some(vec![ssm.clone()]));
    for name in [NAME, "/aws/reference/secretsmanager/none"] {
        let (code, message) = client.ssm("GetParameters", read(&["/a", name])).await.error();
        assert_eq!(code, "AccessDeniedException", "{name}");
        assert!(message.contains("is not authorized to perform: secretsmanager:GetSecretValue on resource: arn:aws:"));
    }
    let secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/db-??????";
    fake.set_policy(Some(vec![ssm, Statement::allow(&["secretsmanager:GetSecretValue"], &[secret])]));
    assert_eq!(client.ssm("GetParameters", both).await.status, 200);
}

#[tokio::test]
async fn records_name_the_secret_without_its_value() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put_secret("shop/db", "swordfish");
    let client = Client::new(&fake);
    let name = format!("{NAME}:AWSCURRENT");
    let answer = client.ssm("GetParameters", read(&[&name])).await;
    assert!(answer.body.contains("swordfish"));
    let records = fake.records();
    let [secret, ssm] = &records[..] else { unreachable!("two records") };
    assert_eq!(
        (&secret["eventSource"], &secret["eventName"]),
        (&json!("secretsmanager.amazonaws.com"), &json!("GetSecretValue"))
    );
    assert_eq!(secret["requestParameters"], json!({"secretId": "shop/db", "versionStage": "AWSCURRENT"}));
    assert_eq!(secret["userIdentity"]["invokedBy"], "ssm.amazonaws.com");
    assert_ne!(secret["requestID"], ssm["requestID"]);
    assert_eq!(ssm["requestParameters"], json!({"names": [name], "withDecryption": true}));
    assert_eq!(ssm["resources"][0]["ARN"], fake.parameter_arn(NAME));
    assert_eq!((ssm["requestID"].as_str(), fake.decrypts()), (Some(answer.request_id()), 0));
    assert!(!Value::from(records.clone()).to_string().contains("swordfish"));
}

#[tokio::test]
async fn no_list_contains_a_reference() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put_secret("shop/db", "one");
    fake.put_with("/a", "a", PutOptions::default());
    let client = Client::new(&fake);
    for path in ["/aws/reference/secretsmanager", "/aws/reference/secretsmanager/shop"] {
        let input = json!({"Path": path, "Recursive": true, "WithDecryption": true});
        assert_eq!(client.ssm("GetParametersByPath", input).await.json(), json!({"Parameters": []}), "{path}");
    }
    let all = client.ssm("GetParametersByPath", json!({"Path": "/", "Recursive": true})).await.json();
    assert_eq!(texts(&all, "Parameters", "Name"), ["/a"]);
    let everything = client.ssm("DescribeParameters", json!({})).await.json();
    assert_eq!(texts(&everything, "Parameters", "Name"), ["/a"]);
    for option in ["Equals", "BeginsWith", "Contains"] {
        let filters = json!([{"Key": "Name", "Option": option, "Values": [NAME]}]);
        let found = client.ssm("DescribeParameters", json!({"ParameterFilters": filters})).await;
        assert_eq!((found.status, found.json()), (200, json!({"Parameters": []})), "{option}");
    }
    let put = json!({"Name": NAME, "Value": "x", "Type": "SecureString"});
    assert_eq!(client.ssm("PutParameter", put).await.error().0, "AccessDeniedException");
}
