//! Names: what is before, after and beside what a glob means, and spellings that could be taken for it.

use crate::domain::policy_tables::table::{
    Ask::{Fields, Label, Previous, Read, Version},
    Denied, Granted, Invalid, NAMESPACE, Row, Tally,
};

const OWN: &[&str] = &["/{namespace}/**"];

const PLAIN: &[Row] = &[
    ("no glob", &[], Read("/shop/a"), Denied),
    ("own", OWN, Read("/shop/a"), Granted),
    ("own, further down", OWN, Read("/shop/a/b/c"), Granted),
    ("own, without the slash first", OWN, Read("shop/a"), Granted),
    ("own, in a version", OWN, Version("/shop/a", 3), Granted),
    ("own, with a label", OWN, Label("/shop/a", "prod"), Granted),
    ("own, the version before", OWN, Previous("/shop/a"), Granted),
    ("own, its fields", OWN, Fields("/shop/a"), Granted),
    ("the level itself", OWN, Read("/shop"), Denied),
    ("the level itself, without a slash", OWN, Read("shop"), Denied),
    ("another", OWN, Read("/other/a"), Denied),
    ("another, in a version", OWN, Version("/other/a", 3), Denied),
    ("another, with a label", OWN, Label("/other/a", "prod"), Denied),
    ("another, the version before", OWN, Previous("/other/a"), Denied),
    ("another, its fields", OWN, Fields("/other/a"), Denied),
    ("a longer name with the same start", OWN, Read("/shop-internal/a"), Denied),
    ("a longer name with the same start and no hyphen", OWN, Read("/shops/a"), Denied),
    ("a shorter name", OWN, Read("/sho/a"), Denied),
    ("the level further down", OWN, Read("/x/shop/a"), Denied),
    ("the level twice", OWN, Read("/shop/shop"), Granted),
    ("at the root", OWN, Read("a"), Denied),
    ("upper case", OWN, Read("/SHOP/a"), Denied),
    ("one letter in upper case", OWN, Read("/Shop/a"), Denied),
    ("upper case below", OWN, Read("/shop/A"), Granted),
    ("the placeholder itself", OWN, Read("/{namespace}/a"), Invalid),
    ("the word of the placeholder", OWN, Read("/namespace/a"), Denied),
];

/// Parameter Store has no such levels as those of a file system.
const LEVELS: &[Row] = &[
    ("two dots are a name", OWN, Read("/shop/../other/a"), Granted),
    ("two dots first", OWN, Read("/../shop/a"), Denied),
    ("two dots of another", OWN, Read("/other/../shop/a"), Denied),
    ("one dot is a name", OWN, Read("/shop/./a"), Granted),
    ("one dot first", OWN, Read("/./shop/a"), Denied),
    ("a dot behind the level", OWN, Read("/shop./a"), Denied),
    ("two dots behind the level", OWN, Read("/shop../a"), Denied),
    ("two dots at a star", &["/shop/*"], Read("/shop/.."), Granted),
    ("two dots and more at a star", &["/shop/*"], Read("/shop/../a"), Denied),
    ("two slashes first", OWN, Read("//shop/a"), Invalid),
    ("two slashes first, of another", OWN, Read("//other/a"), Invalid),
    ("two slashes within", OWN, Read("/shop//a"), Invalid),
    ("two slashes before another", OWN, Read("/shop//other/a"), Invalid),
    ("a slash at the end", OWN, Read("/shop/a/"), Invalid),
    ("the level with a slash at the end", OWN, Read("/shop/"), Invalid),
    ("two slashes at the end", OWN, Read("/shop/a//"), Invalid),
    ("only a slash", &["/**"], Read("/"), Invalid),
    ("nothing", &["/**"], Read(""), Invalid),
    ("a backslash", OWN, Read("/shop\\a"), Invalid),
    ("fifteen levels", OWN, Read("/shop/2/3/4/5/6/7/8/9/10/11/12/13/14/15"), Granted),
    ("sixteen levels", OWN, Read("/shop/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"), Invalid),
];

/// What AWS might take for another name: it trims blanks, and reads selectors.
const LOOKALIKES: &[Row] = &[
    ("a version behind the name", &["/shop/*"], Read("/shop/a:3"), Invalid),
    ("a label behind the name", &["/shop/*"], Read("/shop/a:prod"), Invalid),
    ("a version of another", OWN, Read("/other/a:3"), Invalid),
    ("a colon and nothing", OWN, Read("/shop/a:"), Invalid),
    ("a colon first", OWN, Read(":/shop/a"), Invalid),
    ("a selector within", OWN, Read("/shop:3/a"), Invalid),
    ("a blank first", OWN, Read(" /shop/a"), Invalid),
    ("a blank first, of another", &["/*/other/a"], Read(" /other/a"), Invalid),
    ("a blank at the end", &["/shop/a?"], Read("/shop/a "), Invalid),
    ("a tab at the end", &["/shop/a?"], Read("/shop/a\t"), Invalid),
    ("a line break at the end", &["/shop/a?"], Read("/shop/a\n"), Invalid),
    ("a blank within", OWN, Read("/shop/a b"), Invalid),
    ("no break space", OWN, Read("/shop/a\u{a0}"), Invalid),
    ("a zero", OWN, Read("/shop/a\0"), Invalid),
    ("an encoded slash", OWN, Read("/shop%2Fa"), Invalid),
    ("an encoded slash below", OWN, Read("/shop/..%2Fother"), Invalid),
    ("an encoded dot", OWN, Read("/shop/%2e%2e/other"), Invalid),
    ("a plus", OWN, Read("/shop/a+b"), Invalid),
    ("a Cyrillic letter", OWN, Read("/\u{455}hop/a"), Invalid),
    ("a wide letter", OWN, Read("/\u{ff53}hop/a"), Invalid),
    ("a wide slash", OWN, Read("/shop\u{ff0f}a"), Invalid),
    ("a division slash", OWN, Read("/shop\u{2215}a"), Invalid),
    ("a letter of no width", OWN, Read("/shop\u{200b}/a"), Invalid),
    ("text from right to left", OWN, Read("/shop/\u{202e}a"), Invalid),
    ("a combining accent", OWN, Read("/shop/e\u{301}"), Invalid),
    ("the dotless i", OWN, Read("/sh\u{131}p/a"), Invalid),
    ("a star", &["/**"], Read("/shop/*"), Invalid),
    ("two stars", &["/**"], Read("/**"), Invalid),
    ("a question mark", &["/shop/?"], Read("/shop/?"), Invalid),
];

