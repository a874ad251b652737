//! Verification of service account tokens, as STS does it with the keys that their issuer publishes.

use anyhow::{Context as _, bail};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::token::{TokenError, WebIdentity, decode};

const AUDIENCE: &str = "sts.amazonaws.com";

/// Verifies tokens of one issuer: signature (RS256 or ES256), issuer, audience, times.
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    /// DER of the public key.
    key: Vec<u8>,
    issuer: String,
    audiences: Vec<String>,
}

impl TokenVerifier {
    /// A verifier with the public key of an issuer in PEM (`BEGIN PUBLIC KEY`). It accepts the audience
    /// `sts.amazonaws.com`.
    pub fn new(issuer: &str, public_key_pem: &str) -> anyhow::Result<Self> {
        let lines: Vec<&str> = public_key_pem.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let ["-----BEGIN PUBLIC KEY-----", body @ .., "-----END PUBLIC KEY-----"] = &lines[..] else {
            bail!("not one public key in PEM");
        };
        let key = STANDARD.decode(body.concat()).context("a public key in PEM")?;
        Ok(Self { key, issuer: issuer.to_owned(), audiences: vec![AUDIENCE.to_owned()] })
    }

    /// Accepts these audiences alone, as the identity provider in IAM lists its client ids.
    #[must_use]
    pub fn with_audiences(mut self, audiences: &[&str]) -> Self {
        self.audiences = audiences.iter().map(|&audience| audience.to_owned()).collect();
        self
    }

    /// The identity of a token at a time, in milliseconds since 1970.
    pub fn verify(&self, token: &str, now_ms: i64) -> Result<WebIdentity, TokenError> {
        let Some((claims, signed)) = self.parse(token) else {
            return invalid(
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
            );
        };
        let provider = claims["iss"].as_str().unwrap_or_default();
        if provider != self.issuer {
            return invalid(&format!("No OpenIDConnect provider found in your account for {provider}"));
        }
        if !signed {
            return invalid(
                "The web identity token that was passed could not be validated by AWS. Get a new identity token from \
                 the identity provider and then retry the request.",
            );
        }
        check_times(&claims, now_ms)?;
        let known = |audience: &&str| self.audiences.iter().any(|one| one == audience);
        match (audiences(&claims).into_iter().find(known), claims["sub"].as_str()) {
            (Some(audience), Some(subject)) => Ok(WebIdentity {
                subject: subject.to_owned(),
                audience: audience.to_owned(),
                provider: provider.to_owned(),
            }),
            (None, _) => invalid("Incorrect token audience"),
            (_, None) => invalid("Missing a required claim: sub"),
        }
    }

    /// The claims of a token, and whether the signature is that of the issuer.
    fn parse(&self, token: &str) -> Option<(Value, bool)> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let (header, claims) = (decode(header)?, decode(payload)?);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let verified = match header["alg"].as_str()? {
            "ES256" => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.key).verify(message.as_bytes(), &signature)
            }
            "RS256" => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.key).verify(message.as_bytes(), &signature)
            }
            _ => return Some((claims, false)),
        };
        Some((claims, verified.is_ok()))
    }
}

fn check_times(claims: &Value, now_ms: i64) -> Result<(), TokenError> {
    let now = now_ms.div_euclid(1000);
    let Some(end) = claims["exp"].as_i64() else {
        return invalid("Missing a required claim: exp");
    };
    if now >= end {
        let message = format!("Token expired: current date/time {now} must be before the expiration date/time {end}");
        return Err(TokenError::Expired(message));
    }
    // The clocks of the issuer and of STS may differ a little.
    if claims["nbf"].as_i64().is_some_and(|start| start > now + 300) {
        return invalid("The token is not yet valid");
    }
    Ok(())
}

fn invalid<T>(message: &str) -> Result<T, TokenError> {
    Err(TokenError::Invalid(message.to_owned()))
}

fn audiences(claims: &Value) -> Vec<&str> {
    match &claims["aud"] {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        single => single.as_str().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://cluster.test";
    const SUBJECT: &str = "system:serviceaccount:shop:checkout";

    fn pem(der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("text")).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    fn token(algorithm: &str, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let [header, claims] =
            [&json!({"alg": algorithm}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn claims() -> Value {
        json!({"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "exp": 1000, "nbf": 10})
    }

    fn elliptic() -> (EcdsaKeyPair, TokenVerifier) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
        let verifier = TokenVerifier::new(ISSUER, &pem(der.as_ref())).expect("a key");
        (pair, verifier)
    }

    fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
        pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    #[test]
    fn both_kinds_of_signature_are_verified() {
        let (pair, verifier) = elliptic();
        let good = token("ES256", &claims(), |message| sign(&pair, message));
        let expected = WebIdentity { subject: SUBJECT.into(), audience: AUDIENCE.into(), provider: ISSUER.into() };
        assert_eq!(verifier.verify(&good, 500_000), Ok(expected.clone()));
        let (_, other) = elliptic();
        assert!(matches!(other.verify(&good, 500_000), Err(TokenError::Invalid(text)) if text.contains("validated")));
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: PublicKeyX509Der<'_> = rsa.public_key().as_der().expect("DER");
        let verifier = TokenVerifier::new(ISSUER, &pem(der.as_ref())).expect("a key");
        let good = token("RS256", &claims(), |message| {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("a signature");
            signature
        });
        assert_eq!(verifier.verify(&good, 500_000), Ok(expected));
    }

    #[test]
    fn claims_and_times_are_checked() {
        let (pair, verifier) = elliptic();
        let refusal = |field: &str, value: Value| {
            let mut claims = claims();
            claims[field] = value;
            let token = token("ES256", &claims, |message| sign(&pair, message));
            verifier.verify(&token, 500_000).expect_err(field)
        };
        let text = |error: TokenError| match error {
            TokenError::Invalid(text) | TokenError::Expired(text) | TokenError::Unreachable(text) => text,
        };
        assert_eq!(text(refusal("aud", json!("other"))), "Incorrect token audience");
        assert!(text(refusal("iss", json!("https://x"))).contains("No OpenIDConnect provider found"));
        assert!(
            matches!(refusal("exp", json!(500)), TokenError::Expired(text) if text.contains("before the expiration"))
        );
        assert!(text(refusal("nbf", json!(801))).contains("not yet valid"));
        assert!(text(refusal("sub", Value::Null)).contains("sub"));
        let unsigned = token("none", &claims(), |_| Vec::new());
        assert!(text(verifier.verify(&unsigned, 500_000).expect_err("unsigned")).contains("could not be validated"));
        assert!(text(verifier.verify("text", 500_000).expect_err("no token")).contains("not a valid JWT"));
        let narrow = verifier.clone().with_audiences(&["other"]);
        let good = token("ES256", &claims(), |message| sign(&pair, message));
        assert!(narrow.verify(&good, 500_000).is_err());
        assert!(TokenVerifier::new(ISSUER, "text").is_err());
    }
}
