//! The rules of `spec.identity`.

use kube::core::Rule;

use crate::api::rules::{DURATION, matches, rule};

/// At most one source of credentials.
pub(super) fn one_source_of_credentials() -> Rule {
    rule(
        "!(has(self.serviceAccountRef) && has(self.credentialsSecretRef))",
        "serviceAccountRef and credentialsSecretRef exclude each other; remove one of them",
    )
}

/// A source of credentials that is the namespace's own.
pub(super) fn own_source_of_credentials() -> Rule {
    rule(
        "has(self.serviceAccountRef) || has(self.credentialsSecretRef)",
        "a ParameterStore never uses the operator's identity; set serviceAccountRef or credentialsSecretRef",
    )
}

/// A session policy belongs to a session.
pub(super) fn session_policy_needs_session() -> Rule {
    rule(
        "!has(self.sessionPolicy) || self.sessionPolicy == 'None' || has(self.serviceAccountRef) || \
         (has(self.assumeRoles) && size(self.assumeRoles) > 0)",
        "sessionPolicy: FromAccess limits the session of a role; set serviceAccountRef or assumeRoles",
    )
}

/// A role that a session of another role assumes (IAM User Guide, "Role chaining").
pub(super) fn chained_duration() -> Rule {
    rule(
        "!has(self.assumeRoles) || size(self.assumeRoles) < (has(self.serviceAccountRef) ? 1 : 2) || \
         !self.assumeRoles.exists(r, has(r.duration) && duration(r.duration) > duration('1h') && \
         (has(self.serviceAccountRef) || r != self.assumeRoles[0]))",
        "AWS limits sessions of a role that another session assumes to 1h; shorten duration",
    )
}

/// The ARN of a role.
pub(super) fn role_arn() -> Rule {
    matches(
        "^arn:aws[a-zA-Z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9+=,.@_/{}-]+$",
        "the ARN of a role is written like arn:aws:iam::111122223333:role/parameters",
    )
}

/// Braces in the ARN of a role.
pub(super) fn role_placeholder() -> Rule {
    matches(
        r"^[^{}]*(\{namespace\}[^{}]*)?$",
        "braces only hold the word namespace, once: arn:aws:iam::111122223333:role/parameters-{namespace}",
    )
}

/// An external id (STS API reference, AssumeRole).
pub(super) fn external_id() -> Rule {
    matches("^[a-zA-Z0-9_+=,.@:/-]*$", "an external id holds letters, digits and the characters _ + = , . @ : / -")
}

/// A source identity (STS API reference, AssumeRole).
pub(super) fn source_identity() -> Rule {
    matches("^[a-zA-Z0-9_+=,.@-]*$", "a source identity holds letters, digits and the characters _ + = , . @ -")
}

/// The key of a session tag.
pub(super) fn tag_key() -> Rule {
    matches(
        "^[a-zA-Z0-9 _.:/=+@-]*$",
        "the key of a tag holds letters, digits, blanks and the characters _ . : / = + @ -",
    )
}

/// Tags that are neither the operator's nor those of AWS.
pub(super) fn session_tags() -> Rule {
    rule(
        "self.all(k, k.matches('^[a-zA-Z0-9 _.:/=+@-]{1,128}$') && self[k].matches('^[a-zA-Z0-9 _.:/=+@-]*$') && \
         !k.matches('^([aA][wW][sS]:|[kK][uU][bB][eE][rR][nN][eE][tT][eE][sS]-)'))",
        "tags hold letters, digits, blanks and the characters _ . : / = + @ -; their keys do not begin with aws: or \
         kubernetes-, which sessionTags sets",
    )
}

/// Tags that later sessions inherit are tags of this session.
pub(super) fn transitive_tags() -> Rule {
    rule(
        "!has(self.transitiveTagKeys) || self.transitiveTagKeys.all(k, (has(self.tags) && k in self.tags) || \
         (has(self.sessionTags) && self.sessionTags && k in ['kubernetes-namespace', 'kubernetes-store', \
         'kubernetes-cluster']))",
        "transitiveTagKeys names tags of this session; add them to tags, or set sessionTags",
    )
}

/// How long a session lasts (STS API reference, AssumeRole).
pub(super) fn session_duration() -> Rule {
    rule(
        format!(
            "self.matches('{DURATION}') && self != '' && duration(self) >= duration('15m') && duration(self) <= \
             duration('12h')"
        ),
        "duration must be between 15m and 12h, written like 1h or 1h30m",
    )
}

/// The audience of a token.
pub(super) fn audience() -> Rule {
    matches("^[!-~]*$", "an audience holds visible ASCII characters, for example sts.amazonaws.com")
}
