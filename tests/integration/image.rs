//! The operator in a root that holds its image and what a kubelet adds, and nothing else. `cargo xtask verify empty-root`
//! unpacks the image and runs this test.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UdpSocket},
    process::Command,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{PATIENCE, World};

/// The API server's name, which only DNS knows. The certificate of the control plane is valid for both names.
const BY_DNS: &str = "kubernetes.default.svc";
/// The name of the fake AWS, which only /etc/hosts knows.
const BY_FILE: &str = "kubernetes.default";
/// Where DNS listens: an address of its own on loopback, so that no other server is in the way.
const DNS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 153);
/// The private authority, as a mounted file.
const AUTHORITY: &str = "/authority.pem";

/// What the image says about itself, and where it is unpacked.
struct Image {
    root: PathBuf,
    user: String,
    program: String,
}

impl Image {
    fn of_environment() -> Result<Self> {
        let variable = |name: &str| env::var(name).with_context(|| format!("{name} is set by cargo xtask verify"));
        let [root, user, program] = ["IMAGE_ROOT", "IMAGE_USER", "IMAGE_PROGRAM"].map(variable);
        Ok(Self { root: root?.into(), user: user?, program: program? })
    }

    /// Adds the devices that a container always has and that random numbers come from (OCI runtime specification,
    /// config-linux.md, "Default Devices").
    async fn add_devices(&self) -> Result<()> {
        let folder = self.root.join("dev");
        fs::create_dir_all(&folder)?;
        for (name, minor) in [("random", "8"), ("urandom", "9")] {
            let mut command = Command::new("mknod");
            let made = command.arg("--mode=666").arg(folder.join(name)).args(["c", "1", minor]).status().await?;
            ensure!(made.success(), "{name} cannot be made");
        }
        Ok(())
    }

    /// Adds a file, as a kubelet mounts it.
    fn mount(&self, path: &str, text: &str) -> Result<()> {
        fs::write(self.root.join(path.trim_start_matches('/')), text).with_context(|| path.to_owned())
    }

    /// Runs the command `check` with these variables alone.
    async fn check(&self, variables: &[(String, String)]) -> Result<Output> {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={}", self.user)).arg(&self.root).arg(&self.program).arg("check");
        command.env_clear().envs(variables.iter().cloned()).env("PATH", env::var_os("PATH").context("no PATH")?);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        Ok(timeout(PATIENCE, output).await.context("the command does not end")??)
    }
}

