//! Labels and annotations that belong to the tools that track what they applied, or to this operator. Those tools would take
//! a Secret that carries one for their own, and delete or change it.

use crate::api::names;

const KEYS: [&str; 13] = [
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/instance",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "kustomize.toolkit.fluxcd.io/name",
    "kustomize.toolkit.fluxcd.io/namespace",
    "helm.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/namespace",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubernetes.io/service-account.name",
    "applyset.kubernetes.io/part-of",
    "config.k8s.io/owning-inventory",
    "kapp.k14s.io/app",
];
const PREFIXES: [&str; 3] = ["meta.helm.sh/", "objectset.rio.cattle.io/", names::DOMAIN];

/// Reports whether a label or annotation with this key cannot be set on a Secret.
pub(crate) fn is_tracking(key: &str) -> bool {
    KEYS.contains(&key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// The same in CEL, for a key `k`.
pub(super) fn rule() -> String {
    let prefixes: Vec<_> = PREFIXES.iter().map(|prefix| format!("k.startsWith('{prefix}')")).collect();
    format!("k in ['{}'] || {}", KEYS.join("', '"), prefixes.join(" || "))
}
