//! Names of parameters, as callers write them.

use super::reference;
use crate::fake_aws::arn::{self, Arn};
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::world::Context;

/// Longest name with its ARN prefix.
const NAME_LIMIT: usize = 1011;
const DEPTH_LIMIT: usize = 15;

/// A parsed name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParsedName {
    /// As sent, trimmed.
    pub text: String,
    /// ARN of the parameter, without selector.
    pub arn: String,
    /// Account of the parameter.
    pub account: String,
    /// Region of the parameter.
    pub region: String,
    /// Version number or label.
    pub selector: Option<String>,
    /// Id of the secret, if the name refers to one of Secrets Manager.
    pub secret: Option<String>,
}

impl ParsedName {
    /// Parses `name`, `name:selector` or an ARN with or without selector.
    pub(super) fn parse(context: &Context, text: &str) -> Outcome<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > 2048 {
            let constraint = "Member must have length less than or equal to 2048";
            return Err(AwsError::constraint(text, "name", constraint));
        }
        let arn = Arn::parse(text).filter(|arn| arn.service == "ssm");
        let (account, region, named) = match arn.and_then(|arn| Some((arn, arn.resource.strip_prefix("parameter/")?))) {
            Some((arn, rest)) => (arn.account, arn.region, rest),
            None => (context.caller.account.as_str(), context.region.as_str(), text),
        };
        let (name, selector) = match named.split_once(':') {
            Some((name, selector)) => (name, Some(selector)),
            None => (named, None),
        };
        if arn.is_none() && name.trim_start_matches('/').contains('/') && !name.starts_with('/') {
            return Err(not_qualified());
        }
        let secret = reference::secret_id(name).filter(|_| arn.is_none());
        let is_allowed = |c| is_name_character(c) || secret.is_some() && matches!(c, '+' | '=' | '@');
        if !name.chars().all(is_allowed) || selector.is_some_and(|s| s.is_empty() || s.contains([':', ' '])) {
            return Err(bad_name());
        }
        Ok(Self {
            text: text.to_owned(),
            arn: arn::parameter(region, account, name),
            account: account.to_owned(),
            region: region.to_owned(),
            selector: selector.map(str::to_owned),
            secret: secret.map(str::to_owned),
        })
    }
}

/// Checks the name of a parameter to write.
pub(super) fn check_new(context: &Context, name: &str) -> Outcome<()> {
    let relative = name.strip_prefix('/').unwrap_or(name);
    if relative.is_empty() || !relative.chars().all(is_name_character) || name.ends_with('/') || name.contains("//") {
        return Err(bad_name());
    }
    let first = relative.split('/').next().unwrap_or_default().to_ascii_lowercase();
    if first.starts_with("aws") && name.starts_with('/') {
        let message = format!("No access to reserved parameter name: {name}.");
        return Err(AwsError::new("AccessDeniedException", message));
    }
    if first.starts_with("aws") || first.starts_with("ssm") {
        return Err(bad_name());
    }
    if relative.contains('/') && !name.starts_with('/') {
        return Err(not_qualified());
    }
    if relative.split('/').count() > DEPTH_LIMIT {
        let message = "A hierarchy can have a maximum of 15 levels. Reduce the number of levels in the name.";
        return Err(AwsError::new("HierarchyLevelLimitExceededException", message));
    }
    if arn::parameter(&context.region, &context.caller.account, name).len() > NAME_LIMIT {
        let constraint = "Member must have length less than or equal to 1011 including its ARN prefix";
        return Err(AwsError::constraint(name, "name", constraint));
    }
    Ok(())
}

/// Checks a path to list.
pub(super) fn check_path(path: &str) -> Outcome<()> {
    if path.starts_with('/') && !path.contains("//") && path.chars().all(is_name_character) {
        return Ok(());
    }
    Err(AwsError::validation(
        "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward \
         slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, \
         numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not \
         allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: \
         /get/parameters2-/by1./path0_.",
    ))
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/')
}

fn not_qualified() -> AwsError {
    AwsError::validation("Parameter name must be a fully qualified name.")
}

fn bad_name() -> AwsError {
    AwsError::validation(
        "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). If formed as a path, it can \
         consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and \
         the following 3 symbols .-_",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_aws::world::World;

    fn context() -> Context {
        World::default().test_context("111122223333", "eu-central-1")
    }

    #[test]
    fn the_forms_of_a_name() {
        let arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/team/db";
        let reference = arn.replace("team", "aws/reference/secretsmanager");
        for (text, expected, selector) in [
            (" /team/db ", arn, None),
            ("/aws/reference/secretsmanager/db", &reference, None),
            ("/aws/reference/secretsmanager/db:AWSPREVIOUS", &reference, Some("AWSPREVIOUS")),
            ("/team/db:3", arn, Some("3")),
            ("/team/db:prod", arn, Some("prod")),
            (arn, arn, None),
            ("arn:aws:ssm:eu-central-1:111122223333:parameter/team/db:3", arn, Some("3")),
            ("/root", "arn:aws:ssm:eu-central-1:111122223333:parameter/root", None),
            ("root", "arn:aws:ssm:eu-central-1:111122223333:parameter/root", None),
        ] {
            let parsed = ParsedName::parse(&context(), text).expect(text);
            assert_eq!((parsed.arn.as_str(), parsed.selector.as_deref()), (expected, selector), "{text}");
            assert_eq!(parsed.secret.is_some(), text.starts_with("/aws/"), "{text}");
        }
        for text in ["", "/a b", "/a+b", "/aws/reference/secretsmanager/a b", "team/db", "/a:1:2", "/a:", "/ä", "{{x}}"]
        {
            let error = ParsedName::parse(&context(), text).expect_err(text);
            assert_eq!(error.code, "ValidationException", "{text}");
        }
    }

    #[test]
    fn names_that_cannot_be_written() {
        let deep = |levels: usize| "/x".repeat(levels);
        let long = format!("/{}", "x".repeat(1011));
        for (name, code) in [
            ("awsome", "ValidationException"),
            ("/SSM/x", "ValidationException"),
            ("/aws/x", "AccessDeniedException"),
            ("a/b", "ValidationException"),
            ("/a/", "ValidationException"),
            ("arn:aws:ssm:eu-central-1:1:parameter/x", "ValidationException"),
            (&deep(16), "HierarchyLevelLimitExceededException"),
            (&long, "ValidationException"),
        ] {
            assert_eq!(check_new(&context(), name).expect_err(name).code, code, "{name}");
        }
        for name in ["a", "/a", "/team/aws/x", &deep(15)] {
            assert_eq!(check_new(&context(), name), Ok(()), "{name}");
        }
    }
}
