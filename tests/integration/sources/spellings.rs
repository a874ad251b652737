//! One parameter under several spellings.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::json;

use crate::support::{Group, World};

/// AWS refuses a whole call for a name of several levels without its slash, so no object decides how another's is spelled.
#[tokio::test]
async fn every_spelling_of_a_parameter_becomes_the_same_name_in_calls() -> Result<()> {
    let world = World::shared(Group::Secrets, "spellings").await?;
    let name = "/spellings/app/password";
    world.aws.put(name, "1234");
    let arn = world.aws.parameter_arn(name);
    for (object, spelling) in [("bare", "spellings/app/password"), ("arn", &arn), ("right", name)] {
        world.apply(&world.object(object, &[("A", spelling)], &json!({}))).await?;
        world.synced(object).await?;
    }
    world.apply(&world.object("all", &[("A", &name[1..]), ("B", name), ("C", &arn)], &json!({}))).await?;
    world.wait_for_secret("all", &[("A", "1234"), ("B", "1234"), ("C", "1234")]).await?;
    world.aws.put(name, "5678");
    for object in ["bare", "arn", "right"] {
        world.wait_for_secret(object, &[("A", "5678")]).await?;
    }
    let records = world.aws.records();
    let names = records.iter().filter_map(|record| record["requestParameters"]["names"].as_array()).flatten();
    let names: BTreeSet<_> =
        names.filter_map(|name| name.as_str()).filter(|name| name.contains("spellings/")).collect();
    assert_eq!(names, BTreeSet::from([name]));
    Ok(())
}
