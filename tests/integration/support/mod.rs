//! What the tests share: worlds to run in, manifests, and checks.

pub mod chart;
mod expect;
pub mod external_secrets;
mod foreign;
mod generated;
mod kstatus;
mod link;
mod manifests;
mod open_metrics;
mod operator;
mod proxy;
mod records;
mod shared;
pub mod tenant;
mod world;

pub use expect::{
    annotate, contains, echoed, fails, force, handled_sync, says, snapshot, store_is, store_shows, sync, tolerates,
};
pub use foreign::foreign;
pub use generated::same_as_file;
pub use kstatus::check_kstatus;
pub use link::Link;
pub use manifests::{has_ready, message, object, ready, store};
pub use open_metrics::Page;
pub use operator::Operator;
pub use proxy::Proxy;
pub use records::{calls, decrypting, joins, outcome, reads, recorded};
pub use shared::Group;
pub use world::{PATIENCE, World, definitions};

/// Account of the fake AWS' default identity.
pub const ACCOUNT: &str = testbed::fake_aws::DEFAULT_ACCOUNT;
/// Region that the operator's environment names.
pub const REGION: &str = testbed::fake_aws::DEFAULT_REGION;
