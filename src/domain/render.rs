//! Fourth stage: values become the data of the Secret.

use std::{collections::BTreeMap, sync::Arc};

use secrecy::{ExposeSecret, SecretString};

use super::{Fault, parameter::Wanted, plan::Plan};
use crate::api::Reason;

/// Most bytes that the values of a Secret may have together (`MaxSecretSize` of the Kubernetes API).
pub const MAX_SECRET_BYTES: usize = 1_048_576;

/// Values by parameter. Zeroized when dropped, redacted in Debug.
pub type Values = BTreeMap<Wanted, Arc<SecretString>>;

/// Data of a Secret, borrowed from the values that were read.
pub type Data<'a> = BTreeMap<&'a str, &'a SecretString>;

/// Renders the Secret's data. Keys whose optional parameter is absent are left out.
///
/// # Errors
/// `SecretTooLarge`, with the size.
pub fn render<'a>(plan: &'a Plan, values: &'a Values) -> Result<Data<'a>, Fault> {
    let data: Data<'_> =
        plan.keys.iter().filter_map(|(key, source)| Some((key.as_str(), &**values.get(&source.wanted)?))).collect();
    let size: usize = data.values().map(|value| value.expose_secret().len()).sum();
    if size > MAX_SECRET_BYTES {
        let message = format!(
            "The Secret would hold {size} bytes, more than the {MAX_SECRET_BYTES} that Kubernetes allows; split it into \
             several SecureParameters."
        );
        return Err(Fault::new(Reason::SecretTooLarge, message));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{parameter::Scope, plan::Source};

    fn wanted(name: &str) -> Wanted {
        Wanted::new(name, None, &Scope { partition: "aws".into(), region: "r".into(), account: "1".into() })
    }

    fn plan(keys: &[(&str, &str)]) -> Plan {
        let source = |name| Source { wanted: wanted(name), optional: true };
        Plan { keys: keys.iter().map(|(key, name)| ((*key).to_owned(), source(name))).collect(), shape: 0 }
    }

    #[test]
    fn keys_get_the_value_of_their_parameter() {
        let values: Values = [(wanted("/a"), Arc::new("1".into())), (wanted("/b"), Arc::new("2".into()))].into();
        let plan = plan(&[("A", "/a"), ("B", "b"), ("AGAIN", "/a"), ("GONE", "/c")]);
        let data = render(&plan, &values).expect("data");
        let data: Vec<_> = data.into_iter().map(|(key, value)| (key, value.expose_secret())).collect();
        assert_eq!(data, [("A", "1"), ("AGAIN", "1"), ("B", "2")]);
    }

    #[test]
    fn a_secret_over_one_mebibyte_is_refused_before_the_write() {
        let half = "x".repeat(MAX_SECRET_BYTES / 2);
        let values: Values = [(wanted("/a"), Arc::new(half.into()))].into();
        assert!(render(&plan(&[("A", "/a"), ("B", "/a")]), &values).is_ok());
        let three = plan(&[("A", "/a"), ("B", "/a"), ("C", "/a")]);
        let fault = render(&three, &values).expect_err("too large");
        assert_eq!(fault.reason, Reason::SecretTooLarge);
        assert!(!fault.message.contains('x'.to_string().repeat(3).as_str()));
    }
}
