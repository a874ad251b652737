//! Regions and partitions.

use serde_json::json;

use super::client::Client;
use crate::fake_aws::{FakeAws, Identity, PutOptions, Role, Statement};

const ACCOUNT: &str = "111122223333";

#[tokio::test]
async fn the_region_is_that_of_the_signature() {
    let fake = FakeAws::start().await.expect("starts");
    let mut client = Client::new(&fake);
    client.region = "us-east-1".into();
    client.sts("Action=GetCallerIdentity").await;
    client.ssm("GetParameters", json!({"Names": ["/x"]})).await;
    assert!(fake.records().iter().all(|record| record["awsRegion"] == "us-east-1"));
    fake.set_policy(Some(vec![Statement::allow(&["ssm:*"], &["*"]).when(
        "StringEquals",
        "aws:RequestedRegion",
        &["us-east-1"],
    )]));
    assert_eq!(client.ssm("GetParameters", json!({"Names": ["/x"]})).await.status, 200);
    client.region = "us-east-2".into();
    let refused = client.ssm("GetParameters", json!({"Names": ["/x"]})).await.error().1;
    assert!(refused.contains("arn:aws:ssm:us-east-2:111122223333:parameter/x"), "{refused}");
}

#[tokio::test]
async fn arns_are_of_the_partition_of_the_region() {
    let fake = FakeAws::start().await.expect("starts");
    for (region, partition) in
        [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")]
    {
        fake.put_with("/x", partition, PutOptions { region: Some(region.into()), ..Default::default() });
        let identity = Identity::assumed_role(ACCOUNT, "operator", "pod").in_partition(partition);
        fake.add_identity(identity.clone());
        let mut client = Client::as_identity(&fake, identity);
        let elsewhere = client.ssm("GetParameters", json!({"Names": ["/x"]})).await;
        assert_eq!(elsewhere.error().0, "UnrecognizedClientException", "credentials are of one partition");
        client.region = region.into();
        let read = client.ssm("GetParameters", json!({"Names": ["/x"], "WithDecryption": true})).await.json();
        let arn = format!("arn:{partition}:ssm:{region}:{ACCOUNT}:parameter/x");
        let parameter = &read["Parameters"][0];
        assert_eq!((&parameter["ARN"], &parameter["Value"]), (&json!(arn), &json!(partition)));
        let caller = client.sts("Action=GetCallerIdentity").await;
        assert_eq!(caller.xml("Arn"), format!("arn:{partition}:sts::{ACCOUNT}:assumed-role/operator/pod"));
        let role = Role::new(ACCOUNT, "reader").in_partition(partition);
        fake.add_role(role.clone());
        let session = client.session(&role.arn, &[]).await;
        let caller = session.sts("Action=GetCallerIdentity").await;
        assert_eq!(caller.xml("Arn"), format!("arn:{partition}:sts::{ACCOUNT}:assumed-role/reader/spo-1"));
        let record = fake.records().pop().expect("a record");
        assert_eq!(record["awsRegion"], region);
        assert_eq!(record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"], role.arn);
        fake.deny("ssm:DescribeParameters", &format!("arn:{partition}:ssm:{region}:*"));
        assert_eq!(client.ssm("DescribeParameters", json!({})).await.status, 400);
    }
}
