//! Credentials renewed before they expire, so that no call waits for STS.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::{self, future};
use aws_sdk_ssm::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use tokio::{
    sync::{Mutex, Notify},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// The share of their lifetime after which credentials are renewed.
const RENEWED_AFTER: f64 = 0.8;
/// How soon a renewal that failed is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// What is about to expire is not handed out any more.
const MARGIN: Duration = Duration::from_secs(10);

/// Hands out another provider's temporary credentials, and renews them in the background. Ends when dropped.
#[derive(Debug)]
pub(crate) struct RefreshingCredentials {
    shared: Arc<Shared>,
    renewal: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    source: SharedCredentialsProvider,
    held: Mutex<Option<Held>>,
    loaded: Notify,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    renew_at: Instant,
    expires_at: Instant,
}

impl RefreshingCredentials {
    /// Starts. Nothing is loaded until somebody asks.
    pub(crate) fn new(source: SharedCredentialsProvider) -> Self {
        let shared = Arc::new(Shared { source, held: Mutex::default(), loaded: Notify::new() });
        let renewal = tokio::spawn(Arc::clone(&shared).renew());
        Self { shared, renewal }
    }
}

impl Drop for RefreshingCredentials {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl ProvideCredentials for RefreshingCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.shared.provide())
    }
}

impl Shared {
    async fn provide(&self) -> provider::Result {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        if let Some(held) = held.as_ref().filter(|held| now + MARGIN < held.expires_at) {
            return Ok(held.credentials.clone());
        }
        let credentials = self.source.provide_credentials().await?;
        *held = Held::new(&credentials);
        self.loaded.notify_one();
        Ok(credentials)
    }

    async fn renew(self: Arc<Self>) {
        loop {
            let renew_at = self.held.lock().await.as_ref().map(|held| held.renew_at);
            let Some(renew_at) = renew_at else {
                self.loaded.notified().await;
                continue;
            };
            tokio::select! {
                () = self.loaded.notified() => continue,
                () = sleep_until(renew_at) => {}
            }
            // Without the lock: what is held is good enough meanwhile.
            let loaded = self.source.provide_credentials().await;
            let mut held = self.held.lock().await;
            match (loaded, &mut *held) {
                (Ok(credentials), _) => *held = Held::new(&credentials),
                (Err(error), Some(held)) => {
                    tracing::warn!(%error, "credentials could not be renewed yet; those held are good a while longer");
                    held.renew_at = Instant::now() + RETRY;
                }
                (Err(_), None) => {}
            }
        }
    }
}

impl Held {
    /// None for credentials without an end: their source may have others any time.
    fn new(credentials: &Credentials) -> Option<Self> {
        let lifetime = credentials.expiry()?.duration_since(SystemTime::now()).unwrap_or_default();
        let now = Instant::now();
        let (renew_at, expires_at) = (now + lifetime.mul_f64(RENEWED_AFTER), now + lifetime);
        Some(Self { credentials: credentials.clone(), renew_at, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::error::CredentialsError;
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Numbered credentials that live for so many seconds, or for ever.
    #[derive(Clone, Debug, Default)]
    struct Source(Arc<State>);

    #[derive(Debug, Default)]
    struct State {
        lifetime: Option<u64>,
        loads: AtomicUsize,
        fails: std::sync::atomic::AtomicBool,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.0.loads.fetch_add(1, Ordering::Relaxed);
            if self.0.fails.load(Ordering::Relaxed) {
                return future::ProvideCredentials::ready(Err(CredentialsError::provider_error("no")));
            }
            let expiry = self.0.lifetime.map(|seconds| SystemTime::now() + Duration::from_secs(seconds));
            let credentials = Credentials::new(format!("AKID{number}"), "secret", None, expiry, "test");
            future::ProvideCredentials::ready(Ok(credentials))
        }
    }

    fn renewing(lifetime: Option<u64>) -> (Source, RefreshingCredentials) {
        let source = Source(Arc::new(State { lifetime, ..State::default() }));
        (source.clone(), RefreshingCredentials::new(SharedCredentialsProvider::new(source)))
    }

    async fn id(provider: &RefreshingCredentials) -> Result<String, CredentialsError> {
        provider.provide_credentials().await.map(|credentials| credentials.access_key_id().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_are_renewed_before_anybody_waits() {
        let (source, provider) = renewing(Some(1_000));
        sleep(SECOND).await;
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 0, "nobody asked");
        assert_eq!(id(&provider).await.expect("credentials"), "AKID0");
        sleep(790 * SECOND).await;
        assert_eq!(id(&provider).await.expect("credentials"), "AKID0");
        sleep(20 * SECOND).await;
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 2, "renewed though nobody asked");
        assert_eq!(id(&provider).await.expect("credentials"), "AKID1");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_serves_until_it_expires() {
        let (source, provider) = renewing(Some(1_000));
        id(&provider).await.expect("credentials");
        source.0.fails.store(true, Ordering::Relaxed);
        sleep(980 * SECOND).await;
        assert_eq!(id(&provider).await.expect("still good"), "AKID0");
        sleep(20 * SECOND).await;
        assert!(id(&provider).await.is_err());
        source.0.fails.store(false, Ordering::Relaxed);
        assert!(id(&provider).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_end_is_asked_for_each_time() {
        let (_, provider) = renewing(None);
        assert_eq!(id(&provider).await.expect("credentials"), "AKID0");
        assert_eq!(id(&provider).await.expect("credentials"), "AKID1");
    }
}
