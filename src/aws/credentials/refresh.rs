//! Renews temporary credentials before they expire, so that no call waits for STS.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::{self, future};
use aws_sdk_ssm::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep_until},
};

use crate::background::{Alarm, BackgroundTask};

/// The fraction of their lifetime after which credentials are renewed.
const RENEW_AFTER: f64 = 0.8;
/// Delay after a failed renewal.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// Credentials that expire sooner than this are not used any more.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// Caches the temporary credentials of another provider and renews them in the background until it is dropped.
#[derive(Debug)]
pub(crate) struct RefreshingCredentials {
    shared: Arc<Shared>,
    _renewal: BackgroundTask,
}

#[derive(Debug)]
struct Shared {
    source: SharedCredentialsProvider,
    cached: Mutex<Option<CachedCredentials>>,
    loaded: Notify,
}

#[derive(Debug)]
struct CachedCredentials {
    credentials: Credentials,
    renew_at: Instant,
    expires_at: Instant,
}

impl RefreshingCredentials {
    /// Starts the renewal, which raises `alarm` if it ends. Loads nothing before the first request for credentials.
    pub(crate) fn new(source: SharedCredentialsProvider, alarm: &Alarm) -> Self {
        let shared = Arc::new(Shared { source, cached: Mutex::default(), loaded: Notify::new() });
        let renewal = BackgroundTask::spawn("renews the AWS credentials", alarm, Arc::clone(&shared).renew());
        Self { shared, _renewal: renewal }
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
        let mut cached = self.cached.lock().await;
        let now = Instant::now();
        if let Some(cached) = cached.as_ref().filter(|cached| now + EXPIRY_MARGIN < cached.expires_at) {
            return Ok(cached.credentials.clone());
        }
        let credentials = self.source.provide_credentials().await?;
        *cached = CachedCredentials::new(&credentials);
        self.loaded.notify_one();
        Ok(credentials)
    }

    async fn renew(self: Arc<Self>) {
        loop {
            let renew_at = self.cached.lock().await.as_ref().map(|cached| cached.renew_at);
            let Some(renew_at) = renew_at else {
                self.loaded.notified().await;
                continue;
            };
            tokio::select! {
                () = self.loaded.notified() => continue,
                () = sleep_until(renew_at) => {}
            }
            // Loaded without the lock, so that calls can use the cached credentials meanwhile.
            let loaded = self.source.provide_credentials().await;
            let mut cached = self.cached.lock().await;
            match (loaded, &mut *cached) {
                (Ok(credentials), _) => *cached = CachedCredentials::new(&credentials),
                (Err(error), Some(cached)) => {
                    tracing::warn!(%error, "could not renew the AWS credentials; retrying while the present ones are valid");
                    cached.renew_at = Instant::now() + RETRY_DELAY;
                }
                (Err(_), None) => {}
            }
        }
    }
}

impl CachedCredentials {
    /// Returns `None` for credentials that do not expire: their source may replace them at any time, so they are not
    /// cached.
    fn new(credentials: &Credentials) -> Option<Self> {
        let lifetime = credentials.expiry()?.duration_since(SystemTime::now()).unwrap_or_default();
        let now = Instant::now();
        let (renew_at, expires_at) = (now + lifetime.mul_f64(RENEW_AFTER), now + lifetime);
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

    /// Provides numbered credentials that expire after `lifetime` seconds, or never.
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
        (source.clone(), RefreshingCredentials::new(SharedCredentialsProvider::new(source), &Alarm::default()))
    }

    async fn id(provider: &RefreshingCredentials) -> Result<String, CredentialsError> {
        provider.provide_credentials().await.map(|credentials| credentials.access_key_id().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_are_renewed_before_they_expire() {
        let (source, provider) = renewing(Some(1_000));
        sleep(SECOND).await;
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 0, "loaded before the first request");
        assert_eq!(id(&provider).await.expect("credentials"), "AKID0");
        sleep(790 * SECOND).await;
        assert_eq!(id(&provider).await.expect("credentials"), "AKID0");
        sleep(20 * SECOND).await;
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 2, "renewed without a request");
        assert_eq!(id(&provider).await.expect("credentials"), "AKID1");
    }

    #[tokio::test(start_paused = true)]
    async fn cached_credentials_are_used_until_they_expire() {
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
    async fn credentials_without_expiry_are_not_cached() {
        let (_, provider) = renewing(None);
        assert_eq!(id(&provider).await.expect("credentials"), "AKID0");
        assert_eq!(id(&provider).await.expect("credentials"), "AKID1");
    }
}
