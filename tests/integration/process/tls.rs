//! Both clients of the operator, AWS and Kubernetes, speak TLS in one process, with the one provider that is installed
//! at its start, and AWS' certificate is checked against the authorities that the environment names.

use std::fs;

use anyhow::Result;

use crate::support::World;

/// An authority that signed nothing here.
const OTHER_AUTHORITY: &str = "
-----BEGIN CERTIFICATE-----
MIIBkDCCATWgAwIBAgIUPH3XQB5cBRE1RuUZuU5OnPD4mjEwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRYW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTI0MDY1NTA0WhgP
MjEyNjEwMzEwNjU1MDRaMBwxGjAYBgNVBAMMEWFub3RoZXIgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESC4+Vx+lVMrev5hpgEpP6RG6HRLhFyk5
b/GFwbq+5CHqX5oLFUCphMsbgcOUNxhScoysmcIHv6yv6Lw0HmidWaNTMFEwHQYD
VR0OBBYEFPTwJr/afFvnFXVLk2qjbZwqVNqsMB8GA1UdIwQYMBaAFPTwJr/afFvn
FXVLk2qjbZwqVNqsMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIh
AI3bOMHd5SSqizVOE6IdJAxMfkFsbl8JMP90muT7Q4zYAiEAknRxPTeyPuDUECpT
iEJelbY28fFjOxOq9HaCd1FOqtM=
-----END CERTIFICATE-----
";

/// The API server stands in for AWS: it has a certificate of an authority that no machine knows, and answers
/// everything, if not in AWS' way.
#[tokio::test]
async fn both_speak_tls_in_one_process() -> Result<()> {
    let mut world = World::without_operator().await?;
    let authority = world.plane.folder().join("authority.pem");
    fs::write(&authority, world.plane.ca_pem())?;
    world.set_environment(&[
        ("AWS_ENDPOINT_URL".to_owned(), world.plane.url().to_owned()),
        ("SSL_CERT_FILE".to_owned(), authority.display().to_string()),
        ("SSL_CERT_DIR".to_owned(), String::new()),
    ]);
    world.start_operator().await?;
    // An answer of HTTP, hence a connection that was made and trusted.
    let message = world.wait_for_store("default", "ServiceUnavailable").await?;
    assert!(message.contains("HTTP status 4"), "{message}");

    world.stop_operator()?;
    fs::write(&authority, OTHER_AUTHORITY)?;
    world.start_operator().await?;
    let message = world.wait_for_store("default", "EndpointUnreachable").await?;
    assert!(message.contains("certificate"), "{message}");
    let log = world.operator().log()?;
    assert!(!log.contains("panicked"), "{log}");
    Ok(())
}
