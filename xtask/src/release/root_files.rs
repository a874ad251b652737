//! The root file system of the image. It holds nothing but these files.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::archive::File;

/// Path of the operator in the image.
pub const PROGRAM: &str = "secure-parameter-operator";

/// Names come from /etc/hosts, then from DNS. Without this file the C library asks DNS first, so that `hostAliases` of a pod
/// would not have the last word.
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
    use crate::process::{command, output};

    #[test]
    fn openssl_reads_the_authorities() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("authorities.pem");
        std::fs::write(&path, authorities())?;
        let listed = output(command("openssl").args(["storeutl", "-noout", "-certs"]).arg(&path))?;
        let count = webpki_root_certs::TLS_SERVER_ROOT_CERTS.len();
        assert!(count > 100 && listed.ends_with(&format!("Total found: {count}")), "{count}: {listed}");
        Ok(())
    }
}