const GLOBS: &[Row] = &[
    ("a whole name", &["/shop/a"], Read("/shop/a"), Granted),
    ("more than the whole name", &["/shop/a"], Read("/shop/ab"), Denied),
    ("below the whole name", &["/shop/a"], Read("/shop/a/b"), Denied),
    ("a star takes nothing", &["/shop/a*"], Read("/shop/a"), Granted),
    ("a star takes characters", &["/shop/a*"], Read("/shop/abc"), Granted),
    ("a star stops at a slash", &["/shop/a*"], Read("/shop/a/b"), Denied),
    ("a star as a level", &["/*/a"], Read("/other/a"), Granted),
    ("a star takes one level", &["/*/a"], Read("/other/x/a"), Denied),
    ("a star takes a level that exists", &["/shop/*"], Read("/shop"), Denied),
    ("a question mark", &["/shop/a?"], Read("/shop/ab"), Granted),
    ("a question mark takes something", &["/shop/a?"], Read("/shop/a"), Denied),
    ("a question mark takes one character", &["/shop/a?"], Read("/shop/abc"), Denied),
    ("a question mark takes no slash", &["/shop?a"], Read("/shop/a"), Denied),
    ("two stars within a level are one", &["/shop/**a"], Read("/shop/x/a"), Denied),
    ("two stars first", &["**/a"], Read("/other/x/a"), Granted),
    ("two stars first, at the root", &["**/a"], Read("a"), Granted),
    ("two stars between", &["/shop/**/a"], Read("/shop/a"), Granted),
    ("two stars between, further down", &["/shop/**/a"], Read("/shop/x/y/a"), Granted),
    ("two stars between, of another end", &["/shop/**/a"], Read("/shop/x/ab"), Denied),
    ("everything", &["/**"], Read("/other/a"), Granted),
    ("everything, at the root", &["/**"], Read("a"), Granted),
    ("one level", &["/*"], Read("a"), Granted),
    ("one level alone", &["/*"], Read("/shop/a"), Denied),
    ("the second glob", &["/x/*", "/shop/*"], Read("/shop/a"), Granted),
    ("no glob of several", &["/x/*", "/y/*"], Read("/shop/a"), Denied),
    ("globs do not add up", &["/shop/*", "/*/b"], Read("/x/a"), Denied),
    ("a dot is a dot", &["/shop/a.b"], Read("/shop/axb"), Denied),
    ("a plus is no repetition", &["/shop/a-b"], Read("/shop/aab"), Denied),
];

/// With the prefix `/prod`. Globs are on whole names.
const PREFIXED: &[Row] = &[
    ("below the prefix", &["/prod/{namespace}/**"], Read("/shop/a"), Granted),
    ("below the prefix, without a slash", &["/prod/{namespace}/**"], Read("shop/a"), Granted),
    ("another below the prefix", &["/prod/{namespace}/**"], Read("/other/a"), Denied),
    ("a glob that forgets the prefix", OWN, Read("/shop/a"), Denied),
    ("the prefix twice", &["/prod/{namespace}/**"], Read("/prod/shop/a"), Denied),
    ("out by two dots", &["/prod/{namespace}/**"], Read("/../shop/a"), Denied),
    ("at the root", &["/prod/*"], Read("a"), Granted),
    ("several slashes first", &["/prod/**"], Read("///shop/a"), Invalid),
    ("an ARN has no prefix", &["/prod/**"], Read("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a"), Denied),
    ("an ARN with the prefix", &["/prod/**"], Read("arn:aws:ssm:eu-central-1:111122223333:parameter/prod/a"), Granted),
    ("names of AWS have no prefix", &["/prod/**"], Read("/aws/service/a"), Denied),
    ("almost a name of AWS", &["/prod/**"], Read("/aws-x/a"), Granted),
    ("almost a name of AWS, in upper case", &["/prod/**"], Read("/AWS/service/a"), Granted),
    ("one level too many", &["/prod/**"], Read("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15"), Invalid),
];

pub(super) fn check(tally: &mut Tally) {
    for rows in [PLAIN, LEVELS, LOOKALIKES, GLOBS] {
        tally.check("", NAMESPACE, rows);
    }
    tally.check("/prod", NAMESPACE, PREFIXED);
}
