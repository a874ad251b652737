//! The group of the kinds of External Secrets Operator.

/// The name of the group, which is also the domain of its labels and annotations.
pub(crate) const GROUP: &str = "external-secrets.io";

/// Reports whether an API version, as in `external-secrets.io/v1`, is of the group.
pub(super) fn is_of_group(api_version: &str) -> bool {
    group(api_version) == GROUP
}

/// Reports whether an API version, or the key of a label, is of the group or of one below it, as
/// `generators.external-secrets.io/v1alpha1`.
pub(crate) fn is_of_domain(text: &str) -> bool {
    group(text).strip_suffix(GROUP).is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

fn group(text: &str) -> &str {
    text.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_below_are_of_the_domain() {
        for (text, of_group, of_domain) in [
            ("external-secrets.io/v1", true, true),
            ("generators.external-secrets.io/v1alpha1", false, true),
            ("my-external-secrets.io/v1", false, false),
            ("kubernetes-client.io/v1", false, false),
            ("v1", false, false),
        ] {
            assert_eq!((is_of_group(text), is_of_domain(text)), (of_group, of_domain), "{text}");
        }
    }
}
