//! What names may look like, where several fields share it.

/// Names of most Kubernetes objects: DNS subdomains (RFC 1123).
pub const DNS_SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Names of namespaces: DNS labels (RFC 1123).
pub const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// Keys of labels and annotations: qualified names of the Kubernetes API.
pub const QUALIFIED_NAME: &str =
    "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

/// Values of labels.
pub const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

/// Names of parameters, or their ARNs; references to Secrets Manager may hold what names of secrets may hold.
pub const PARAMETER: &str = r"^((arn:aws[a-zA-Z-]*:ssm:[a-z0-9-]+:[0-9]{12}:parameter)?/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*|/aws/reference/secretsmanager/[a-zA-Z0-9/_+=.@-]+)$";

/// Labels of parameters.
pub const PARAMETER_LABEL: &str = "^[a-zA-Z_.-][a-zA-Z0-9_.-]*$";

/// Durations in hours, minutes and seconds.
pub const DURATION: &str = "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$";

/// CEL: all keys of a map are qualified names.
pub fn qualified_keys() -> String {
    format!("self.all(k, k.matches('{QUALIFIED_NAME}'))")
}

/// CEL: a duration is zero, or between ten seconds and `longest`. The pattern comes first, so that what is no duration
/// gets the rule's message and not CEL's own.
pub fn zero_or_up_to(longest: &str) -> String {
    format!(
        "self.matches('{DURATION}') && self != '' && (duration(self) == duration('0s') || (duration(self) >= \
         duration('10s') && duration(self) <= duration('{longest}')))"
    )
}
