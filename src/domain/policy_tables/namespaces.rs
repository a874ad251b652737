//! Namespaces: odd names in the place of `{namespace}`, and rules for some of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::api::{AccessRule, NamespaceMatch, NamespacesFrom};
use crate::domain::access::namespace::Namespace;
use crate::domain::policy_tables::table::{
    Answer,
    Ask::{self, Below, Read, Tree},
    Denied, Granted, Row, Tally, all, namespace, rule, texts,
};

const OWN: &[&str] = &["/{namespace}/**"];
const LONGEST: &str = "a23456789-123456789-123456789-123456789-123456789-123456789-123";

/// The reading namespace of each row is beside it.
const ODD: &[(&str, Row)] = &[
    ("1234", ("only digits", OWN, Read("/1234/a"), Granted)),
    ("1234", ("digits and more", OWN, Read("/12345/a"), Denied)),
    ("1234", ("digits are no version", OWN, Read("/shop/a"), Denied)),
    ("a-b", ("a hyphen", OWN, Read("/a-b/a"), Granted)),
    ("a-b", ("half of it", OWN, Read("/a/b"), Denied)),
    ("a--b", ("two hyphens", OWN, Read("/a--b/a"), Granted)),
    ("a", ("one letter", OWN, Read("/a/a"), Granted)),
    ("a", ("one letter and more", OWN, Read("/a-b/a"), Denied)),
    ("a", ("one letter is no glob", OWN, Read("/b/a"), Denied)),
    (
        LONGEST,
        ("63 characters", OWN, Read("/a23456789-123456789-123456789-123456789-123456789-123456789-123/a"), Granted),
    ),
    (LONGEST, ("62 of them", OWN, Read("/a23456789-123456789-123456789-123456789-123456789-123456789-12/a"), Denied)),
    ("all", ("the word all", OWN, Read("/all/a"), Granted)),
    ("all", ("the word all is not everything", OWN, Read("/shop/a"), Denied)),
    ("namespace", ("the word of the placeholder", OWN, Read("/namespace/a"), Granted)),
    ("namespace", ("the word of the placeholder stands for itself", OWN, Read("/shop/a"), Denied)),
    ("arn", ("the word arn", OWN, Read("/arn/a"), Granted)),
    ("parameter", ("the word parameter", OWN, Read("/parameter/a"), Granted)),
    (
        "parameter",
        ("the word parameter in a glob on ARNs", &["arn:aws:ssm:*:*:parameter/{namespace}/*"], Read("/shop/a"), Denied),
    ),
    ("ssm", ("the word ssm", OWN, Read("/ssm/a"), Granted)),
    ("xn--e1afmkfd", ("an encoded name", OWN, Read("/xn--e1afmkfd/a"), Granted)),
    ("aws", ("what AWS keeps for itself", OWN, Read("/aws/service/a"), Denied)),
    (
        "aws",
        (
            "what AWS keeps for itself, by ARN",
            OWN,
            Read("arn:aws:ssm:eu-central-1:111122223333:parameter/aws/service/a"),
            Denied,
        ),
    ),
    ("aws", ("secrets of Secrets Manager", OWN, Read("/aws/reference/secretsmanager/db"), Denied)),
    ("aws", ("all that AWS keeps for itself", OWN, Tree("/aws"), Denied)),
    ("aws", ("one level of it", OWN, Below("/aws/service"), Denied)),
    ("aws", ("after two stars", &["**/{namespace}/**"], Read("/aws/service/a"), Denied)),
    ("aws", ("after more of them", &["/**/**/{namespace}/**"], Read("/aws/service/a"), Denied)),
    (
        "aws",
        ("in a glob on ARNs", &["arn:aws:ssm:*:111122223333:parameter/{namespace}/**"], Read("/aws/service/a"), Denied),
    ),
    ("aws", ("granted in words", &["/aws/service/**"], Read("/aws/service/a"), Granted)),
    ("aws", ("further down it is a name", &["/prod/{namespace}/**"], Read("/prod/aws/a"), Granted)),
    ("shop", ("the placeholder further down", &["/prod/{namespace}/*"], Read("/prod/shop/a"), Granted)),
    ("shop", ("the placeholder last", &["/prod/{namespace}"], Read("/prod/shop"), Granted)),
    ("shop", ("the placeholder last, and more", &["/prod/{namespace}"], Read("/prod/shop/a"), Denied)),
    ("shop", ("the placeholder twice", &["/{namespace}/{namespace}/*"], Read("/shop/shop/a"), Granted)),
    ("shop", ("the placeholder twice, different", &["/{namespace}/{namespace}/*"], Read("/shop/other/a"), Denied)),
    ("shop", ("the placeholder after two stars", &["**/{namespace}/*"], Read("/x/y/shop/a"), Granted)),
    ("shop", ("the placeholder after two stars, of another", &["**/{namespace}/*"], Read("/x/y/other/a"), Denied)),
];

