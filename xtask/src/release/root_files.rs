//! The root file system of the image. It holds nothing but these files.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::archive::File;

/// Path of the operator in the image.
pub const PROGRAM: &str = "secure-parameter-operator";

/// Names come from /etc/hosts, where `hostAliases` of a pod are, then from DNS. Without this file the order would be the
/// default of the C library, which has not been the same in all of its versions.
const NSSWITCH: &str = "hosts: files dns\n";

/// All files, in order of their paths.
pub fn of(program: &[u8]) -> Vec<File> {
    let file = |path: &str, mode, bytes: &[u8]| File { path: path.to_owned(), mode, bytes: bytes.to_vec() };
    vec![
        file("etc/nsswitch.conf", 0o644, NSSWITCH.as_bytes()),
        // The first place where rustls looks on Linux (crate openssl-probe).
        file("etc/ssl/certs/ca-certificates.crt", 0o644, authorities().as_bytes()),
        file(PROGRAM, 0o755, program),
    ]
}

/// The authorities of Mozilla's list, as PEM. `Cargo.lock` pins the list.
fn authorities() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut encoded = STANDARD.encode(certificate);
        while encoded.len() > 64 {
            let rest = encoded.split_off(64);
            text.extend([&encoded, "\n"]);
            encoded = rest;
        }
        text.extend([&encoded, "\n-----END CERTIFICATE-----\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;

    #[test]
    fn every_authority_can_be_read_back() -> Result<()> {
        let text = authorities();
        assert!(text.lines().all(|line| line.len() <= 64));
        let blocks = text.split("-----BEGIN CERTIFICATE-----\n").skip(1);
        let bodies = blocks.map(|block| block.trim_end_matches("\n-----END CERTIFICATE-----\n").replace('\n', ""));
        let read = bodies.map(|body| STANDARD.decode(body)).collect::<Result<Vec<_>, _>>()?;
        assert!(
            read.len() > 100 && read.iter().eq(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|one| &one[..]))
        );
        Ok(())
    }
}
