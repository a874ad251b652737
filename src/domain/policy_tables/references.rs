//! Secrets of Secrets Manager, which Parameter Store passes on, and other names that AWS keeps for itself.

use crate::domain::policy_tables::table::{
    Ask::{Label, Previous, Read, Version},
    Denied, Granted, Invalid, NAMESPACE, Row, Tally,
};

const OWN: &[&str] = &["/{namespace}/**"];
const SECRETS: &[&str] = &["/aws/reference/secretsmanager/{namespace}/**"];

const ROWS: &[Row] = &[
    ("not by the own paths", OWN, Read("/aws/reference/secretsmanager/shop/db"), Denied),
    ("granted in words", SECRETS, Read("/aws/reference/secretsmanager/shop/db"), Granted),
    ("without a slash first", SECRETS, Read("aws/reference/secretsmanager/shop/db"), Granted),
    ("of another", SECRETS, Read("/aws/reference/secretsmanager/other/db"), Denied),
    ("of another, with the same start", SECRETS, Read("/aws/reference/secretsmanager/shop-x/db"), Denied),
    ("the level itself", SECRETS, Read("/aws/reference/secretsmanager/shop"), Denied),
    ("two dots are a name", SECRETS, Read("/aws/reference/secretsmanager/shop/../x"), Granted),
    ("two slashes", SECRETS, Read("/aws/reference/secretsmanager//shop/db"), Invalid),
    ("two slashes within", SECRETS, Read("/aws/reference/secretsmanager/shop//db"), Invalid),
    ("two slashes before reference", SECRETS, Read("/aws//reference/secretsmanager/shop/db"), Invalid),
    ("upper case", SECRETS, Read("/aws/reference/SecretsManager/shop/db"), Denied),
    ("upper case of AWS", SECRETS, Read("/AWS/reference/secretsmanager/shop/db"), Denied),
    ("a stage as a label", SECRETS, Label("/aws/reference/secretsmanager/shop/db", "AWSPREVIOUS"), Granted),
    ("a stage behind the name", SECRETS, Read("/aws/reference/secretsmanager/shop/db:AWSPREVIOUS"), Invalid),
    ("a version", SECRETS, Version("/aws/reference/secretsmanager/shop/db", 1), Invalid),
    ("the version before", SECRETS, Previous("/aws/reference/secretsmanager/shop/db"), Invalid),
    ("characters of secrets", SECRETS, Read("/aws/reference/secretsmanager/shop/a+b=c@d"), Granted),
    ("a blank", SECRETS, Read("/aws/reference/secretsmanager/shop/a b"), Invalid),
    ("an encoded slash", SECRETS, Read("/aws/reference/secretsmanager/shop%2Fdb"), Invalid),
    ("an ARN as the name", SECRETS, Read("/aws/reference/secretsmanager/arn:aws:secretsmanager:x"), Invalid),
    (
        "by ARN",
        SECRETS,
        Read("arn:aws:ssm:eu-central-1:111122223333:parameter/aws/reference/secretsmanager/shop/db"),
        Granted,
    ),
    (
        "by ARN, of another",
        SECRETS,
        Read("arn:aws:ssm:eu-central-1:111122223333:parameter/aws/reference/secretsmanager/x"),
        Denied,
    ),
    (
        "of another account",
        &["arn:**"],
        Read("arn:aws:ssm:eu-central-1:444455556666:parameter/aws/reference/secretsmanager/shop/db"),
        Invalid,
    ),
    ("everything holds them too", &["/**"], Read("/aws/reference/secretsmanager/shop/db"), Granted),
    ("public parameters", &["/aws/service/**"], Read("/aws/service/ami-amazon-linux-latest/x"), Granted),
    ("public parameters by the own paths", OWN, Read("/aws/service/ami-amazon-linux-latest/x"), Denied),
];

/// With the prefix `/prod`, which is not put before them.
const PREFIXED: &[Row] = &[
    ("by what is below the prefix", &["/prod/**"], Read("/aws/reference/secretsmanager/shop/db"), Denied),
    ("granted in words", SECRETS, Read("/aws/reference/secretsmanager/shop/db"), Granted),
    ("without a slash first", SECRETS, Read("aws/reference/secretsmanager/shop/db"), Granted),
    ("no name of AWS below the prefix", &["/prod/aws/**"], Read("/aws/reference/secretsmanager/shop/db"), Denied),
];

pub(super) fn check(tally: &mut Tally) {
    tally.check("", NAMESPACE, ROWS);
    tally.check("/prod", NAMESPACE, PREFIXED);
}
