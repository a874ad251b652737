//! Names that users meet on their objects: labels, annotations, field manager. Constant for ever, because a renamed
//! field manager orphans its fields and a renamed label loses its objects.

/// API group of all kinds.
pub const GROUP: &str = "secureparameter.io";

/// Version of all kinds.
pub const VERSION: &str = "v1alpha1";

/// Field manager of every write, but for keys in Secrets of others; also the reporting controller of Events.
pub const FIELD_MANAGER: &str = "secure-parameter-operator";

/// Field manager of what the kubectl plugin changes on behalf of a user.
pub const PLUGIN_MANAGER: &str = "kubectl-secureparam";

/// Label on a Secret: the uid of the `SecureParameter` that holds it. The Secret watch selects by it.
pub const OWNER_UID_LABEL: &str = "secureparameter.io/owner-uid";

/// Annotation on a Secret: the name of the `SecureParameter` that wrote it, in the Secret's own namespace.
pub const OWNER_ANNOTATION: &str = "secureparameter.io/owner";

/// Annotation on a Secret that others made: `<namespace>/<name>` of the `SecureParameter` that may take it over, or put
/// keys into it.
pub const ALLOW_ANNOTATION: &str = "secureparameter.io/allow";

/// What [`ALLOW_ANNOTATION`] may say instead: any `SecureParameter` of the namespace may put keys into the Secret.
pub const ALLOW_MERGE: &str = "merge";

/// Finalizer of a `SecureParameter` that put keys into a Secret of others: they leave with it.
pub const MERGE_FINALIZER: &str = "secureparameter.io/merge";

/// Prefix of the annotations on the pod template of a workload that is restarted. The name after it is that of the
/// `SecureParameter`, the value its Secret and the version that changed: several may restart one workload.
pub const RESTART_ANNOTATION_PREFIX: &str = "restarted-for.secureparameter.io/";

/// Field manager of the keys that the `SecureParameter` with this uid puts into a Secret of others: one for each object,
/// so that the API server tells them apart.
pub fn merge_manager(uid: &str) -> String {
    format!("{FIELD_MANAGER}-{uid}")
}

/// Annotation on a `SecureParameter`: a new value forces a sync; it is echoed as `status.lastHandledSync`.
pub const SYNC_ANNOTATION: &str = "secureparameter.io/sync";

/// Longest prefix of [`SYNC_ANNOTATION`]'s value that is compared and echoed, in characters, to bound the status.
const SYNC_LENGTH: usize = 256;

/// Returns the part of [`SYNC_ANNOTATION`]'s value that is compared and echoed.
pub fn sync_token(value: &str) -> &str {
    let end = value.char_indices().nth(SYNC_LENGTH).map_or(value.len(), |(end, _)| end);
    &value[..end]
}

/// Label on the Lease of an operator, by which operators find each other. Its value is `true`.
pub const LEASE_LABEL: &str = "secureparameter.io/lease";

/// Annotation on the Lease of an operator with `--watch-selector`: the selector.
pub const WATCH_SELECTOR_ANNOTATION: &str = "secureparameter.io/watch-selector";

/// Annotation on the Lease of an operator with `--namespaces`: the namespaces, separated by commas.
pub const WATCH_NAMESPACES_ANNOTATION: &str = "secureparameter.io/watch-namespaces";

/// Label on a Secret by the Kubernetes convention for the managing program.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Domain of our labels and annotations; keys below it are not for users to set on targets.
pub const DOMAIN: &str = "secureparameter.io/";
