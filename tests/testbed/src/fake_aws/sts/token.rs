//! Web identity tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

use super::roles::{Roles, WebIdentity};
use crate::fake_aws::error::{AwsError, Outcome};

/// The claims of a token.
pub(super) fn read(roles: &Roles, token: &str) -> Outcome<WebIdentity> {
    let checked = match &roles.token_check {
        Some(check) => check(token),
        None => Ok(believe(token)),
    };
    checked.map_err(|message| AwsError::new("InvalidIdentityToken", message))
}

/// Reads the claims of a JSON web token without checking its signature. Any other text is its own subject.
fn believe(token: &str) -> WebIdentity {
    let payload = token.split('.').nth(1).and_then(|part| BASE64.decode(part).ok());
    let claims: Value = payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let claim = |name: &str, otherwise: &str| {
        let value = &claims[name];
        let text = value.as_str().or_else(|| value.get(0).and_then(Value::as_str));
        text.unwrap_or(otherwise).to_owned()
    };
    WebIdentity {
        subject: claim("sub", token),
        audience: claim("aud", "sts.amazonaws.com"),
        provider: claim("iss", "https://issuer.test"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_from_a_token() {
        let claims = r#"{"sub":"system:serviceaccount:shop:checkout","aud":["sts.amazonaws.com"],"iss":"https://i"}"#;
        let token = format!("e30.{}.sig", BASE64.encode(claims));
        let identity = read(&Roles::default(), &token).expect("believed");
        assert_eq!(identity.subject, "system:serviceaccount:shop:checkout");
        assert_eq!(identity.provider, "https://i");
        assert_eq!(read(&Roles::default(), "plain").expect("believed").subject, "plain");
    }
}
