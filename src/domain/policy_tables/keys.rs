//! KMS keys: those that encrypt parameters, and those that `kmsDecrypt` uses.

use crate::api::AccessRule;

use crate::domain::policy_tables::table::{
    Answer,
    Ask::{self, Decrypt, Keyed, Read},
    Denied, Granted, Tally, namespace, rule, texts,
};

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/0d9f";
const ALIAS: &str = "arn:aws:kms:eu-central-1:111122223333:alias/shop";
const SHARED_KEY: &str = "arn:aws:kms:eu-central-1:444455556666:key/0d9f";

/// The reading namespace, `kmsKeys` of the rule, the answer for a value with these names of its key. The alias `shop` leads
/// to the key `0d9f`.
const ENCRYPTION: &[(&str, &str, &[&str], Ask, Answer)] = &[
    ("no keys", "shop", &[], Keyed("/shop/a", &["alias/other"]), Granted),
    ("the alias", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["alias/shop"]), Granted),
    ("the alias by its ARN", "shop", &["alias/{namespace}"], Keyed("/shop/a", &[ALIAS]), Granted),
    ("another alias", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["alias/other"]), Denied),
    ("an alias with the same start", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["alias/shop-x"]), Denied),
    ("an alias below it", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["alias/shop/x"]), Denied),
    ("an alias in upper case", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["alias/Shop"]), Denied),
    (
        "the alias of another account",
        "shop",
        &["alias/{namespace}"],
        Keyed("/shop/a", &["arn:aws:kms:eu-central-1:444455556666:alias/shop"]),
        Denied,
    ),
    (
        "the alias of another region",
        "shop",
        &["alias/{namespace}"],
        Keyed("/shop/a", &["arn:aws:kms:us-east-1:111122223333:alias/shop"]),
        Denied,
    ),
    (
        "the alias of another partition",
        "shop",
        &["alias/{namespace}"],
        Keyed("/shop/a", &["arn:aws-cn:kms:eu-central-1:111122223333:alias/shop"]),
        Denied,
    ),
    ("the key that the alias leads to", "shop", &["alias/{namespace}"], Keyed("/shop/a", &[KEY]), Granted),
    ("the key that the alias leads to, by id", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["0d9f"]), Granted),
    ("a key that the alias does not lead to", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["7777"]), Denied),
    ("the same id in another account", "shop", &["alias/{namespace}"], Keyed("/shop/a", &[SHARED_KEY]), Denied),
    ("a key whose alias leads nowhere", "shop", &["alias/gone"], Keyed("/shop/a", &[KEY]), Denied),
    ("a key, named by the alias", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["7777", "alias/shop"]), Granted),
    (
        "a key, named by another alias",
        "shop",
        &["alias/{namespace}"],
        Keyed("/shop/a", &["7777", "alias/other"]),
        Denied,
    ),
    ("a glob on aliases", "shop", &["alias/sh*"], Keyed("/shop/a", &["alias/shop"]), Granted),
    ("a glob on aliases leads nowhere", "shop", &["alias/sh*"], Keyed("/shop/a", &[KEY]), Denied),
    ("a glob on aliases stops at a slash", "shop", &["alias/*"], Keyed("/shop/a", &["alias/aws/ssm"]), Denied),
    ("any alias", "shop", &["alias/**"], Keyed("/shop/a", &["alias/aws/ssm"]), Granted),
    ("the key of AWS", "shop", &["alias/aws/ssm"], Keyed("/shop/a", &["alias/aws/ssm"]), Granted),
    ("the key of AWS is not the own", "shop", &["alias/{namespace}"], Keyed("/shop/a", &["alias/aws/ssm"]), Denied),
    (
        "the key of AWS by a namespace of that name",
        "aws",
        &["alias/{namespace}/ssm"],
        Keyed("/aws-x/a", &["alias/aws/ssm"]),
        Denied,
    ),
    ("the key by ARN", "shop", &[KEY], Keyed("/shop/a", &["0d9f"]), Granted),
    ("another key by ARN", "shop", &[KEY], Keyed("/shop/a", &["7777"]), Denied),
    ("a longer id", "shop", &[KEY], Keyed("/shop/a", &["0d9f0"]), Denied),
    ("only the alias is known", "shop", &[KEY], Keyed("/shop/a", &["alias/shop"]), Denied),
    ("any key of the account", "shop", &["arn:aws:kms:*:111122223333:key/*"], Keyed("/shop/a", &["7777"]), Granted),
    (
        "any key of the account, of another",
        "shop",
        &["arn:aws:kms:*:111122223333:key/*"],
        Keyed("/shop/a", &[SHARED_KEY]),
        Denied,
    ),
    ("any key, by alias", "shop", &["arn:aws:kms:*:*:key/*"], Keyed("/shop/a", &["alias/shop"]), Denied),
    ("the key of another account", "shop", &[SHARED_KEY], Keyed("/shop/a", &[SHARED_KEY]), Granted),
    ("an alias by ARN", "shop", &[ALIAS], Keyed("/shop/a", &["alias/shop"]), Granted),
    ("one of two", "shop", &["alias/x", "alias/shop"], Keyed("/shop/a", &["alias/shop"]), Granted),
    ("a granted key for a name that is not", "shop", &["alias/shop"], Keyed("/other/a", &["alias/shop"]), Denied),
    ("nothing known but the name", "shop", &["alias/shop"], Keyed("/shop/a", &[]), Denied),
    ("a plan does not ask for keys", "shop", &["alias/shop"], Read("/shop/a"), Granted),
];

