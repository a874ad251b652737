//! Checks an endpoint that a store names.

use std::net::IpAddr;

use url::{Host, Url};

use crate::aws::endpoints::link_local::is_link_local;

/// Returns an endpoint as it is called, with its host in one spelling. The text is parsed as browsers do it (WHATWG URL
/// Standard), which knows more spellings of an address than any other way: decimal, octal, hexadecimal, shortened.
///
/// # Errors
/// The reason why the endpoint is refused, as the end of a sentence.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL ({error}); write it like https://host:port"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("begins neither with https:// nor with http://; correct it".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or a password; leave them out".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds a query or a fragment; leave them out".to_owned());
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err("names no host; write it like https://host:port".to_owned()),
    };
    match address.filter(|address| is_link_local(*address)) {
        Some(address) => Err(format!(
            "leads to the link-local address {address}, where nodes offer credentials; name another endpoint"
        )),
        None => Ok(url.as_str().trim_end_matches('/').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_refused_in_every_spelling() {
        for host in [
            "169.254.169.254",
            "169.254.169.254.",
            "169.254.170.23:8080",
            "2852039166",
            "025177524776",
            "0xa9fea9fe",
            "0xA9.0xFE.0xA9.0xFE",
            "0251.0376.0251.0376",
            "169.254.43518",
            "169.16689662",
            "0xa9.254.0251.254",
            "%31%36%39.254.169.254",
            "１６９.254.169.254",
            "169。254。169。254",
            "[fe80::1]",
            "[FEBF::1]",
            "[fd00:ec2::254]",
            "[fd00:0ec2:0:0:0:0:0:23]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[0:0:0:0:0:ffff:a9fe:a9fe]",
            "[::169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]",
        ] {
            for url in [format!("http://{host}"), format!("https://{host}/latest")] {
                let refused = endpoint(&url).expect_err(&url);
                assert!(refused.contains("link-local"), "{url}: {refused}");
            }
        }
        let refused = endpoint("http:\\\\169.254.169.254").expect_err("backslashes are slashes");
        assert!(refused.contains("link-local"), "{refused}");
    }

    #[test]
    fn what_is_no_plain_url_is_refused() {
        for (url, expected) in [
            ("host", "is no URL"),
            ("https://", "is no URL"),
            ("https://[fe80::1%25eth0]", "is no URL"),
            ("https://256.256.256.256", "is no URL"),
            ("ftp://host", "begins neither"),
            ("file:///etc/passwd", "begins neither"),
            ("https://user@host", "a user name"),
            ("https://user:password@host", "a user name"),
            ("https://host@169.254.169.254", "a user name"),
            ("https://host?a=b", "a query"),
            ("https://host/#x", "a query"),
        ] {
            let refused = endpoint(url).expect_err(url);
            assert!(refused.contains(expected), "{url}: {refused}");
            assert!(!refused.contains("password@"), "{refused}");
        }
    }

    #[test]
    fn endpoints_are_called_in_one_spelling() {
        for (text, expected) in [
            (
                "https://vpce-1.ssm.eu-central-1.vpce.amazonaws.com",
                "https://vpce-1.ssm.eu-central-1.vpce.amazonaws.com",
            ),
            ("HTTPS://Host:443/", "https://host"),
            ("http://127.1:4566", "http://127.0.0.1:4566"),
            ("http://[::1]:4566/aws/", "http://[::1]:4566/aws"),
            ("http://localhost:4566", "http://localhost:4566"),
        ] {
            assert_eq!(endpoint(text).as_deref(), Ok(expected), "{text}");
        }
    }
}
