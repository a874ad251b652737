//! TLS of both clients, AWS and Kubernetes: they share one crypto provider, and the certificate of AWS is checked against
//! the authorities that the environment names.

use std::fs;

use anyhow::Result;

use crate::support::World;

/// An authority that has signed no certificate of this test.
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

/// The API server stands in for AWS: its certificate is signed by an authority that no machine trusts, and it responds to
/// every request, although not as AWS does.
#[tokio::test]
async fn the_certificate_of_aws_is_checked_against_the_named_authorities() -> Result<()> {
    let mut world = World::without_operator().await?;
    let authority = world.plane.folder().join("authority.pem");
    fs::write(&authority, world.plane.ca_pem())?;
    world.set_environment(&[
        ("AWS_ENDPOINT_URL".to_owned(), world.plane.url().to_owned()),
        ("SSL_CERT_FILE".to_owned(), authority.display().to_string()),
        ("SSL_CERT_DIR".to_owned(), String::new()),
    ]);
    world.start_operator().await?;
    // An HTTP status proves that the connection was made and trusted.
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