/// `kmsDecryptKeys` of the rule, and the key that `kmsDecrypt` names.
const DECRYPTION: &[(&str, &[&str], Ask, Answer)] = &[
    ("no keys", &[], Decrypt("/shop/a", Some("alias/shop")), Denied),
    ("no keys, none named", &[], Decrypt("/shop/a", None), Denied),
    ("the alias", &["alias/{namespace}"], Decrypt("/shop/a", Some("alias/shop")), Granted),
    ("the alias, none named", &["alias/{namespace}"], Decrypt("/shop/a", None), Denied),
    ("another alias", &["alias/{namespace}"], Decrypt("/shop/a", Some("alias/other")), Denied),
    ("an alias with the same start", &["alias/{namespace}"], Decrypt("/shop/a", Some("alias/shop-x")), Denied),
    ("the alias by its ARN", &["alias/{namespace}"], Decrypt("/shop/a", Some(ALIAS)), Denied),
    ("the key that it leads to", &["alias/{namespace}"], Decrypt("/shop/a", Some(KEY)), Denied),
    ("a key by ARN", &[KEY], Decrypt("/shop/a", Some(KEY)), Granted),
    ("any key", &["*"], Decrypt("/shop/a", Some(SHARED_KEY)), Granted),
    ("any key, none named", &["*"], Decrypt("/shop/a", None), Granted),
    ("two stars are not any", &["**"], Decrypt("/shop/a", None), Denied),
    ("a name that is not granted", &["*"], Decrypt("/other/a", Some(KEY)), Denied),
];

/// Rules for names and rules for keys do not mix.
fn several() -> Vec<(&'static str, Vec<AccessRule>, Ask, Answer)> {
    let keyed = |globs: &[&str], keys: &[&str]| AccessRule { kms_keys: texts(keys), ..rule(globs) };
    let deciphering = |globs: &[&str], keys: &[&str]| AccessRule { kms_decrypt_keys: texts(keys), ..rule(globs) };
    vec![
        (
            "the key of another rule",
            vec![keyed(&["/shop/*"], &["alias/shop"]), keyed(&["/x/*"], &["alias/other"])],
            Keyed("/shop/a", &["alias/other"]),
            Denied,
        ),
        (
            "a rule without keys beside it",
            vec![keyed(&["/shop/*"], &["alias/shop"]), rule(&["/shop/**"])],
            Keyed("/shop/a", &["alias/other"]),
            Granted,
        ),
        (
            "a rule without keys for another name",
            vec![keyed(&["/shop/*"], &["alias/shop"]), rule(&["/x/**"])],
            Keyed("/shop/a", &["alias/other"]),
            Denied,
        ),
        (
            "two rules with keys",
            vec![keyed(&["/shop/*"], &["alias/shop"]), keyed(&["/**"], &["alias/other"])],
            Keyed("/shop/a", &["alias/other"]),
            Granted,
        ),
        (
            "keys of kmsDecrypt do not count at rest",
            vec![AccessRule { kms_decrypt_keys: texts(&["*"]), ..keyed(&["/shop/*"], &["alias/shop"]) }],
            Keyed("/shop/a", &["alias/other"]),
            Denied,
        ),
        (
            "keys at rest do not count for kmsDecrypt",
            vec![keyed(&["/shop/*"], &["alias/shop"])],
            Decrypt("/shop/a", Some("alias/shop")),
            Denied,
        ),
        (
            "keys of kmsDecrypt are those of the namespace",
            vec![rule(&["/shop/*"]), deciphering(&["/x/*"], &["alias/shop"])],
            Decrypt("/shop/a", Some("alias/shop")),
            Granted,
        ),
    ]
}

pub(super) fn check(tally: &mut Tally) {
    for (what, reader, kms_keys, ask, expected) in ENCRYPTION {
        let rules = [AccessRule { kms_keys: texts(kms_keys), ..rule(&["/shop/*", "/aws-x/*"]) }];
        tally.check_rules(what, &rules, &namespace(reader), "", (*ask, *expected));
    }
    for (what, keys, ask, expected) in DECRYPTION {
        let rules = [AccessRule { kms_decrypt_keys: texts(keys), ..rule(&["/shop/*"]) }];
        tally.check_rules(what, &rules, &namespace("shop"), "", (*ask, *expected));
    }
    for (what, rules, ask, expected) in several() {
        tally.check_rules(what, &rules, &namespace("shop"), "", (ask, expected));
    }
}
