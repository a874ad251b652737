//! The rules of the schemas, each with a sentence that says what is allowed. The API server evaluates them (CEL), so a
//! mistake is refused by `kubectl apply` itself.

use kube::core::Rule;

use crate::api::tracking;

/// The start of an ARN up to a parameter's name, as an optional part of a regular expression.
const ARN_START: &str = "(arn:aws[a-zA-Z-]*:ssm:[a-z0-9-]+:[0-9]{12}:parameter)?";
/// The name of a parameter, or its ARN. A reference to Secrets Manager holds what the name of a secret may hold.
const PARAMETER: &str = "^((arn:aws[a-zA-Z-]*:ssm:[a-z0-9-]+:[0-9]{12}:parameter)?/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*|/aws/reference/secretsmanager/[a-zA-Z0-9/_+=.@-]+)$";
/// One step of an RFC 9535 singular query: a name or an index. `\x27` and `\x22` are the two kinds of quotes. A name after a
/// dot may also lack the quotes that it needs: the object then shows the right spelling of the whole path.
const STEP: &str =
    r"(\.[a-zA-Z0-9_\x80-\x{10FFFF}/@:$+#%-]+|\[(0|-?[1-9][0-9]*|\x27([^\x27\\]|\\.)*\x27|\x22([^\x22\\]|\\.)*\x22)\])";
/// A key or alias of KMS, in the four forms that KMS takes.
const KMS_KEY: &str = "^((arn:aws[a-zA-Z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?alias/[a-zA-Z0-9/_-]{1,250}|(arn:aws[a-zA-Z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/)?([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}))$";
/// Hours, minutes and seconds.
pub(super) const DURATION: &str = "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$";
/// A qualified name of the Kubernetes API: the key of a label or annotation.
const QUALIFIED_NAME: &str = "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// A rule with its sentence.
pub(super) fn rule(rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message)
}

/// A rule that a text matches a regular expression.
pub(super) fn matches(pattern: &str, message: &str) -> Rule {
    rule(format!("self.matches(r'{pattern}')"), message)
}

/// A name has no version behind a colon, as in `/a/b:3`.
pub(super) fn no_version_in_name() -> Rule {
    let rule = format!("!self.matches('^{ARN_START}[^:]*:[0-9]+$')");
    Rule::new(rule).message("a name holds no version; put the number after the colon into the field version")
}

/// A name has no label behind a colon, as in `/a/b:prod`.
pub(super) fn no_label_in_name() -> Rule {
    let rule = format!("!self.matches('^{ARN_START}[^:]*:[a-zA-Z_.-][^:]*$')");
    Rule::new(rule).message("a name holds no label; put the text after the colon into the field label")
}

/// A name has no level of no characters.
pub(super) fn no_empty_level() -> Rule {
    rule("!self.contains('//')", "a name has no empty level; replace // by /")
}

/// A name has no white space.
pub(super) fn no_blank() -> Rule {
    rule("!self.matches('[[:space:]]')", "a name holds no blanks; Parameter Store has no such names")
}

/// The name of a parameter does not end with a slash.
pub(super) fn no_slash_at_end() -> Rule {
    rule(
        "!self.endsWith('/')",
        "the name of a parameter does not end with /; to read everything below a path, use path in dataFrom",
    )
}

/// A name has at most 15 levels (Systems Manager User Guide, "Working with parameter hierarchies").
pub(super) fn levels() -> Rule {
    let deep = "([^/]+/){15}[^/]";
    rule(
        format!("!(self.startsWith('arn:') ? self.matches('^arn:[^/]*/{deep}') : self.matches('^/?{deep}'))"),
        "a name has at most 15 levels",
    )
}

/// A name has at most 1,011 characters (Systems Manager API reference, PutParameter).
pub(super) fn name_length() -> Rule {
    rule(
        "(self.startsWith('arn:') && self.contains('/') ? size(self) - self.indexOf('/') : size(self)) <= 1011",
        "a name has at most 1,011 characters",
    )
}

/// A name consists of characters that Parameter Store takes. Silent about what another rule says more clearly.
pub(super) fn parameter_name() -> Rule {
    rule(
        format!(
            "self.matches('{PARAMETER}') || self.contains('//') || self.endsWith('/') || self.matches('[[:space:]]') || \
             self.matches('^{ARN_START}[^:]*:([0-9]+|[a-zA-Z_.-][^:]*)$')"
        ),
        "a name holds letters, digits and the characters . - _ in levels separated by /, for example /shop/db-password; a \
         parameter of another account is named by its ARN, arn:aws:ssm:REGION:ACCOUNT:parameter/NAME",
    )
}

