//! Identities: credentials and their principals.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::arn;
use super::iam::{Statement, matches};

/// Credentials and the principal they belong to.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Session token, if every call must have one.
    pub session_token: Option<String>,
    /// ARN of the principal.
    pub arn: String,
    /// `UserId` of `GetCallerIdentity`: `AIDA...` or `AROA...:<session>`.
    pub principal_id: String,
    /// Twelve digits.
    pub account: String,
    /// Kind of the principal.
    pub principal: Principal,
    /// Statements without which nothing is allowed. `None` allows everything.
    ///
    /// The sessions that STS starts have the policy of their role instead, as it is at the time of each call.
    pub policy: Option<Vec<Statement>>,
    /// Tags of the user, or of the session and its role: `aws:PrincipalTag/<key>` in policies.
    pub tags: BTreeMap<String, String>,
}

/// Kinds of principal, by the names `CloudTrail` gives them.
#[derive(Clone, Debug)]
pub enum Principal {
    /// A user with long-lived keys.
    IamUser,
    /// A session of a role.
    AssumedRole(Box<Session>),
    /// The holder of a web identity token, before it has become a role session.
    WebIdentity {
        /// Issuer of the token.
        provider: String,
        /// `sub` of the token.
        subject: String,
    },
}

/// The session of an assumed role, as records show it.
#[derive(Clone, Debug)]
pub struct Session {
    /// ARN of the role.
    pub issuer_arn: String,
    /// `AROA...` of the role.
    pub issuer_id: String,
    /// Name of the role without its path.
    pub role_name: String,
    /// Start of the session, milliseconds since 1970.
    pub created_ms: i64,
    /// End of the session, or `None` if it does not end.
    pub expires_ms: Option<i64>,
    /// Sticky source identity.
    pub source_identity: Option<String>,
    /// Issuer of the token that started the session.
    pub federated_provider: Option<String>,
    /// Session policy, which restricts the permissions of the role.
    pub policy: Option<Vec<Statement>>,
    /// The tags that further sessions inherit.
    pub transitive_tags: BTreeMap<String, String>,
    /// True if everything is denied to the session, as after "Revoke active sessions" in the console of IAM.
    pub revoked: bool,
}

impl Identity {
    /// A user with long-lived keys, allowed everything.
    pub fn user(account: &str, name: &str) -> Self {
        Self {
            access_key_id: unique("AKIA"),
            secret_access_key: secret(),
            session_token: None,
            arn: format!("arn:aws:iam::{account}:user/{name}"),
            principal_id: unique("AIDA"),
            account: account.to_owned(),
            principal: Principal::IamUser,
            policy: None,
            tags: BTreeMap::new(),
        }
    }

    /// A role session that does not end by itself, allowed everything.
    pub fn assumed_role(account: &str, role: &str, session: &str) -> Self {
        let issuer_id = unique("AROA");
        Self {
            access_key_id: unique("ASIA"),
            session_token: Some(secret()),
            arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
            principal_id: format!("{issuer_id}:{session}"),
            principal: Principal::AssumedRole(Box::new(Session {
                issuer_arn: format!("arn:aws:iam::{account}:role/{role}"),
                issuer_id,
                role_name: role.to_owned(),
                created_ms: super::clock::system(),
                expires_ms: None,
                source_identity: None,
                federated_provider: None,
                policy: None,
                transitive_tags: BTreeMap::new(),
                revoked: false,
            })),
            ..Self::user(account, role)
        }
    }

    /// The same identity, allowed only what the statements allow.
    #[must_use]
    pub fn with_policy(mut self, statements: Vec<Statement>) -> Self {
        self.policy = Some(statements);
        self
    }

    /// The same identity, with a tag.
    #[must_use]
    pub fn with_tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The same identity in another partition, such as `aws-cn`. Credentials are valid in the regions of one partition.
    #[must_use]
    pub fn in_partition(mut self, partition: &str) -> Self {
        self.arn = arn::in_partition(&self.arn, partition);
        if let Principal::AssumedRole(session) = &mut self.principal {
            session.issuer_arn = arn::in_partition(&session.issuer_arn, partition);
        }
        self
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.principal {
            Principal::AssumedRole(session) => Some(session),
            _ => None,
        }
    }
}

/// An identifier of AWS' form: prefix and sixteen capitals or digits.
pub(super) fn unique(prefix: &str) -> String {
    let tail = Uuid::new_v4().simple().to_string().to_uppercase();
    format!("{prefix}{}", &tail[..16])
}

/// A random text for keys and tokens.
pub(super) fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

struct Known {
    identity: Arc<Identity>,
    expired: bool,
}

/// All credentials the fake accepts.
#[derive(Default)]
pub(super) struct Identities {
    by_key: HashMap<String, Known>,
}

/// Validity of credentials.
pub(super) enum Standing {
    /// Accepted.
    Valid(Arc<Identity>),
    /// Expired.
    Expired,
    /// Unknown.
    Unknown,
}

impl Identities {
    /// Accepts these credentials from now on.
    pub(super) fn add(&mut self, identity: Identity) {
        let key = identity.access_key_id.clone();
        self.by_key.insert(key, Known { identity: Arc::new(identity), expired: false });
    }

    /// Makes the credentials expire.
    pub(super) fn expire(&mut self, access_key_id: &str) {
        if let Some(known) = self.by_key.get_mut(access_key_id) {
            known.expired = true;
        }
    }

    /// Removes the credentials, as deleting an access key does.
    pub(super) fn remove(&mut self, access_key_id: &str) {
        self.by_key.remove(access_key_id);
    }

    /// Makes all present sessions of the roles whose ARN matches expire. Returns their number.
    pub(super) fn expire_sessions(&mut self, role_glob: &str) -> usize {
        self.sessions_of(role_glob).map(|known| known.expired = true).count()
    }

    /// Denies everything to all present sessions of the roles whose ARN matches. Returns their number.
    pub(super) fn revoke_sessions(&mut self, role_glob: &str) -> usize {
        let revoke = |known: &mut Known| {
            if let Principal::AssumedRole(session) = &mut Arc::make_mut(&mut known.identity).principal {
                session.revoked = true;
            }
        };
        self.sessions_of(role_glob).map(revoke).count()
    }

    fn sessions_of(&mut self, role_glob: &str) -> impl Iterator<Item = &mut Known> {
        let issuer = |known: &Known| known.identity.session().map(|session| session.issuer_arn.clone());
        self.by_key.values_mut().filter(move |known| issuer(known).is_some_and(|arn| matches(role_glob, &arn)))
    }

    /// Finds an access key.
    pub(super) fn standing(&self, access_key_id: &str, now_ms: i64) -> Standing {
        let Some(known) = self.by_key.get(access_key_id) else {
            return Standing::Unknown;
        };
        let over = known.identity.session().and_then(|session| session.expires_ms).is_some_and(|end| now_ms >= end);
        if known.expired || over { Standing::Expired } else { Standing::Valid(Arc::clone(&known.identity)) }
    }
}
