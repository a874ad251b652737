//! Renews temporary credentials before they expire, so that no call waits for STS.

use std::{
    error::Error,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::{self, error::CredentialsError, future};
use aws_sdk_ssm::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    aws::credentials::{load_failures::LoadFailures, refusal::Refusal, static_credentials::check},
    background::{Alarm, BackgroundTask},
    domain::aws_error::AwsError,
};

/// The fraction of their lifetime after which credentials are renewed.
const RENEW_AFTER: f64 = 0.8;
/// Least time between two renewals, whatever the credentials say: the local clock may be wrong by hours.
const LEAST_INTERVAL: Duration = Duration::from_secs(5);
/// Delay after a failed renewal.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// Credentials that expire sooner than this are used only while no others can be had.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);
/// How long credentials without an expiry are cached, as the SDK does it. Their source may replace them at any time.
const UNLIMITED_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Age from which credentials that AWS refuses are replaced.
const REFUSED_AGE: Duration = Duration::from_secs(10);
/// Least time between two replacements because of a denial. Most denials are not about the session, so new credentials seldom
/// help.
const DENIED_INTERVAL: Duration = Duration::from_secs(300);

/// Caches the credentials of another provider. Renews temporary ones in the background until all clones are dropped.
#[derive(Clone, Debug)]
pub(crate) struct RefreshingCredentials(Arc<Renewal>);

/// Refers to a cache without keeping it.
#[derive(Clone, Debug)]
pub(crate) struct WeakRefreshingCredentials(Weak<Renewal>);

impl WeakRefreshingCredentials {
    /// Returns the cache, if somebody keeps it.
    pub(crate) fn upgrade(&self) -> Option<RefreshingCredentials> {
        self.0.upgrade().map(RefreshingCredentials)
    }
}

#[derive(Debug)]
struct Renewal {
    shared: Arc<Shared>,
    _task: BackgroundTask,
}

#[derive(Debug)]
struct Shared {
    source: SharedCredentialsProvider,
    cached: Mutex<Option<CachedCredentials>>,
    /// Held while credentials are loaded: of several calls that need them, the first asks the source.
    loading: tokio::sync::Mutex<LoadFailures>,
    loaded: Notify,
    /// When credentials were last replaced because of a denial.
    denied_at: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug)]
struct CachedCredentials {
    credentials: Credentials,
    loaded_at: Instant,
    /// `None` for credentials without an expiry, which are loaded when they are needed.
    renew_at: Option<Instant>,
    expires_at: Instant,
}

impl RefreshingCredentials {
    /// Starts the renewal, which raises `alarm` if it ends. Loads nothing before the first request for credentials.
    pub(crate) fn new(source: SharedCredentialsProvider, alarm: &Alarm) -> Self {
        let shared = Arc::new(Shared {
            source,
            cached: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            loaded: Notify::new(),
            denied_at: Mutex::default(),
        });
        let task = BackgroundTask::spawn("renews the AWS credentials", alarm, Arc::clone(&shared).renew());
        Self(Arc::new(Renewal { shared, _task: task }))
    }

    /// Drops the cached credentials with this access key id, which AWS refused, so that the next call loads new ones. Keeps
    /// them if they are new, or after a denial if another one had them replaced lately: where new credentials are refused
    /// too, STS is not asked for others at every call. Returns whether the next call uses other credentials.
    pub(crate) fn refused(&self, access_key_id: &str, refusal: Refusal) -> bool {
        let shared = &self.0.shared;
        let mut cached = shared.cached.lock();
        let Some(present) = cached.as_ref() else { return true };
        if present.credentials.access_key_id() != access_key_id {
            return true;
        }
        let mut denied_at = shared.denied_at.lock();
        let is_denied = refusal == Refusal::Denied;
        let was_replaced = is_denied && denied_at.is_some_and(|at| at.elapsed() < DENIED_INTERVAL);
        let is_replaced = !was_replaced && present.loaded_at.elapsed() >= REFUSED_AGE;
        if is_replaced {
            tracing::info!(access_key_id, "AWS refuses these credentials; loading new ones");
            *cached = None;
            *denied_at = is_denied.then(Instant::now).or(*denied_at);
        }
        is_replaced
    }

    /// Returns a reference that does not keep the cache.
    pub(crate) fn downgrade(&self) -> WeakRefreshingCredentials {
        WeakRefreshingCredentials(Arc::downgrade(&self.0))
    }
}

impl ProvideCredentials for RefreshingCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.shared.provide())
    }
}

impl Shared {
    async fn provide(&self) -> provider::Result {
        if let Some(credentials) = self.usable(EXPIRY_MARGIN) {
            return Ok(credentials);
        }
        let mut failures = self.loading.lock().await;
        if let Some(credentials) = self.usable(EXPIRY_MARGIN) {
            return Ok(credentials);
        }
        let loaded = match failures.standing() {
            Some(error) => Err(error),
            None => self.load().await.inspect_err(|error| failures.add(error)),
        };
        match loaded {
            Ok(credentials) => {
                *failures = LoadFailures::default();
                *self.cached.lock() = Some(CachedCredentials::new(&credentials));
                self.loaded.notify_one();
                Ok(credentials)
            }
            // Better than none, to the last second.
            Err(error) => self.usable(Duration::ZERO).ok_or(error),
        }
    }

    /// Asks the source. Refuses what the SDK could not put into headers, where it panics.
    async fn load(&self) -> provider::Result {
        let credentials = self.source.provide_credentials().await?;
        check(&credentials).map_err(CredentialsError::invalid_configuration)?;
        Ok(credentials)
    }

