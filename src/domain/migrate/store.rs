//! `SecretStore` and `ClusterSecretStore`: where ESO reads, and as whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    api::{
        AssumeRole, ClusterIdentity, CredentialKeys, LocalSecretRef, LocalServiceAccountRef, NamespacedIdentity,
        NamespacedSecretRef, NamespacedServiceAccountRef, StoreKind,
    },
    domain::migrate::{
        fields::Fields,
        metadata::{self, Metadata},
        note::Notes,
    },
};

/// Most roles of an identity.
const MAX_ROLES: usize = 3;
/// The audience of tokens for STS, where an annotation of the ServiceAccount does not name another.
const AUDIENCE: &str = "sts.amazonaws.com";

/// A reference to a store, as an ExternalSecret has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StoreName {
    /// Whether it is a `ClusterSecretStore`.
    pub(super) is_cluster: bool,
    pub(super) name: String,
}

impl StoreName {
    /// Reads a reference.
    pub(super) fn read(reference: &mut Fields<'_>) -> Option<Self> {
        let is_cluster = reference.text("kind").as_deref() == Some("ClusterSecretStore");
        reference.text("name").map(|name| Self { is_cluster, name })
    }

    /// The kind as Kubernetes spells it.
    pub(super) const fn kind(&self) -> &'static str {
        if self.is_cluster { "ClusterSecretStore" } else { "SecretStore" }
    }
}

/// As whom a store reads.
#[derive(Debug)]
pub(super) enum Identity {
    /// As the operator itself, perhaps in a session of roles; or as what the platform team provides.
    Cluster(ClusterIdentity),
    /// With credentials of the namespace of the store.
    Namespaced(NamespacedIdentity),
}

/// What is read of a store.
#[derive(Debug)]
pub(super) struct Store {
    /// The namespace; `None` for a cluster store.
    pub(super) namespace: Option<String>,
    pub(super) metadata: Metadata,
    /// What it reads from, if that is not Parameter Store.
    pub(super) other_service: Option<String>,
    pub(super) region: Option<String>,
    /// What ESO puts before every key, to the letter.
    pub(super) prefix: String,
    pub(super) identity: Identity,
    /// The only namespaces that it admits, if it lists them by name.
    pub(super) namespaces: Option<BTreeSet<String>>,
    pub(super) notes: Notes,
}

impl Store {
    /// Returns kind, namespace and name, as in `SecretStore shop/ssm`.
    pub(super) fn source(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("SecretStore {namespace}/{}", self.metadata.name),
            None => format!("ClusterSecretStore {}", self.metadata.name),
        }
    }

    /// Returns the kind and the name of the store that takes its place. A store of a namespace without an identity of its own
    /// becomes a cluster store, since only these read as the operator.
    pub(super) fn successor(&self) -> (StoreKind, String) {
        let name = &self.metadata.name;
        match (&self.identity, &self.namespace) {
            (Identity::Namespaced(_), _) => (StoreKind::ParameterStore, name.clone()),
            (Identity::Cluster(_), None) => (StoreKind::ClusterParameterStore, name.clone()),
            (Identity::Cluster(_), Some(namespace)) => {
                (StoreKind::ClusterParameterStore, format!("{namespace}-{name}"))
            }
        }
    }
}

/// Reads a store. `namespace` is that of a `SecretStore`.
pub(super) fn read(value: Value, namespace: Option<String>) -> Store {
    let notes = Notes::default();
    let mut store = Store {
        namespace,
        metadata: Metadata::default(),
        other_service: None,
        region: None,
        prefix: String::new(),
        identity: Identity::Cluster(ClusterIdentity::default()),
        namespaces: None,
        notes: Notes::default(),
    };
    {
        let mut root = Fields::new(value, "", &notes);
        store.metadata = metadata::read(&mut root);
        let place = root.place("spec");
        let mut spec = root.object("spec").unwrap_or_else(|| Fields::new(Value::Null, place, &notes));
        read_spec(&mut spec, &mut store);
    }
    store.notes = notes;
    store
}