/// A path begins with a slash, and is more than that.
pub(super) fn path_start() -> Rule {
    rule(
        "self.matches('^/.')",
        "a path begins with / and names at least one level, for example /shop; all parameters of an account cannot be read \
         at once",
    )
}

/// A path has no label or version behind a colon.
pub(super) fn no_label_in_path() -> Rule {
    rule("!self.contains(':')", "a path holds no label and is no ARN; put a label into the field label")
}

/// A path has no wildcards.
pub(super) fn no_wildcard_in_path() -> Rule {
    rule(
        "!self.matches('[*?]')",
        "a path holds no wildcards; choose among the parameters below it with include and exclude",
    )
}

/// A path consists of characters that Parameter Store takes. Silent about what another rule says more clearly.
pub(super) fn path() -> Rule {
    rule(
        "!self.matches('[^]a-zA-Z0-9_./:*?[:space:]-]|[]]')",
        "a path holds letters, digits and the characters . - _ in levels separated by /, for example /shop/checkout",
    )
}

/// A prefix for the names of a store.
pub(super) fn name_prefix() -> Rule {
    matches(
        "^(/[a-zA-Z0-9_.-]+){1,14}$",
        "a prefix is 1 to 14 levels of letters, digits and the characters . - _, each with / before it and none at the end, \
         for example /prod",
    )
}

/// A label of a parameter's version.
pub(super) fn parameter_label() -> Rule {
    matches(
        "^[a-zA-Z_.-][a-zA-Z0-9_.-]*$",
        "a label holds letters, digits and the characters . - _, and does not begin with a digit; a version goes into the \
         field version",
    )
}

/// A JSONPath begins at the root.
pub(super) fn json_path_root() -> Rule {
    rule("self.startsWith('$')", "a path begins with $, which stands for the whole value: $.db.password")
}

/// A JSONPath leads to exactly one value. Silent about what another rule says more clearly.
pub(super) fn json_path() -> Rule {
    rule(
        format!(r"!self.startsWith('$') || self.matches(r'^\${STEP}*$')"),
        "a path leads to one value by names and indices, for example $.a[0]['key-with-hyphen']; filters, slices, wildcards, \
         .. and functions are not supported",
    )
}

/// A key of a Secret, by its characters.
pub(super) fn secret_key() -> Rule {
    matches("^[-._a-zA-Z0-9]*$", "a Secret's key holds letters, digits and the characters - _ . only")
}

/// A key of a Secret that is no name of a folder.
pub(super) fn secret_key_is_file() -> Rule {
    rule("self != '.' && !self.startsWith('..')", "a Secret's key must not be . or begin with ..")
}

/// All keys of a map are keys of a Secret.
pub(super) fn secret_keys() -> Rule {
    rule(
        "self.all(k, k.matches('^[-._a-zA-Z0-9]{1,253}$') && k != '.' && !k.startsWith('..'))",
        "a Secret's key has 1 to 253 letters, digits and the characters - _ . and must not be . or begin with ..",
    )
}

/// What is put before keys of a Secret.
pub(super) fn key_prefix() -> Rule {
    matches("^[-._a-zA-Z0-9]*$", "a prefix of keys holds letters, digits and the characters - _ . only")
}

/// A prefix that a shell can use where the keys are to be names of environment variables.
pub(super) fn key_prefix_of_variables() -> Rule {
    rule(
        "!(has(self.style) && self.style == 'EnvVar' && has(self.prefix) && self.prefix.matches('[^a-zA-Z0-9_]'))",
        "with style EnvVar the prefix holds letters, digits and _ only",
    )
}

/// The id of a KMS key.
pub(super) fn kms_key() -> Rule {
    matches(KMS_KEY, "keyID is the id of a key, its ARN, an alias written as alias/NAME, or the ARN of an alias")
}

/// An encryption context that is not that of AWS itself.
pub(super) fn encryption_context() -> Rule {
    rule(
        "!('PARAMETER_ARN' in self || 'SecretARN' in self)",
        "PARAMETER_ARN and SecretARN bind what AWS itself encrypts; name the parameter or secret instead",
    )
}

/// A glob on relative names.
pub(super) fn relative_glob() -> Rule {
    rule(
        "!self.startsWith('/') && !self.endsWith('/')",
        "a glob is matched with the name relative to the path, so it does not begin or end with /",
    )
}