fn named(names: &[&str]) -> NamespaceMatch {
    NamespaceMatch { names: Some(texts(names)), ..NamespaceMatch::default() }
}

fn selector(labels: &[(&str, &str)], requirements: &[(&str, &str, &[&str])]) -> NamespaceMatch {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let requirement = |(key, operator, values): &(&str, &str, &[&str])| LabelSelectorRequirement {
        key: (*key).to_owned(),
        operator: (*operator).to_owned(),
        values: Some(texts(values)).filter(|values| !values.is_empty() || matches!(*operator, "In" | "NotIn")),
    };
    let selector = LabelSelector {
        match_labels: Some(labels),
        match_expressions: Some(requirements.iter().map(requirement).collect()),
    };
    NamespaceMatch { from: NamespacesFrom::Selector, selector: Some(selector), ..NamespaceMatch::default() }
}

/// The labels of a namespace.
type Labels = &'static [(&'static str, &'static str)];

/// Namespace `shop` with these labels, and the namespaces that the only rule is for.
fn matched() -> Vec<(&'static str, Labels, NamespaceMatch, Answer)> {
    const TEAM: &[(&str, &str)] = &[("team", "a"), ("tier", "")];
    let no_selector = NamespaceMatch { from: NamespacesFrom::Selector, ..NamespaceMatch::default() };
    let both = NamespaceMatch { names: Some(texts(&["other"])), ..all() };
    vec![
        ("all", &[], all(), Granted),
        ("all, with names left over", &[], both, Granted),
        ("its name", &[], named(&["shop"]), Granted),
        ("its name among others", &[], named(&["other", "shop"]), Granted),
        ("another name", &[], named(&["other"]), Denied),
        ("no names", &[], named(&[]), Denied),
        ("nothing at all", &[], NamespaceMatch::default(), Denied),
        ("a longer name", &[], named(&["shop-internal"]), Denied),
        ("a shorter name", &[], named(&["sho"]), Denied),
        ("upper case", &[], named(&["Shop"]), Denied),
        ("names are no globs", &[], named(&["*"]), Denied),
        ("names are no globs with a start", &[], named(&["sh*"]), Denied),
        ("names have no placeholder", &[], named(&["{namespace}"]), Denied),
        ("a blank behind its name", &[], named(&["shop "]), Denied),
        ("no selector", TEAM, no_selector, Denied),
        ("an empty selector", TEAM, selector(&[], &[]), Denied),
        ("its label", TEAM, selector(&[("team", "a")], &[]), Granted),
        ("its label with another value", TEAM, selector(&[("team", "b")], &[]), Denied),
        ("its label in upper case", TEAM, selector(&[("team", "A")], &[]), Denied),
        ("a label that it lacks", TEAM, selector(&[("owner", "a")], &[]), Denied),
        ("an empty value", TEAM, selector(&[("tier", "")], &[]), Granted),
        ("an empty value of a label that it lacks", TEAM, selector(&[("owner", "")], &[]), Denied),
        ("two labels, one of them its own", TEAM, selector(&[("team", "a"), ("owner", "a")], &[]), Denied),
        ("no labels", &[], selector(&[("team", "a")], &[]), Denied),
        ("in", TEAM, selector(&[], &[("team", "In", &["b", "a"])]), Granted),
        ("in others", TEAM, selector(&[], &[("team", "In", &["b"])]), Denied),
        ("in, without the label", &[], selector(&[], &[("team", "In", &["a"])]), Denied),
        ("in nothing", TEAM, selector(&[], &[("team", "In", &[])]), Denied),
        ("not in others", TEAM, selector(&[], &[("team", "NotIn", &["b"])]), Granted),
        ("not in", TEAM, selector(&[], &[("team", "NotIn", &["a"])]), Denied),
        ("not in, without the label", &[], selector(&[], &[("team", "NotIn", &["a"])]), Granted),
        ("not in nothing", TEAM, selector(&[], &[("team", "NotIn", &[])]), Denied),
        ("exists", TEAM, selector(&[], &[("tier", "Exists", &[])]), Granted),
        ("exists, without the label", &[], selector(&[], &[("tier", "Exists", &[])]), Denied),
        ("exists, with values", TEAM, selector(&[], &[("tier", "Exists", &["x"])]), Denied),
        ("does not exist", &[], selector(&[], &[("team", "DoesNotExist", &[])]), Granted),
        ("does not exist, with the label", TEAM, selector(&[], &[("team", "DoesNotExist", &[])]), Denied),
        ("an unknown operator", TEAM, selector(&[], &[("team", "Gt", &["0"])]), Denied),
        ("an operator in lower case", TEAM, selector(&[], &[("team", "exists", &[])]), Denied),
        ("an unknown operator beside its label", TEAM, selector(&[("team", "a")], &[("team", "Lt", &["z"])]), Denied),
        ("label and requirement", TEAM, selector(&[("team", "a")], &[("tier", "Exists", &[])]), Granted),
        ("one requirement of two", TEAM, selector(&[], &[("team", "In", &["a"]), ("tier", "In", &["x"])]), Denied),
    ]
}

