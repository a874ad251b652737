//! Paths: a grant must cover everything that a path can return.

use crate::domain::policy_tables::table::{
    Ask::{Below, LabelledTree, Tree},
    Denied, Granted, Invalid, NAMESPACE, Row, Tally,
};

const OWN: &[&str] = &["/{namespace}/**"];

const ROWS: &[Row] = &[
    ("own", OWN, Below("/shop"), Granted),
    ("own tree", OWN, Tree("/shop"), Granted),
    ("own tree with a label", OWN, LabelledTree("/shop", "prod"), Granted),
    ("own tree, with a slash at the end", OWN, Tree("/shop/"), Granted),
    ("further down", OWN, Tree("/shop/db"), Granted),
    ("another", OWN, Below("/other"), Denied),
    ("another tree with a label", OWN, LabelledTree("/other", "prod"), Denied),
    ("the same start", OWN, Tree("/shop-internal"), Denied),
    ("a part of the level", OWN, Tree("/sho"), Denied),
    ("upper case", OWN, Tree("/Shop"), Denied),
    ("two dots are a name", OWN, Tree("/shop/.."), Granted),
    ("two dots first", OWN, Tree("/../shop"), Denied),
    ("a dot", OWN, Tree("/."), Denied),
    ("the root", OWN, Tree("/"), Invalid),
    ("the root with everything granted", &["/**"], Tree("/"), Invalid),
    ("several slashes", &["/**"], Tree("///"), Invalid),
    ("two slashes at the end", OWN, Tree("/shop//"), Invalid),
    ("two slashes first", OWN, Tree("//shop"), Invalid),
    ("two slashes within", OWN, Tree("/shop//db"), Invalid),
    ("no slash first", OWN, Tree("shop"), Invalid),
    ("nothing", OWN, Tree(""), Invalid),
    ("a blank at the end", OWN, Tree("/shop "), Invalid),
    ("a star", &["/**"], Tree("/shop/*"), Invalid),
    ("a label behind it", OWN, Tree("/shop:prod"), Invalid),
    ("an encoded slash", OWN, Tree("/shop%2F"), Invalid),
    ("a Cyrillic letter", OWN, Tree("/\u{455}hop"), Invalid),
    ("a character that stands for any", &["/?/**"], Tree("/\u{1}"), Invalid),
    ("one level, all of it granted", &["/shop/*"], Below("/shop"), Granted),
    ("a tree, one level of it granted", &["/shop/*"], Tree("/shop"), Denied),
    ("one level, one name of it granted", &["/shop/a"], Below("/shop"), Denied),
    ("the path itself granted", &["/shop"], Below("/shop"), Denied),
    ("names with a start", &["/shop/db-*"], Below("/shop"), Denied),
    ("names with an end", &["/shop/*-db"], Below("/shop"), Denied),
    ("names of one character", &["/shop/?"], Below("/shop"), Denied),
    ("names of three characters", &["/shop/???"], Below("/shop"), Denied),
    ("names of one character or three", &["/shop/?", "/shop/???"], Below("/shop"), Denied),
    ("names of one character or more", &["/shop/?*"], Below("/shop"), Granted),
    ("names of two characters or more", &["/shop/?*?"], Below("/shop"), Denied),
    ("names with an a, and all without", &["/shop/*a*"], Below("/shop"), Denied),
    ("two stars within a level", &["/shop/**a"], Tree("/shop"), Denied),
    ("a tree level by level", &["/shop/*", "/shop/*/*"], Tree("/shop"), Denied),
    ("one level and a tree below it", &["/shop/*", "/shop/*/**"], Tree("/shop"), Granted),
    ("a tree without its first level", &["/shop/*/**"], Tree("/shop"), Denied),
    ("a tree with an end", &["/shop/**/a"], Tree("/shop"), Denied),
    ("a star for the path", &["/*/**"], Tree("/other"), Granted),
    ("a star for another level", &["/*/db/**"], Tree("/other"), Denied),
    ("a star for the level above", &["/*/db/**"], Tree("/other/db"), Granted),
    ("everything", &["/**"], Tree("/other"), Granted),
    ("everything by two stars", &["**/**"], Tree("/other"), Granted),
    ("by ARN", &["arn:aws:ssm:eu-central-1:111122223333:parameter/shop/**"], Tree("/shop"), Granted),
    ("by ARN, one level", &["arn:aws:ssm:eu-central-1:111122223333:parameter/shop/*"], Tree("/shop"), Denied),
    ("by ARN of another account", &["arn:aws:ssm:eu-central-1:444455556666:parameter/**"], Tree("/shop"), Denied),
    ("by ARN of another region", &["arn:aws:ssm:us-east-1:111122223333:parameter/**"], Tree("/shop"), Denied),
    ("fifteen levels", OWN, Tree("/shop/2/3/4/5/6/7/8/9/10/11/12/13/14/15"), Granted),
    ("sixteen levels", OWN, Tree("/shop/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"), Invalid),
];

/// With the prefix `/prod`.
const PREFIXED: &[Row] = &[
    ("below the prefix", &["/prod/{namespace}/**"], Tree("/shop"), Granted),
    ("a glob that forgets the prefix", OWN, Tree("/shop"), Denied),
    ("all that the prefix has", &["/prod/{namespace}/**"], Tree("/"), Invalid),
    ("all that the prefix has, granted", &["/prod/**"], Tree("/"), Invalid),
    ("names of AWS have no prefix", &["/prod/**"], Tree("/aws/service"), Denied),
    ("out by two dots", &["/prod/{namespace}/**"], Tree("/.."), Denied),
];

pub(super) fn check(tally: &mut Tally) {
    tally.check("", NAMESPACE, ROWS);
    tally.check("/prod", NAMESPACE, PREFIXED);
}