fn read_spec(spec: &mut Fields<'_>, store: &mut Store) {
    let notes = spec.notes();
    for (field, text) in [
        ("controller", "which of several operators works on an object is said by --watch-selector, not by the store"),
        ("retrySettings", "the operator retries by itself"),
        ("refreshInterval", "stores are watched, and need no interval to be looked at"),
    ] {
        if spec.take(field).is_some() {
            notes.dropped(&spec.place(field), text);
        }
    }
    let conditions = spec.objects("conditions");
    if !conditions.is_empty() {
        store.namespaces = admitted(conditions);
        let text = "access names the namespaces of the objects that were translated with it, and no others";
        notes.check(&spec.place("conditions"), text);
    }
    let Some(mut provider) = spec.object("provider") else {
        notes.not_translated(&spec.place("provider"), "this is missing");
        return;
    };
    let Some(mut aws) = provider.object("aws") else {
        store.other_service = Some("another provider than AWS".to_owned());
        provider.ignore_all();
        return;
    };
    match aws.text("service").as_deref() {
        Some("ParameterStore") => read_aws(&mut aws, store),
        service => {
            store.other_service = Some(service.unwrap_or("an unknown service").to_owned());
            aws.ignore_all();
        }
    }
}

/// Returns the only namespaces that the conditions admit, if they list them by name.
fn admitted(conditions: Vec<Fields<'_>>) -> Option<BTreeSet<String>> {
    let (mut namespaces, mut is_list) = (BTreeSet::new(), true);
    for mut condition in conditions {
        namespaces.extend(condition.texts("namespaces"));
        let has_selector = condition.take("namespaceSelector").is_some();
        let has_expressions = !condition.texts("namespaceRegexes").is_empty();
        is_list &= !has_selector && !has_expressions;
    }
    is_list.then_some(namespaces)
}

fn read_aws(aws: &mut Fields<'_>, store: &mut Store) {
    let notes = aws.notes();
    store.region = aws.text("region");
    let is_region =
        |region: &String| region.contains('-') && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if let Some(region) = store.region.as_ref().filter(|region| !is_region(region)) {
        notes.not_translated(&aws.place("region"), format!("{region} is not a region"));
    }
    store.prefix = aws.text("prefix").unwrap_or_default();
    if aws.take("secretsManager").is_some() {
        notes.dropped(&aws.place("secretsManager"), "this says how secrets of Secrets Manager are deleted");
    }
    let assume_roles = roles(aws, store);
    let is_cluster = store.namespace.is_none();
    let place = aws.place("auth");
    let mut auth = aws.object("auth").unwrap_or_else(|| Fields::new(Value::Null, place.clone(), notes));
    let account = auth.object("jwt").and_then(|mut jwt| service_account(jwt.object("serviceAccountRef")?, is_cluster));
    let secret = auth.object("secretRef").and_then(|secret| credentials(secret, is_cluster));
    if !is_cluster && (account.is_some() || secret.is_some()) {
        store.identity = Identity::Namespaced(NamespacedIdentity {
            service_account_ref: account
                .map(|account| LocalServiceAccountRef { name: account.name, audiences: account.audiences }),
            credentials_secret_ref: secret.map(|secret| LocalSecretRef { name: secret.name, keys: secret.keys }),
            assume_roles,
        });
        return;
    }
    if account.is_none() && secret.is_none() {
        let text = "this reads as ESO itself; let the operator have the same role or permissions";
        notes.check(&place, text);
        if let Some(namespace) = &store.namespace {
            let text = format!(
                "a ParameterStore never reads as the operator, so this becomes a ClusterParameterStore that only namespace \
                 {namespace} may use; it needs whoever may write such stores"
            );
            notes.check(&place, text);
        }
    }
    let is_empty = account.is_none() && secret.is_none() && assume_roles.is_empty();
    let identity = ClusterIdentity {
        service_account_ref: account,
        credentials_secret_ref: secret,
        assume_roles,
        session_policy: None,
    };
    store.identity = Identity::Cluster(if is_empty { ClusterIdentity::default() } else { identity });
}