/// Several rules add up, and only those for the namespace count.
fn several() -> Vec<(&'static str, Vec<AccessRule>, Ask, Answer)> {
    let of = |namespaces: NamespaceMatch, globs: &[&str]| AccessRule { namespaces, ..rule(globs) };
    vec![
        ("no rules", vec![], Read("/shop/a"), Denied),
        ("the rule of another", vec![of(named(&["other"]), &["/**"])], Read("/shop/a"), Denied),
        ("a rule without globs", vec![of(all(), &[])], Read("/shop/a"), Denied),
        ("the second rule", vec![of(all(), &["/x/**"]), of(named(&["shop"]), &["/y/*"])], Read("/y/a"), Granted),
        (
            "the rule of another beside an own one",
            vec![of(named(&["other"]), &["/y/*"]), rule(OWN)],
            Read("/y/a"),
            Denied,
        ),
        ("no rule takes away", vec![rule(&["/y/*"]), of(named(&["shop"]), &["/x/*"])], Read("/y/a"), Granted),
        ("a tree of two rules", vec![rule(&["/y/*"]), rule(&["/y/*/**"])], Tree("/y"), Granted),
        ("half a tree", vec![rule(&["/y/*"]), of(named(&["other"]), &["/y/*/**"])], Tree("/y"), Denied),
    ]
}

pub(super) fn check(tally: &mut Tally) {
    for (reader, row) in ODD {
        tally.check("", reader, std::slice::from_ref(row));
    }
    for (what, labels, namespaces, expected) in matched() {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let reader = Namespace { name: "shop".to_owned(), labels, is_hidden: false };
        tally.check_rules(what, &[AccessRule { namespaces, ..rule(OWN) }], &reader, "", (Read("/shop/a"), expected));
    }
    for (what, rules, ask, expected) in several() {
        tally.check_rules(what, &rules, &namespace("shop"), "", (ask, expected));
    }
}