#[tokio::test]
#[ignore = "needs root and an unpacked image: cargo xtask verify empty-root"]
async fn the_image_works_in_an_empty_root() -> Result<()> {
    let image = Image::of_environment()?;
    assert_eq!(image.user, "65532:65532");
    let world = World::without_operator().await?;
    world.aws.put("/shop/db", "value");
    world.apply(&world.object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    image.add_devices().await?;
    let lookups = dns().await?;
    let aws = tls_before(&world.plane, world.aws.url().trim_start_matches("http://").parse()?).await?;
    image.mount("etc/resolv.conf", &format!("nameserver {DNS}\n"))?;
    image.mount("etc/hosts", &format!("127.0.0.1 {BY_FILE}\n"))?;
    image.mount(AUTHORITY, world.plane.ca_pem())?;
    image.mount("kubeconfig", &kubeconfig(&world.plane, None)?)?;
    image.mount("kubeconfig-with-authority", &kubeconfig(&world.plane, Some(AUTHORITY))?)?;
    let mut variables = world.aws.environment();
    variables.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
    variables.push(("AWS_ENDPOINT_URL".to_owned(), format!("https://{BY_FILE}:{aws}")));
    let with = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        variables.iter().cloned().chain(more).collect()
    };

    let works = image.check(&with(&[("KUBECONFIG", "/kubeconfig"), ("SSL_CERT_FILE", AUTHORITY)])).await?;
    ensure!(works.status.success(), "{works:?}");
    assert!(text(&works).contains("ok      ssm:GetParameters"), "{works:?}");
    assert!(lookups.load(Ordering::Relaxed) > 0, "DNS was not asked");
    assert_eq!(world.aws.calls("GetParameters"), 2, "one for the versions, one that decrypts");

    // Without the variable, this authority is unknown.
    let kubeconfig = with(&[("KUBECONFIG", "/kubeconfig-with-authority")]);
    let refused = image.check(&kubeconfig).await?;
    assert!(!refused.status.success() && text(&refused).contains("UnknownIssuer"), "{refused:?}");
    // A file in the folder of the image's authorities is trusted beside them.
    image.mount("etc/ssl/certs/private.pem", world.plane.ca_pem())?;
    let works = image.check(&kubeconfig).await?;
    ensure!(works.status.success(), "{works:?}");
    fs::remove_file(image.root.join("etc/ssl/certs/private.pem"))?;

    // Those of the image are read: without them, the operator says that it trusts nobody.
    let kubeconfig = with(&[("KUBECONFIG", "/kubeconfig")]);
    let refused = image.check(&kubeconfig).await?;
    assert!(!refused.status.success() && text(&refused).contains("Cannot list"), "{refused:?}");
    fs::remove_file(image.root.join("etc/ssl/certs/ca-certificates.crt"))?;
    let refused = image.check(&kubeconfig).await?;
    assert!(!refused.status.success() && text(&refused).contains("No CA certificates"), "{refused:?}");
    Ok(())
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// The administrator's kubeconfig, with a name as the server, and with this authority.
fn kubeconfig(plane: &ControlPlane, authority: Option<&str>) -> Result<String> {
    let mut config: Value = serde_json::from_slice(&fs::read(plane.kubeconfig())?)?;
    let port = plane.url().rsplit(':').next().context("no port")?;
    config["clusters"][0]["cluster"] = json!({"server": format!("https://{BY_DNS}:{port}")});
    if let Some(authority) = authority {
        config["clusters"][0]["cluster"]["certificate-authority"] = json!(authority);
    }
    Ok(config.to_string())
}

/// A DNS server for one name, which counts lookups of it. It ends with the runtime of the test.
async fn dns() -> Result<Arc<AtomicUsize>> {
    let socket = UdpSocket::bind((DNS, 53)).await.context("port 53")?;
    let lookups = Arc::new(AtomicUsize::new(0));
    let counter = lookups.clone();
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, sender)) = socket.recv_from(&mut packet).await {
            if let Some((answer, is_known)) = answer(&packet[..length]) {
                counter.fetch_add(usize::from(is_known), Ordering::Relaxed);
                let _ = socket.send_to(&answer, sender).await;
            }
        }
    });
    Ok(lookups)
}

/// The answer to a query, and whether it is about the known name. Types but A have no records (RFC 1035, section 4).
fn answer(query: &[u8]) -> Option<(Vec<u8>, bool)> {
    let question = query.get(12..)?;
    let mut labels = Vec::new();
    let mut at = 0;
    while let length @ 1.. = usize::from(*question.get(at)?) {
        labels.push(String::from_utf8_lossy(question.get(at + 1..=at + length)?).to_lowercase());
        at += length + 1;
    }
    let (question, type_) = (question.get(..at + 5)?, question.get(at + 1..at + 3)?);
    let is_known = labels.join(".") == BY_DNS;
    let has_record = is_known && type_ == [0, 1];
    let mut answer = query[..2].to_vec();
    // An answer, recursion available, and either no error or no such name; one question, records, nothing else.
    answer.extend([0x81, if is_known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(has_record), 0, 0, 0, 0]);
    answer.extend(question);
    if has_record {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some((answer, is_known))
}

/// Serves TLS before a server without, with the certificate of the API server. Returns the port.
async fn tls_before(plane: &ControlPlane, server: SocketAddr) -> Result<u16> {
    let file = |name: &str| -> PathBuf { Path::join(plane.folder(), name) };
    let certificates = CertificateDer::pem_file_iter(file("serving.crt"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(file("serving.key"))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // A client that does not trust the certificate ends the connection, which is no error here.
            tokio::spawn(async move {
                let mut outer = acceptor.accept(connection).await?;
                let mut inner = TcpStream::connect(server).await?;
                copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    });
    Ok(port)
}