/// Reads the roles, which ESO assumes one after the other, `role` last.
fn roles(aws: &mut Fields<'_>, store: &Store) -> Vec<AssumeRole> {
    let notes = aws.notes();
    let plain = |arn: String| AssumeRole { role_arn: arn, ..AssumeRole::default() };
    let mut roles: Vec<_> = aws.texts("additionalRoles").into_iter().map(plain).collect();
    let (external_id, mut tags) = (aws.text("externalID"), BTreeMap::new());
    for mut tag in aws.objects("sessionTags") {
        tags.insert(tag.text("key").unwrap_or_default(), tag.text("value").unwrap_or_default());
    }
    let custom = aws.map("customSessionTags");
    match (aws.text("sessionTagsPolicy").as_deref(), &store.namespace) {
        (None | Some("None"), _) => {}
        (Some(policy), Some(namespace)) => {
            tags = if policy == "Custom" { custom } else { BTreeMap::new() };
            let own = [
                ("esoNamespace", namespace.as_str()),
                ("esoStoreName", &store.metadata.name),
                ("esoStoreKind", "SecretStore"),
            ];
            tags.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        (Some(_), None) => {
            let text = "sessions have no tag esoNamespace here; set sessionTags: true, and let policies ask for the tag \
                        kubernetes-namespace";
            notes.not_translated(&aws.place("sessionTagsPolicy"), text);
        }
    }
    let transitive_tag_keys = aws.texts("transitiveTagKeys");
    match aws.text("role") {
        Some(role_arn) => {
            let transitive_tag_keys = transitive_tag_keys.into_iter().filter(|key| tags.contains_key(key)).collect();
            roles.push(AssumeRole { role_arn, external_id, tags, transitive_tag_keys, ..AssumeRole::default() });
        }
        None if external_id.is_some() || !tags.is_empty() || !transitive_tag_keys.is_empty() => {
            notes.dropped(
                &aws.place("role"),
                "without a role, externalID and tags of sessions have no effect in ESO either",
            );
        }
        None => {}
    }
    if roles.len() > MAX_ROLES {
        notes.not_translated(&aws.place("additionalRoles"), format!("an identity has at most {MAX_ROLES} roles"));
    }
    for role in roles.iter().filter(|role| !is_role(&role.role_arn)) {
        notes.not_translated(&aws.place("role"), format!("{} is not the ARN of a role", role.role_arn));
    }
    roles
}

fn is_role(arn: &str) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let [start, partition, service, region, account, resource] = parts[..] else { return false };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let name = resource.strip_prefix("role/").unwrap_or_default();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_/-".contains(c));
    (start, service, region) == ("arn", "iam", "") && partition.starts_with("aws") && is_account && is_name
}

/// Reads the reference to a ServiceAccount. The namespace is left empty for a store of a namespace.
fn service_account(mut reference: Fields<'_>, is_cluster: bool) -> Option<NamespacedServiceAccountRef> {
    let notes = reference.notes();
    let place = reference.place("namespace");
    let namespace = reference.text("namespace").filter(|_| is_cluster);
    let audiences = reference.texts("audiences");
    let name = reference.text("name")?;
    if is_cluster && namespace.is_none() {
        notes.not_translated(&place, referent("ServiceAccount"));
    }
    // ESO asks for these besides its own.
    let audiences = if audiences.is_empty() || audiences.iter().any(|audience| audience == AUDIENCE) {
        audiences
    } else {
        notes.check(
            &reference.place("audiences"),
            format!("the ServiceAccount has no annotation eks.amazonaws.com/audience, which would stand in place of {AUDIENCE}"),
        );
        [vec![AUDIENCE.to_owned()], audiences].concat()
    };
    Some(NamespacedServiceAccountRef { namespace: namespace.unwrap_or_default(), name, audiences })
}

fn referent(what: &str) -> String {
    format!(
        "a {what} of each reading namespace has no equivalent in a cluster store; give each namespace a ParameterStore of its own"
    )
}

/// Reads the references to an access key. The namespace is left empty for a store of a namespace.
fn credentials(mut secret: Fields<'_>, is_cluster: bool) -> Option<NamespacedSecretRef> {
    let notes = secret.notes();
    let place = secret.place("");
    let fields = ["accessKeyIDSecretRef", "secretAccessKeySecretRef", "sessionTokenSecretRef"];
    let [id, key, token] = fields.map(|field| {
        let mut reference = secret.object(field)?;
        let (namespace, name) = (reference.text("namespace").filter(|_| is_cluster), reference.text("name")?);
        Some((namespace, name, reference.text("key").unwrap_or_default()))
    });
    let (Some((namespace, name, id)), Some(key)) = (id, key) else {
        notes.not_translated(&place, "the id of the access key or the key itself is missing");
        return None;
    };
    let is_same = |other: &(Option<String>, String, String)| other.0 == namespace && other.1 == name;
    if !is_same(&key) || token.as_ref().is_some_and(|token| !is_same(token)) {
        notes.not_translated(&place, "the parts of the access key are in several Secrets; put them into one");
    }
    if is_cluster && namespace.is_none() {
        notes.not_translated(&place, referent("Secret"));
    }
    let unless = |key: String, default: &str| Some(key).filter(|key| key != default && !key.is_empty());
    let keys = CredentialKeys {
        access_key_id: unless(id, "access-key-id"),
        secret_access_key: unless(key.2, "secret-access-key"),
        session_token: token.and_then(|token| unless(token.2, "session-token")),
    };
    let keys = Some(keys).filter(|keys| *keys != CredentialKeys::default());
    Some(NamespacedSecretRef { namespace: namespace.unwrap_or_default(), name, keys })
}
