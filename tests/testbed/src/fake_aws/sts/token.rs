//! Web identity tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

use crate::fake_aws::error::{AwsError, Outcome};

/// The claims of an accepted web identity token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// `sub`, such as `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
    /// `aud`
    pub audience: String,
    /// `iss`
    pub provider: String,
}

/// Why STS refuses a token. The caller sees the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// `InvalidIdentityToken`: the token is not valid.
    Invalid(String),
    /// `ExpiredTokenException`: the token was valid.
    Expired(String),
    /// `IDPCommunicationError`: STS cannot reach the issuer.
    Unreachable(String),
}

impl From<String> for TokenError {
    fn from(message: String) -> Self {
        Self::Invalid(message)
    }
}

impl From<TokenError> for AwsError {
    fn from(error: TokenError) -> Self {
        let (code, message) = match error {
            TokenError::Invalid(message) => ("InvalidIdentityToken", message),
            TokenError::Expired(message) => ("ExpiredTokenException", message),
            TokenError::Unreachable(message) => ("IDPCommunicationError", message),
        };
        AwsError::new(code, message)
    }
}

/// Checks a web identity token at a time, in milliseconds since 1970.
pub(in crate::fake_aws) type TokenCheck = Box<dyn Fn(&str, i64) -> Result<WebIdentity, TokenError> + Send>;

/// The issuers of tokens, as STS knows them.
#[derive(Default)]
pub(in crate::fake_aws) struct Issuers {
    /// Replaces the default check, which accepts any token.
    pub check: Option<TokenCheck>,
    /// True if STS does not reach them.
    pub unreachable: bool,
}

impl Issuers {
    /// The claims of the token of a request.
    pub(super) fn read(&self, input: &Value, now_ms: i64) -> Outcome<WebIdentity> {
        let token = input["WebIdentityToken"].as_str().unwrap_or_default();
        if self.unreachable {
            let message = "The request could not be fulfilled because the identity provider (IDP) that was asked to \
                           verify the incoming identity token could not be reached.";
            return Err(TokenError::Unreachable(message.to_owned()).into());
        }
        match &self.check {
            Some(check) => check(token, now_ms).map_err(AwsError::from),
            None => Ok(believe(token)),
        }
    }
}

/// Reads the claims of a JSON web token without checking its signature. Any other text is its own subject.
fn believe(token: &str) -> WebIdentity {
    let claims = token.split('.').nth(1).and_then(decode).unwrap_or_default();
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

/// The JSON of one part of a token.
pub(super) fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_read_from_a_token() {
        let claims = r#"{"sub":"system:serviceaccount:shop:checkout","aud":["sts.amazonaws.com"],"iss":"https://i"}"#;
        let read = |token: &str| Issuers::default().read(&json!({"WebIdentityToken": token}), 0).expect("believed");
        let identity = read(&format!("e30.{}.sig", BASE64.encode(claims)));
        assert_eq!(identity.subject, "system:serviceaccount:shop:checkout");
        assert_eq!(identity.provider, "https://i");
        assert_eq!(read("plain").subject, "plain");
    }
}