    /// Returns the cached credentials, if they last this long.
    fn usable(&self, margin: Duration) -> Option<Credentials> {
        let cached = self.cached.lock();
        let usable = cached.as_ref().filter(|cached| Instant::now() + margin < cached.expires_at);
        usable.map(|cached| cached.credentials.clone())
    }

    async fn renew(self: Arc<Self>) {
        loop {
            let renew_at = self.cached.lock().as_ref().and_then(|cached| cached.renew_at);
            let Some(renew_at) = renew_at else {
                self.loaded.notified().await;
                continue;
            };
            tokio::select! {
                () = self.loaded.notified() => continue,
                () = sleep_until(renew_at) => {}
            }
            // Calls can use the cached credentials meanwhile.
            let loaded = self.load().await;
            let mut cached = self.cached.lock();
            match (loaded, &mut *cached) {
                (Ok(credentials), _) => *cached = Some(CachedCredentials::new(&credentials)),
                (Err(error), Some(cached)) => {
                    tracing::warn!(requestID = request_id(&error), %error, "could not renew the AWS credentials; retrying while the present ones are valid");
                    cached.renew_at = Some(Instant::now() + RETRY_DELAY);
                }
                (Err(_), None) => {}
            }
        }
    }
}

impl CachedCredentials {
    fn new(credentials: &Credentials) -> Self {
        let loaded_at = Instant::now();
        let lifetime = credentials.expiry().map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        Self {
            credentials: credentials.clone(),
            loaded_at,
            renew_at: lifetime.map(|lifetime| loaded_at + lifetime.mul_f64(RENEW_AFTER).max(LEAST_INTERVAL)),
            expires_at: loaded_at + lifetime.unwrap_or(UNLIMITED_LIFETIME),
        }
    }
}

/// Returns the id of the request that failed, if AWS gave it one.
fn request_id(error: &CredentialsError) -> Option<&str> {
    error.source()?.downcast_ref::<AwsError>()?.request_id.as_deref()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        sleep(999 * SECOND).await;
        assert_eq!(id(&provider).await.expect("still good"), "AKID0");
        sleep(20 * SECOND).await;
        assert!(id(&provider).await.is_err());
        source.0.fails.store(false, Ordering::Relaxed);
        sleep(5 * SECOND).await;
        assert!(id(&provider).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_seem_to_have_expired_are_not_renewed_without_end() {
        let (source, provider) = renewing(Some(0));
        id(&provider).await.expect("credentials");
        sleep(20 * SECOND).await;
        assert!(source.0.loads.load(Ordering::Relaxed) <= 5, "{:?}", source.0.loads);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_keeps_failing_is_not_asked_by_every_call() {
        let (source, provider) = renewing(Some(1_000));
        source.0.fails.store(true, Ordering::Relaxed);
        let mut loads = Vec::new();
        for _ in 0..8 {
            assert!(id(&provider).await.is_err());
            loads.push(source.0.loads.load(Ordering::Relaxed));
            sleep(SECOND).await;
        }
        assert_eq!(loads, [1, 2, 2, 2, 2, 2, 3, 3], "one retry at once, then one in five seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_without_expiry_are_loaded_again_when_they_are_needed() {
        let (source, provider) = renewing(None);
        assert_eq!(id(&provider).await.expect("credentials"), "AKID0");
        sleep(800 * SECOND).await;
        assert_eq!(id(&provider).await.expect("credentials"), "AKID0");
        sleep(3_600 * SECOND).await;
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 1, "loaded without a request");
        assert_eq!(id(&provider).await.expect("credentials"), "AKID1");
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_loaded_anew_once() {
        let (source, provider) = renewing(Some(1_000));
        id(&provider).await.expect("credentials");
        sleep(10 * SECOND).await;
        // Ten calls that were made with the same credentials report the refusal.
        for _ in 0..10 {
            provider.refused("AKID0", Refusal::Invalid);
            assert_eq!(id(&provider).await.expect("credentials"), "AKID1");
        }
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 2);
        sleep(801 * SECOND).await;
        assert_eq!(id(&provider).await.expect("renewed"), "AKID2");
    }

    #[tokio::test(start_paused = true)]
    async fn an_identity_that_is_refused_for_good_asks_for_credentials_once_in_ten_seconds() {
        let (source, provider) = renewing(Some(1_000));
        for _ in 0..100 {
            let used = id(&provider).await.expect("credentials");
            provider.refused(&used, Refusal::Invalid);
            sleep(SECOND / 10).await;
        }
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 1);
        for _ in 0..100 {
            let used = id(&provider).await.expect("credentials");
            provider.refused(&used, Refusal::Invalid);
            sleep(SECOND / 10).await;
        }
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 2);
    }

    /// New credentials help against a revoked session, but not against a deny that is meant.
    #[tokio::test(start_paused = true)]
    async fn a_denial_replaces_credentials_at_once_and_then_once_in_five_minutes() {
        let (source, provider) = renewing(Some(10_000));
        id(&provider).await.expect("credentials");
        sleep(10 * SECOND).await;
        let mut replaced = Vec::new();
        for second in 0..700 {
            let used = id(&provider).await.expect("credentials");
            if provider.refused(&used, Refusal::Denied) {
                replaced.push(second);
            }
            sleep(SECOND).await;
        }
        assert_eq!(replaced, [0, 300, 600]);
        assert_eq!(source.0.loads.load(Ordering::Relaxed), 4);
    }
}