/// A glob without alternatives.
pub(super) fn no_alternatives() -> Rule {
    rule(
        r"!self.matches(r'[{}\[\]]')",
        "braces and brackets have no meaning in this glob; write an entry for each alternative, or ? for any one character",
    )
}

/// A glob whose braces are those of the placeholder.
pub(super) fn placeholder() -> Rule {
    matches(
        r"^([^{}/]*|\{namespace\})(/([^{}/]*|\{namespace\}))*$",
        "braces only hold the word namespace, as a whole segment between slashes, for example /{namespace}/**",
    )
}

/// A glob on the names or ARNs of parameters.
pub(super) fn access_glob() -> Rule {
    matches(
        "^(/|[*][*]/|arn:)[-a-zA-Z0-9_.:/*?{}]*$",
        "a glob begins with /, **/ or arn: and goes on with letters, digits and the characters . - _ : / * ? and {namespace}",
    )
}

/// A glob on KMS keys.
pub(super) fn kms_key_glob() -> Rule {
    matches(
        "^[-a-zA-Z0-9_:/*?{}]*$",
        "a glob on keys holds letters, digits and the characters - _ : / * ? and {namespace}",
    )
}

/// A glob on the keys that encrypt parameters: on aliases of the own account, or on ARNs.
pub(super) fn encryption_key_glob() -> Rule {
    matches(
        "^(alias/|arn:)[-a-zA-Z0-9_:/*?{}]*$",
        "a glob on the keys of parameters begins with alias/ or arn: and goes on with letters, digits and the characters \
         - _ : / * ? and {namespace}; leave kmsKeys out to accept every key",
    )
}

/// The name of most Kubernetes objects: a DNS subdomain (RFC 1123).
pub(super) fn object_name() -> Rule {
    matches(
        "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$",
        "a name holds lower-case letters, digits, - and ., and begins and ends with a letter or digit",
    )
}

/// The name of a namespace or an access rule: a DNS label (RFC 1123).
pub(super) fn label_name() -> Rule {
    matches(
        "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$",
        "a name holds lower-case letters, digits and -, and begins and ends with a letter or digit",
    )
}

/// An AWS region.
pub(super) fn region() -> Rule {
    matches("^([a-z]{2,5}(-[a-z0-9]+)+)?$", "a region is written like eu-central-1")
}

/// The URL of an endpoint of AWS. The operator looks closer at the host.
pub(super) fn endpoint() -> Rule {
    matches(
        r"^https?://([a-zA-Z0-9_.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[a-zA-Z0-9_./-]*)?$",
        "an endpoint is written like https://host:port or http://host:port, without user, query and fragment",
    )
}

/// A store names endpoints, or it chooses among those of AWS.
pub(super) fn endpoints_or_kinds() -> Rule {
    rule(
        "!(has(self.endpoints) && ((has(self.fips) && self.fips) || (has(self.dualStack) && self.dualStack)))",
        "endpoints cannot be combined with fips or dualStack, which choose among the endpoints of AWS; remove one of them",
    )
}

/// The key of a label.
pub(super) fn label_key() -> Rule {
    matches(QUALIFIED_NAME, "the key of a label is [prefix/]name, the name of up to 63 letters, digits, -, _ and .")
}

/// All keys of a map are keys of labels or of annotations.
pub(super) fn qualified_keys(noun: &str) -> Rule {
    rule(
        format!("self.all(k, k.matches('{QUALIFIED_NAME}'))"),
        &format!("the keys of {noun} are [prefix/]name, the name of up to 63 letters, digits, -, _ and ."),
    )
}

/// The value of a label.
pub(super) fn label_value() -> Rule {
    matches(
        "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
        "the value of a label holds letters, digits, -, _ and ., and begins and ends with a letter or digit",
    )
}

/// A map of labels or annotations without those by which other tools know what is theirs.
pub(super) fn no_tracking(noun: &str) -> Rule {
    rule(
        format!("!self.exists(k, {})", tracking::rule()),
        &format!("{noun} of secureparameter.io and tracking {noun} of GitOps tools cannot be set on the Secret"),
    )
}

/// A duration of zero, or between ten seconds and `longest`. The pattern comes first, so that text that is no duration
/// gets this message and not that of the function `duration`.
pub(super) fn interval(field: &str, zero: &str, longest: &str) -> Rule {
    rule(
        format!(
            "self.matches('{DURATION}') && self != '' && (duration(self) == duration('0s') || (duration(self) >= \
             duration('10s') && duration(self) <= duration('{longest}')))"
        ),
        &format!("{field} must be 0s ({zero}) or between 10s and {longest}, written like 90s, 5m or 1h30m"),
    )
}
