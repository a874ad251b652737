//! Signature Version 4: the server checks signatures, and the tests sign.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use axum::http::HeaderMap;

/// The algorithm, the first word of the header.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The parts of a request that a signature covers.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path as sent.
    pub path: &'a str,
    /// Query as sent, without the question mark.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// Whole body.
    pub body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The parsed `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authorization {
    /// Access key id.
    pub access_key_id: String,
    /// Day of the scope, `20261123`.
    pub date: String,
    /// Region of the scope.
    pub region: String,
    /// Service of the scope.
    pub service: String,
    /// Lower-case names of the covered headers, in the order sent.
    pub signed_headers: Vec<String>,
    /// Hexadecimal signature.
    pub signature: String,
}

impl Authorization {
    /// Parses the header. Returns `None` if a part is missing.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let fields = header.strip_prefix(ALGORITHM)?;
        let field = |name: &str| {
            fields.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let credential = field("Credential")?;
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = parts[..] else {
            return None;
        };
        Some(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?,
        })
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }

    /// The right signature of this request. `time` is `X-Amz-Date`.
    pub(super) fn expected(&self, secret: &str, time: &str, request: Signed<'_>) -> String {
        let canonical = canonical_request(&self.signed_headers, request);
        let to_sign = format!("{ALGORITHM}\n{time}\n{}\n{}", self.scope(), sha256(canonical.as_bytes()));
        let mut key = mac(format!("AWS4{secret}").as_bytes(), &self.date);
        for part in [self.region.as_str(), self.service.as_str(), "aws4_request"] {
            key = mac(key.as_ref(), part);
        }
        hex(mac(key.as_ref(), &to_sign).as_ref())
    }
}

fn canonical_request(signed_headers: &[String], request: Signed<'_>) -> String {
    let mut pairs: Vec<&str> = request.query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let query = pairs.iter().map(|pair| if pair.contains('=') { (*pair).to_owned() } else { format!("{pair}=") });
    let headers: String = signed_headers.iter().map(|name| canonical_header(name, request.headers)).collect();
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        request.method,
        request.path,
        query.collect::<Vec<_>>().join("&"),
        signed_headers.join(";"),
        sha256(request.body),
    )
}

fn canonical_header(name: &str, headers: &HeaderMap) -> String {
    let squeeze = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
    let values = headers.get_all(name).iter().map(|value| squeeze(value.to_str().unwrap_or_default()));
    format!("{name}:{}\n", values.collect::<Vec<_>>().join(","))
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the documentation of AWS, because our own signer does not prove our own check.
    #[test]
    fn the_published_example_gives_the_published_signature() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ] {
            headers.insert(name, value.parse().expect("a plain value"));
        }
        let expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        let header = format!(
            "{ALGORITHM} Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature={expected}"
        );
        let authorization = Authorization::parse(&header).expect("complete");
        let query = "Version=2010-05-08&Action=ListUsers";
        let request = Signed { method: "GET", path: "/", query, headers: &headers, body: b"" };
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        assert_eq!(authorization.expected(secret, "20150830T123600Z", request), expected);
    }

    #[test]
    fn incomplete_headers_are_refused() {
        assert_eq!(Authorization::parse("Bearer x"), None);
        assert_eq!(Authorization::parse("AWS4-HMAC-SHA256 Credential=A/1/r/s/aws4_request, Signature=x"), None);
    }
}
