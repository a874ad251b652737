//! Policy documents of IAM, as far as the operator writes them (IAM User Guide, "IAM JSON policy elements reference").

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Document {
    version: &'static str,
    /// The statements, in the order in which they are printed.
    pub statement: Vec<Statement>,
}

/// One statement. Elements without content are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement {
    /// What the statement is for: letters and digits, unique within the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Whom it is about, by kind of principal; only in policies of resources.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub principal: BTreeMap<&'static str, Values>,
    /// The actions.
    pub action: Values,
    /// The ARNs of the resources, with `*` and `?`; none in trust policies.
    #[serde(skip_serializing_if = "Values::is_empty")]
    pub resource: Values,
    /// Operators of conditions, each with keys and the values of which one must match.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: BTreeMap<&'static str, BTreeMap<String, Values>>,
}

/// The effect of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Effect {
    /// Calls are allowed unless another statement denies them.
    Allow,
    /// Calls are denied, whatever other statements say.
    Deny,
}

/// One or several texts. A single one is printed without brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values(pub Vec<String>);

impl Values {
    /// Returns these texts.
    pub(crate) fn of<S: ToString>(texts: impl IntoIterator<Item = S>) -> Self {
        Self(texts.into_iter().map(|text| text.to_string()).collect())
    }

    /// Reports whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [only] => only.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl Statement {
    /// A statement that allows actions on resources.
    pub(crate) fn allow<A: ToString, R: ToString>(
        actions: impl IntoIterator<Item = A>,
        resources: impl IntoIterator<Item = R>,
    ) -> Self {
        Self {
            sid: None,
            effect: Effect::Allow,
            principal: BTreeMap::new(),
            action: Values::of(actions),
            resource: Values::of(resources),
            condition: BTreeMap::new(),
        }
    }

    /// A statement that denies actions on resources.
    pub(crate) fn deny<A: ToString, R: ToString>(
        actions: impl IntoIterator<Item = A>,
        resources: impl IntoIterator<Item = R>,
    ) -> Self {
        Self { effect: Effect::Deny, ..Self::allow(actions, resources) }
    }

    /// The same statement with a name.
    pub(crate) fn named(self, sid: &str) -> Self {
        Self { sid: Some(sid.to_owned()), ..self }
    }

    /// The same statement about principals of one kind, without resources: those of a policy of a resource.
    pub(crate) fn about<S: ToString>(mut self, kind: &'static str, principals: impl IntoIterator<Item = S>) -> Self {
        self.principal.insert(kind, Values::of(principals));
        self
    }

    /// The same statement under one more condition.
    pub(crate) fn when<S: ToString>(
        mut self,
        operator: &'static str,
        key: &str,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        self.condition.entry(operator).or_default().insert(key.to_owned(), Values::of(values));
        self
    }
}

impl Document {
    /// A document with these statements.
    pub(crate) const fn new(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }

    /// The document on one line, for requests.
    pub(crate) fn compact(&self) -> String {
        // Texts alone, which always become JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Returns the name by which KMS knows that Parameter Store or Secrets Manager calls it on behalf of somebody. It ends the
/// same in every partition (KMS Developer Guide, "kms:ViaService").
pub(crate) fn via_service(service: &str, region: &str) -> String {
    format!("{service}.{region}.amazonaws.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_form_of_iam() {
        let read = Statement::allow(["ssm:GetParameters"], ["a", "b"]).named("Read");
        let decrypt = Statement::allow(["kms:Decrypt"], ["*"])
            .when("StringEquals", "kms:ViaService", [via_service("ssm", "eu-central-1")])
            .when("StringLike", "kms:EncryptionContext:PARAMETER_ARN", ["a", "b"]);
        let document = Document::new(vec![read, decrypt, Statement::deny(["ssm:*"], ["c"])]);
        let expected = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":"ssm:GetParameters","Resource":["a","b"]},{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"ssm.eu-central-1.amazonaws.com"},"StringLike":{"kms:EncryptionContext:PARAMETER_ARN":["a","b"]}}},{"Effect":"Deny","Action":"ssm:*","Resource":"c"}]}"#;
        assert_eq!(document.compact(), expected);
    }
}
