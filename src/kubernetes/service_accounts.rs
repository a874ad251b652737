//! ServiceAccounts whose tokens stand for the identity of a store.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::{
    authentication::v1::{SelfSubjectReview, TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use parking_lot::Mutex;
use secrecy::SecretString;

use crate::domain::iam::trust::STS_AUDIENCE;

/// Annotation with the ARN of the role (EKS User Guide, "IAM roles for service accounts").
const ROLE: &str = "eks.amazonaws.com/role-arn";
/// Annotation with the audience of the tokens (amazon-eks-pod-identity-webhook).
const AUDIENCE: &str = "eks.amazonaws.com/audience";
/// Lifetime of a token, in seconds: the shortest that Kubernetes issues. A token is used once.
const LIFETIME: i64 = 600;
/// What precedes namespace and name of a ServiceAccount in the name of its user.
const USER: &str = "system:serviceaccount:";

/// Requests for ServiceAccounts.
#[derive(Clone)]
pub(crate) struct ServiceAccounts {
    client: Client,
    /// What was last seen of each that exists, by namespace and name.
    seen: Arc<Mutex<BTreeMap<(String, String), EksAnnotations>>>,
}

/// What the annotations of a ServiceAccount say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EksAnnotations {
    /// ARN of the role.
    pub(crate) role_arn: Option<String>,
    /// Audience of the tokens.
    pub(crate) audience: Option<String>,
}

impl EksAnnotations {
    /// Returns the audiences of tokens: those that a store asks for, else those of the annotation.
    pub(crate) fn audiences(&self, requested: &[String]) -> Vec<String> {
        if !requested.is_empty() {
            return requested.to_vec();
        }
        vec![self.audience.clone().unwrap_or_else(|| STS_AUDIENCE.to_owned())]
    }
}

impl ServiceAccounts {
    /// Creates the requests on top of `client`.
    pub(crate) fn new(client: Client) -> Self {
        Self { client, seen: Arc::default() }
    }

    /// Returns the annotations of a ServiceAccount. While the API server does not answer, these are those that were seen last.
    ///
    /// # Errors
    /// The problem and its remedy, as the end of a sentence that begins with the ServiceAccount.
    pub(crate) async fn annotations(&self, namespace: &str, name: &str) -> Result<EksAnnotations, String> {
        let key = (namespace.to_owned(), name.to_owned());
        let account = match self.api(namespace).get_metadata(name).await {
            Ok(account) => account,
            Err(error) if is_answer(&error) => {
                self.seen.lock().remove(&key);
                return Err(problem(&error, "get"));
            }
            Err(error) => return self.seen.lock().get(&key).cloned().ok_or_else(|| problem(&error, "get")),
        };
        let annotation = |key: &str| {
            let value = account.metadata.annotations.as_ref()?.get(key)?.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let annotations = EksAnnotations { role_arn: annotation(ROLE), audience: annotation(AUDIENCE) };
        self.seen.lock().insert(key, annotations.clone());
        Ok(annotations)
    }

    /// Creates a token of a ServiceAccount for these audiences.
    ///
    /// # Errors
    /// Like [`Self::annotations`].
    pub(crate) async fn token(
        &self,
        namespace: &str,
        name: &str,
        audiences: Vec<String>,
    ) -> Result<SecretString, String> {
        let spec = TokenRequestSpec { audiences, expiration_seconds: Some(LIFETIME), bound_object_ref: None };
        let request = TokenRequest { metadata: ObjectMeta::default(), spec, status: None };
        let created = self.api(namespace).create_token_request(name, &PostParams::default(), &request).await;
        let created = created.map_err(|error| problem(&error, "create tokens for"))?;
        created.status.map(|status| status.token.into()).ok_or_else(|| "got no token from the API server".to_owned())
    }

    /// Returns namespace and name of the ServiceAccount that the operator itself runs as; `None` if it is another user.
    ///
    /// # Errors
    /// If the API server does not say.
    pub(crate) async fn own(&self) -> Result<Option<(String, String)>, kube::Error> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
        let user = review.status.and_then(|status| status.user_info?.username).unwrap_or_default();
        let account = user.strip_prefix(USER).and_then(|account| account.split_once(':'));
        Ok(account.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())))
    }

    fn api(&self, namespace: &str) -> Api<ServiceAccount> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// Reports whether the API server says that the ServiceAccount cannot be had.
fn is_answer(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 403 | 404))
}

fn problem(error: &kube::Error, verb: &str) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => "does not exist; create it".to_owned(),
        kube::Error::Api(status) if status.code == 403 => format!(
            "is not one that the operator may {verb}; add it to serviceAccountTokens, with the audiences of its tokens, in the \
             values of the operator's chart"
        ),
        error => format!("could not be read ({error}); the operator tries again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_decides_on_audiences_before_the_annotation_does() {
        let annotated = EksAnnotations { audience: Some("china".into()), ..EksAnnotations::default() };
        assert_eq!(annotated.audiences(&["own".into()]), ["own"]);
        assert_eq!(annotated.audiences(&[]), ["china"]);
        assert_eq!(EksAnnotations::default().audiences(&[]), ["sts.amazonaws.com"]);
    }
}
