//! The agent of EKS Pod Identity: a server on loopback from which a Pod gets credentials of its role.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{DEFAULT_ACCOUNT, DEFAULT_REGION, FakeAws, Identity, clock};

/// The Pod and its association with a role.
#[derive(Clone, Debug)]
pub struct PodIdentity {
    /// ARN of the role. It must exist, and trust `pods.eks.amazonaws.com`.
    pub role_arn: String,
    /// Name of the EKS cluster.
    pub cluster: String,
    /// Namespace of the Pod.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// Its name.
    pub pod: String,
}

impl PodIdentity {
    /// A Pod of a service account, in the cluster `demo`.
    pub fn new(role_arn: &str, namespace: &str, service_account: &str) -> Self {
        Self {
            role_arn: role_arn.to_owned(),
            cluster: "demo".to_owned(),
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            pod: format!("{service_account}-0"),
        }
    }

    /// The session tags that EKS adds. All are transitive (EKS User Guide, Pod Identity session tags).
    fn tags(&self, uid: &str) -> [(&'static str, String); 6] {
        let cluster_arn = format!("arn:aws:eks:{DEFAULT_REGION}:{DEFAULT_ACCOUNT}:cluster/{}", self.cluster);
        [
            ("eks-cluster-arn", cluster_arn),
            ("eks-cluster-name", self.cluster.clone()),
            ("kubernetes-namespace", self.namespace.clone()),
            ("kubernetes-service-account", self.service_account.clone()),
            ("kubernetes-pod-name", self.pod.clone()),
            ("kubernetes-pod-uid", uid.to_owned()),
        ]
    }

    /// `eks-<cluster>-<pod>-<uuid>`, cut to the length of a session name.
    fn session_name(&self) -> String {
        let (cluster, pod) = (&self.cluster, &self.pod);
        let mut name = format!("eks-{:.12}-{:.11}-{}", cluster, pod, Uuid::new_v4());
        name.truncate(64);
        name
    }
}

/// The agent. It ends when it is dropped.
pub struct PodIdentityAgent {
    state: Arc<AgentState>,
    address: SocketAddr,
    folder: TempDir,
    server: JoinHandle<std::io::Result<()>>,
}

struct AgentState {
    aws: FakeAws,
    pod: PodIdentity,
    uid: String,
    present: Mutex<Present>,
}

/// What a test can change and read.
struct Present {
    token: String,
    failure: Option<u16>,
    requests: usize,
}

impl PodIdentityAgent {
    /// Starts on a free loopback port, in the runtime of the caller.
    pub async fn start(aws: &FakeAws, pod: PodIdentity) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("agent of Pod Identity")?;
        let address = listener.local_addr()?;
        let folder = tempfile::Builder::new().prefix("testbed-pod-identity-").tempdir()?;
        let present = Mutex::new(Present { token: String::new(), failure: None, requests: 0 });
        let uid = Uuid::new_v4().to_string();
        let state = Arc::new(AgentState { aws: aws.clone(), pod, uid, present });
        let router = Router::new().route("/v1/credentials", get(give)).with_state(Arc::clone(&state));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let agent = Self { state, address, folder, server };
        agent.rotate_token("the-first-token")?;
        Ok(agent)
    }

    /// The environment variables that EKS gives a Pod. The endpoint and the region of AWS are not among them.
    pub fn environment(&self) -> Vec<(String, String)> {
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/v1/credentials", self.address)),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", self.token_file().display().to_string()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// The file with the token of the Pod.
    pub fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// Writes a new token into the file, and accepts it in place of the one before.
    pub fn rotate_token(&self, token: &str) -> anyhow::Result<()> {
        fs::write(self.token_file(), token)?;
        self.accept_token(token);
        Ok(())
    }

    /// Accepts this token alone, whatever the file contains.
    pub fn accept_token(&self, token: &str) {
        token.clone_into(&mut self.state.present().token);
    }

    /// Answers with this HTTP status and no credentials, or with credentials again.
    pub fn fail(&self, status: Option<u16>) {
        self.state.present().failure = status;
    }

    /// Number of requests so far, whatever their result.
    pub fn requests(&self) -> usize {
        self.state.present().requests
    }
}

impl Drop for PodIdentityAgent {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl AgentState {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a session of the role.
    fn session(&self) -> Option<Identity> {
        let tags = self.pod.tags(&self.uid);
        let tags = tags.iter().map(|(key, value)| (*key, value.as_str()));
        let name = self.pod.session_name();
        self.aws.start_service_session("pods.eks.amazonaws.com", &self.pod.role_arn, &name, tags)
    }
}

type Answer = Result<Json<Value>, (StatusCode, String)>;

async fn give(State(state): State<Arc<AgentState>>, headers: HeaderMap) -> Answer {
    let (token, failure) = {
        let mut present = state.present();
        present.requests += 1;
        (present.token.clone(), present.failure)
    };
    if let Some(status) = failure {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Err((status, "error getting credentials".to_owned()));
    }
    if headers.get("authorization").is_none_or(|given| given.as_bytes() != token.as_bytes()) {
        return Err((StatusCode::UNAUTHORIZED, "Service account token cannot be validated".to_owned()));
    }
    let refused = || {
        let message = "Unauthorized Exception! EKS does not have permissions to assume the associated role.";
        (StatusCode::FORBIDDEN, message.to_owned())
    };
    let identity = state.session().ok_or_else(refused)?;
    let expires = identity.session().and_then(|session| session.expires_ms).map(clock::iso);
    Ok(Json(json!({
        "AccessKeyId": identity.access_key_id,
        "SecretAccessKey": identity.secret_access_key,
        "Token": identity.session_token,
        "AccountId": identity.account,
        "Expiration": expires,
    })))
}
