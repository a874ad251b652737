//! Why a request of a user failed, in a sentence for that user.

/// Says why something could not be done: `what` completes "Cannot ...".
pub(crate) fn sentence(what: &str, error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 401 => format!(
            "Cannot {what}: the API server does not accept the credentials of the kubeconfig; log in to the cluster again."
        ),
        kube::Error::Api(status) if status.code == 403 => format!(
            "Cannot {what}, because this user may not ({}); ask for the role view, or edit for changes.",
            status.message
        ),
        kube::Error::Api(status) if status.code == 404 && !names_object(status) => format!(
            "Cannot {what}: the cluster does not have the definitions of secureparameter.io; install the chart, or apply the \
             folder crds."
        ),
        kube::Error::Api(status) => format!("Cannot {what}: the API server answered {:?}.", status.message),
        kube::Error::Service(_) | kube::Error::HyperError(_) => format!(
            "Cannot {what}, because the API server cannot be reached ({}); check the kubeconfig, its context and the network.",
            root(error)
        ),
        other => format!("Cannot {what} ({}); check the kubeconfig and the rights of this user.", root(other)),
    }
}

/// Reports whether an object is missing.
pub(crate) fn is_missing_object(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404 && names_object(status))
}

/// Reports whether the user lacks a right.
pub(crate) fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// Where a whole kind is missing, the answer names no object.
fn names_object(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

/// The innermost cause: outer ones say no more than that there is no connection.
fn root(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
