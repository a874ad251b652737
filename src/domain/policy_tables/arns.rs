//! ARNs: of the own account, of others, and such that only look like them.

use crate::domain::policy_tables::table::{
    Ask::{Below, Label, Read, Version},
    Denied, Granted, Invalid, NAMESPACE, Row, Tally,
};

const OWN: &[&str] = &["/{namespace}/**"];
const OTHERS: &[&str] = &["arn:aws:ssm:*:444455556666:parameter/{namespace}/**"];
const ANY: &[&str] = &["arn:**"];

const ROWS: &[Row] = &[
    ("own, by ARN", OWN, Read("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a"), Granted),
    ("own, by ARN, in a version", OWN, Version("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a", 1), Granted),
    ("own root, by ARN", &["/a"], Read("arn:aws:ssm:eu-central-1:111122223333:parameter/a"), Granted),
    ("another's, by ARN", OWN, Read("arn:aws:ssm:eu-central-1:111122223333:parameter/other/a"), Denied),
    ("the same name in another account", OWN, Read("arn:aws:ssm:eu-central-1:444455556666:parameter/shop/a"), Denied),
    ("everything is of the own account", &["/**"], Read("arn:aws:ssm:eu-central-1:444455556666:parameter/a"), Denied),
    ("two stars are of the own account", &["**/a"], Read("arn:aws:ssm:eu-central-1:444455556666:parameter/a"), Denied),
    ("shared, granted by ARN", OTHERS, Read("arn:aws:ssm:eu-central-1:444455556666:parameter/shop/a"), Granted),
    ("shared, with a label", OTHERS, Label("arn:aws:ssm:eu-central-1:444455556666:parameter/shop/a", "x"), Granted),
    ("shared, for another namespace", OTHERS, Read("arn:aws:ssm:eu-central-1:444455556666:parameter/other/a"), Denied),
    ("shared, with the same start", OTHERS, Read("arn:aws:ssm:eu-central-1:444455556666:parameter/shop-x/a"), Denied),
    ("shared by a third account", OTHERS, Read("arn:aws:ssm:eu-central-1:777788889999:parameter/shop/a"), Denied),
    ("an account with one digit more", OTHERS, Read("arn:aws:ssm:eu-central-1:4444555566660:parameter/shop/a"), Denied),
    ("own, by a glob on ARNs of another", OTHERS, Read("/shop/a"), Denied),
    (
        "own, by a glob on its ARN",
        &["arn:aws:ssm:eu-central-1:111122223333:parameter/shop/*"],
        Read("/shop/a"),
        Granted,
    ),
    ("own, by a glob on any account", &["arn:aws:ssm:eu-central-1:*:parameter/shop/*"], Read("shop/a"), Granted),
    ("a star for the account stops at a slash", &["arn:aws:ssm:*:parameter/shop/*"], Read("/shop/x/a"), Denied),
    (
        "a star for the account takes no level",
        &["arn:aws:ssm:eu-central-1:*:parameter/*"],
        Read("arn:aws:ssm:eu-central-1:444455556666:parameter/shop/a"),
        Denied,
    ),
    ("another region", ANY, Read("arn:aws:ssm:us-east-1:111122223333:parameter/shop/a"), Invalid),
    ("another region of another account", ANY, Read("arn:aws:ssm:us-east-1:444455556666:parameter/shop/a"), Invalid),
    ("a region in upper case", ANY, Read("arn:aws:ssm:EU-CENTRAL-1:111122223333:parameter/shop/a"), Invalid),
    ("no region", ANY, Read("arn:aws:ssm::111122223333:parameter/shop/a"), Invalid),
    ("no account", ANY, Read("arn:aws:ssm:eu-central-1::parameter/shop/a"), Invalid),
    ("a star for the account", ANY, Read("arn:aws:ssm:eu-central-1:*:parameter/shop/a"), Invalid),
    ("an account of letters", ANY, Read("arn:aws:ssm:eu-central-1:shop:parameter/shop/a"), Invalid),
    ("no partition", ANY, Read("arn::ssm:eu-central-1:111122223333:parameter/shop/a"), Invalid),
    (
        "another partition is no own name",
        OWN,
        Read("arn:aws-cn:ssm:eu-central-1:111122223333:parameter/shop/a"),
        Invalid,
    ),
    (
        "another partition by its ARN alone",
        OTHERS,
        Read("arn:aws-cn:ssm:eu-central-1:444455556666:parameter/shop/a"),
        Invalid,
    ),
    ("Secrets Manager", ANY, Read("arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop"), Invalid),
    ("a bucket", ANY, Read("arn:aws:s3:::shop/a"), Invalid),
    ("a document of Systems Manager", ANY, Read("arn:aws:ssm:eu-central-1:111122223333:document/shop"), Invalid),
    ("a word that begins with parameter", ANY, Read("arn:aws:ssm:eu-central-1:111122223333:parameters/shop"), Invalid),
    ("no slash behind parameter", ANY, Read("arn:aws:ssm:eu-central-1:111122223333:parametershop/a"), Invalid),
    ("no name", ANY, Read("arn:aws:ssm:eu-central-1:111122223333:parameter/"), Invalid),
    ("only the start of an ARN", ANY, Read("arn:aws:ssm"), Invalid),
    ("an ARN in upper case", &["/**"], Read("ARN:aws:ssm:eu-central-1:111122223333:parameter/shop/a"), Invalid),
    ("a blank before an ARN", &["/**"], Read(" arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a"), Invalid),
    ("a version behind an ARN", OWN, Read("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a:3"), Invalid),
    ("a label behind an ARN", OTHERS, Read("arn:aws:ssm:eu-central-1:444455556666:parameter/shop/a:x"), Invalid),
    ("two slashes in an ARN", OWN, Read("arn:aws:ssm:eu-central-1:111122223333:parameter//shop/a"), Invalid),
    ("two slashes within an ARN", OWN, Read("arn:aws:ssm:eu-central-1:111122223333:parameter/shop//a"), Invalid),
    ("a slash at the end of an ARN", OWN, Read("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a/"), Invalid),
    (
        "a blank at the end of an ARN",
        &["/shop/a?"],
        Read("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a "),
        Invalid,
    ),
    ("an encoded slash in an ARN", OWN, Read("arn:aws:ssm:eu-central-1:111122223333:parameter%2Fshop/a"), Invalid),
    ("two dots in an ARN are a name", OWN, Read("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/../x"), Granted),
    ("an ARN within a name", OWN, Read("/shop/arn:aws:ssm:eu-central-1:111122223333:parameter/other"), Invalid),
    ("an ARN as a path", ANY, Below("arn:aws:ssm:eu-central-1:111122223333:parameter/shop"), Invalid),
];

pub(super) fn check(tally: &mut Tally) {
    tally.check("", NAMESPACE, ROWS);
}
