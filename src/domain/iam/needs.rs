//! What AWS has to allow so that objects can be read: the least policy for a set of plans.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{Decryption, KmsDecrypt, SecureParameterStatus},
    domain::{
        iam::{
            patterns::covers,
            policy::{Document, Statement, Values, via_service},
            widen::{Pattern, Patterns, widened},
        },
        parameter::{arn::ArnParts, scope::Scope},
        plan::types::Plan,
    },
};

/// Most characters of a managed policy, without white space (IAM User Guide, "IAM and STS quotas").
pub(crate) const LONGEST_MANAGED: usize = 6_144;
/// The start of names that are references to Secrets Manager.
const REFERENCES: &str = "aws/reference/secretsmanager/";
/// Sid of the statement that only status and warnings need.
const KEY_STATUS: &str = "OptionalKeyStatus";
/// How AWS names the keys of parameters, and says in which state they are.
const KEY_STATUS_ACTIONS: [&str; 2] = ["ssm:DescribeParameters", "kms:DescribeKey"];

/// What some objects need.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// Parameters to read, perhaps all below a path.
    reads: BTreeSet<Pattern>,
    /// Paths to list.
    paths: BTreeSet<Pattern>,
    /// Secrets of Secrets Manager, by id.
    secrets: BTreeSet<String>,
    /// How values that were encrypted by hand are decrypted.
    sealed: BTreeSet<(Option<String>, BTreeMap<String, String>)>,
    /// ARNs of the keys of the parameters, as far as they are known.
    keys: BTreeSet<String>,
    /// Whether parameters are read whose keys are not known.
    has_unknown_keys: bool,
    /// Whether access rules grant some of them only with certain keys.
    are_keys_checked: bool,
}

impl Needs {
    /// Adds what a plan needs. `status` is that of its object.
    pub(crate) fn add(&mut self, plan: &Plan, status: Option<&SecureParameterStatus>, scope: &Scope) {
        for source in plan.values() {
            let arn = &source.parameter_ref.arn;
            let Some(ArnParts { account, name, .. }) = ArnParts::parse(arn) else { continue };
            let name = name.trim_start_matches('/');
            self.reads.insert(Pattern { account: account.to_owned(), name: name.to_owned() });
            match name.strip_prefix(REFERENCES) {
                Some(id) => drop(self.secrets.insert(id.to_owned())),
                None => self.add_key(arn, status),
            }
            if let Some(KmsDecrypt { key_id, encryption_context }) = &source.kms_decrypt {
                self.sealed.insert((key_id.clone(), encryption_context.clone()));
            }
        }
        for path in plan.paths() {
            let own = |name: String| Pattern { account: scope.account.clone(), name };
            let path = path.query.path.trim_start_matches('/');
            self.paths.insert(own(path.to_owned()));
            self.reads.insert(own(below(path)));
            // Parameters may come that other keys encrypt.
            self.has_unknown_keys = true;
        }
    }

    /// Adds that access rules grant parameters only with certain keys, so that AWS has to name the keys.
    pub(crate) const fn check_keys(&mut self) {
        self.are_keys_checked = true;
    }

    fn add_key(&mut self, arn: &str, status: Option<&SecureParameterStatus>) {
        let parameters = status.map(|status| &status.parameters[..]).unwrap_or_default();
        match parameters.iter().find(|parameter| parameter.arn == arn) {
            // Keys that AWS manages need no statement: their own policies allow it (KMS Developer Guide, "AWS managed keys").
            Some(parameter) if parameter.key_manager.as_deref() == Some("AWS") => {}
            Some(parameter) if matches!(parameter.type_.as_str(), "String" | "StringList") => {}
            Some(parameter) if parameter.key_arn.is_some() => {
                self.keys.extend(parameter.key_arn.as_ref().map(ToString::to_string));
            }
            _ => self.has_unknown_keys = true,
        }
    }

    /// Reports whether nothing is needed.
    pub(crate) fn is_empty(&self) -> bool {
        self.reads.is_empty()
    }

    /// Returns the policy of the identity that reads. With `compact` it fits into a managed policy, if need be by patterns
    /// that match more.
    pub(crate) fn policy(&self, scope: &Scope, decryption: Decryption, compact: bool) -> Document {
        let reads: Patterns = self.reads.iter().filter(|read| !self.is_below_path(read)).cloned().collect();
        let lists = [reads, self.paths.iter().cloned().collect()];
        let document = |lists: &[Patterns]| Document::new(self.statements(lists, scope, decryption));
        let fits = |lists: &[Patterns]| document(lists).compact().len() <= LONGEST_MANAGED;
        if !compact || fits(&lists) { document(&lists) } else { document(&widened(&lists, fits)) }
    }

    /// Reports whether a parameter is below a path that is read as a whole.
    fn is_below_path(&self, read: &Pattern) -> bool {
        let mut below = self.paths.iter().map(|path| (&path.account, below(&path.name)));
        below.any(|(account, below)| *account == read.account && below != read.name && covers(&below, &read.name))
    }

    fn statements(&self, lists: &[Patterns], scope: &Scope, decryption: Decryption) -> Vec<Statement> {
        let [reads, paths] = [0, 1].map(|at| lists.get(at).map(Vec::as_slice).unwrap_or_default());
        let arns = |patterns: &[Pattern]| patterns.iter().map(|pattern| parameter(scope, pattern)).collect::<Vec<_>>();
        let mut statements = Vec::new();
        if !reads.is_empty() {
            statements.push(Statement::allow(["ssm:GetParameters"], arns(reads)).named("ReadParameters"));
        }
        if !paths.is_empty() {
            statements.push(Statement::allow(["ssm:GetParametersByPath"], arns(paths)).named("ListPaths"));
        }
        let encrypted = encrypted(reads);
        let keys = self.key_resources(&encrypted, scope);
        if !encrypted.is_empty() && !keys.is_empty() {
            let decrypt = Statement::allow(["kms:Decrypt"], keys).named("DecryptParameters");
            statements.push(for_parameters(decrypt, &encrypted, scope, decryption));
        }
        if self.are_keys_checked {
            statements.push(Statement::allow(KEY_STATUS_ACTIONS, ["*"]).named("CheckKeys"));
        }
        statements.extend(self.sealed_statements(scope));
        if !self.secrets.is_empty() {
            let read = Statement::allow(["secretsmanager:GetSecretValue"], self.secret_arns(scope));
            statements.push(read.named("ReadSecrets"));
        }
        statements
    }

    /// Returns the keys of the parameters: those that are known, or all in the accounts of the parameters.
    fn key_resources(&self, encrypted: &[&Pattern], scope: &Scope) -> BTreeSet<String> {
        if !self.has_unknown_keys {
            return self.keys.clone();
        }
        encrypted.iter().map(|pattern| kms(scope, &pattern.account, "key/*")).collect()
    }

    /// Returns one statement for each key and encryption context of values that were encrypted by hand. The operator calls KMS
    /// itself for them.
    fn sealed_statements(&self, scope: &Scope) -> Vec<Statement> {
        let statement = |(index, (key_id, context)): (usize, &(Option<String>, BTreeMap<String, String>))| {
            let sid = if index == 0 { "DecryptSealed".to_owned() } else { format!("DecryptSealed{}", index + 1) };
            let (resource, alias) = key(scope, key_id.as_deref());
            let mut statement = Statement::allow(["kms:Decrypt"], [resource]).named(&sid);
            if let Some(alias) = alias {
                statement = statement.when("StringEquals", "kms:RequestAlias", [alias]);
            }
            for (name, value) in context {
                let key = format!("kms:EncryptionContext:{name}");
                // `${` begins a variable (IAM User Guide, "IAM policy elements: Variables and tags").
                statement = statement.when("StringEquals", &key, [value.replace("${", "${$}{")]);
            }
            statement
        };
        self.sealed.iter().enumerate().map(statement).collect()
    }

    fn secret_arns(&self, scope: &Scope) -> Vec<String> {
        // Secrets Manager appends a dash and six characters to the name (Secrets Manager User Guide, "What's in a secret?").
        let arn = |id: &String| arn(scope, "secretsmanager", &scope.account, &format!("secret:{id}-??????"));
        self.secrets.iter().map(arn).collect()
    }

    /// Returns what is needed only in some cases: the keys in status and the warnings about them, and customer managed keys
    /// of secrets.
    pub(crate) fn optional(&self, scope: &Scope) -> Document {
        let mut statements = vec![Statement::allow(KEY_STATUS_ACTIONS, ["*"]).named(KEY_STATUS)];
        if !self.secrets.is_empty() {
            let decrypt = Statement::allow(["kms:Decrypt"], [kms(scope, &scope.account, "key/*")])
                .named("OptionalDecryptSecrets")
                .when("StringEquals", "kms:ViaService", [via_service("secretsmanager", &scope.region)])
                .when("StringLike", "kms:EncryptionContext:SecretARN", self.secret_arns(scope));
            statements.push(decrypt);
        }
        Document::new(statements)
    }

    /// Returns what the policies of customer managed keys must say if they do not leave that to IAM: that `reader` may decrypt.
    /// The first statement is for the keys of parameters, the others are for those of values that were encrypted by hand.
    pub(crate) fn key_policies(&self, reader: &str, scope: &Scope, decryption: Decryption) -> Vec<Statement> {
        let about =
            |statement: Statement| Statement { resource: Values::of(["*"]), ..statement }.about("AWS", [reader]);
        let reads: Vec<_> = self.reads.iter().filter(|read| !self.is_below_path(read)).cloned().collect();
        let encrypted = encrypted(&reads);
        let of_parameters = (!encrypted.is_empty()).then(|| {
            let allow = Statement::allow(["kms:Decrypt"], ["*"]).named("DecryptParameters");
            about(for_parameters(allow, &encrypted, scope, decryption))
        });
        of_parameters.into_iter().chain(self.sealed_statements(scope).into_iter().map(about)).collect()
    }
}

/// Returns the pattern for everything below a path.
fn below(path: &str) -> String {
    if path.is_empty() { "*".to_owned() } else { format!("{path}/*") }
}

/// Limits a statement to the decryption of parameters.
fn for_parameters(statement: Statement, reads: &[&Pattern], scope: &Scope, decryption: Decryption) -> Statement {
    let contexts = reads.iter().map(|pattern| parameter(scope, pattern));
    let statement = statement.when("StringLike", "kms:EncryptionContext:PARAMETER_ARN", contexts);
    match decryption {
        Decryption::ViaSsm => statement.when("StringEquals", "kms:ViaService", [via_service("ssm", &scope.region)]),
        Decryption::Direct => statement,
    }
}

/// Returns those parameters that may be encrypted: all but references to Secrets Manager.
fn encrypted(reads: &[Pattern]) -> Vec<&Pattern> {
    reads.iter().filter(|read| !read.name.starts_with(REFERENCES)).collect()
}

/// Returns the resource for a key, and the alias under which it is asked for. An id or alias without ARN is one of the own
/// account (KMS API reference, Decrypt).
fn key(scope: &Scope, key_id: Option<&str>) -> (String, Option<String>) {
    let Some(key_id) = key_id else { return (kms(scope, &scope.account, "key/*"), None) };
    if key_id.starts_with("alias/") {
        return (kms(scope, &scope.account, "key/*"), Some(key_id.to_owned()));
    }
    match key_id.split_once(":alias/") {
        Some((of_account, alias)) => (format!("{of_account}:key/*"), Some(format!("alias/{alias}"))),
        None if key_id.starts_with("arn:") => (key_id.to_owned(), None),
        None => (kms(scope, &scope.account, &format!("key/{key_id}")), None),
    }
}

fn kms(scope: &Scope, account: &str, resource: &str) -> String {
    arn(scope, "kms", account, resource)
}

fn parameter(scope: &Scope, pattern: &Pattern) -> String {
    arn(scope, "ssm", &pattern.account, &format!("parameter/{}", pattern.name))
}

fn arn(scope: &Scope, service: &str, account: &str, resource: &str) -> String {
    let Scope { partition, region, .. } = scope;
    format!("arn:{partition}:{service}:{region}:{account}:{resource}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::SecureParameterSpec,
        domain::{access::read_authority::ReadAuthority, plan::from_spec::plan_of},
    };

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    fn needs(specs: &[Value]) -> Needs {
        let scope = scope();
        let authority = ReadAuthority { scope: &scope, prefix: "", grant: None, namespace: "shop", store: "store" };
        let mut needs = Needs::default();
        for spec in specs {
            let spec: SecureParameterSpec = serde_json::from_value(spec.clone()).expect("a spec");
            needs.add(&plan_of(&spec, &authority).expect("a plan"), None, &scope);
        }
        needs
    }

    /// The statements of a document by name.
    fn statements(document: &Document) -> BTreeMap<String, Value> {
        let document: Value = serde_json::from_str(&document.compact()).expect("JSON");
        let statements = document["Statement"].as_array().expect("statements").iter();
        let named = |statement: &Value| (statement["Sid"].as_str().expect("a name").to_owned(), statement.clone());
        statements.map(named).collect()
    }

    #[test]
    fn each_source_needs_its_statements() {
        let needs = needs(&[
            json!({"data": [{"key": "a", "parameter": "/shop/a"}, {"key": "b", "parameter": "/shop/app/b"}],
                   "dataFrom": [{"path": "/shop/app", "recursive": true}]}),
            json!({"data": [{"key": "a", "parameter": "/shop/a", "previous": true},
                            {"key": "d", "parameter": "/aws/reference/secretsmanager/shop/db"}]}),
            json!({"data": [{"key": "a", "parameter": "/shop/s",
                             "kmsDecrypt": {"keyID": "alias/sealed", "encryptionContext": {"app": "${x}"}}}]}),
        ]);
        let policy = statements(&needs.policy(&scope(), Decryption::ViaSsm, false));
        let own = |name: &str| format!("arn:aws:ssm:eu-central-1:111122223333:parameter/{name}");
        let encrypted = json!([own("shop/a"), own("shop/app/*"), own("shop/s")]);
        let mut read = vec![json!(own("aws/reference/secretsmanager/shop/db"))];
        read.extend(encrypted.as_array().expect("a list").clone());
        assert_eq!(policy["ReadParameters"]["Resource"], json!(read));
        assert_eq!(policy["ListPaths"]["Resource"], json!(own("shop/app")));
        let decrypt = &policy["DecryptParameters"];
        assert_eq!(decrypt["Resource"], "arn:aws:kms:eu-central-1:111122223333:key/*");
        assert_eq!(decrypt["Condition"]["StringLike"]["kms:EncryptionContext:PARAMETER_ARN"], encrypted);
        assert_eq!(decrypt["Condition"]["StringEquals"]["kms:ViaService"], "ssm.eu-central-1.amazonaws.com");
        let expected = json!({"kms:RequestAlias": "alias/sealed", "kms:EncryptionContext:app": "${$}{x}"});
        assert_eq!(policy["DecryptSealed"]["Condition"]["StringEquals"], expected);
        let secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/db-??????";
        assert_eq!(policy["ReadSecrets"]["Resource"], secret);
        assert_eq!(policy.len(), 5);
        let optional: Vec<_> = statements(&needs.optional(&scope())).into_keys().collect();
        assert_eq!(optional, ["OptionalDecryptSecrets", "OptionalKeyStatus"]);
        let of_keys = statements(&Document::new(needs.key_policies("ROLE", &scope(), Decryption::ViaSsm)));
        assert_eq!(of_keys.keys().collect::<Vec<_>>(), ["DecryptParameters", "DecryptSealed"]);
        assert_eq!(of_keys["DecryptSealed"]["Resource"], "*");
    }

    #[test]
    fn direct_decryption_is_not_by_way_of_parameter_store() {
        let needs = needs(&[json!({"data": [{"key": "a", "parameter": "/shop/a"}]})]);
        let policy = statements(&needs.policy(&scope(), Decryption::Direct, false));
        assert_eq!(policy["DecryptParameters"]["Condition"].as_object().expect("conditions").len(), 1);
        let of_key = statements(&Document::new(needs.key_policies("ROLE", &scope(), Decryption::ViaSsm)));
        assert_eq!(of_key["DecryptParameters"]["Principal"], json!({"AWS": "ROLE"}));
    }

    #[test]
    fn known_keys_are_named() {
        let mut needs = Needs::default();
        let scope = scope();
        let authority = ReadAuthority { scope: &scope, prefix: "", grant: None, namespace: "shop", store: "store" };
        let spec = json!({"data": [{"key": "a", "parameter": "/a"}, {"key": "b", "parameter": "/b"}]});
        let spec: SecureParameterSpec = serde_json::from_value(spec).expect("a spec");
        let of = |name: &str, key: &str, manager: &str| json!({"arn": scope.parameter_arn(name), "version": 1, "type": "SecureString", "keyARN": key, "keyManager": manager});
        let status = json!({"parameters": [of("/a", "KEY", "CUSTOMER"), of("/b", "OTHER", "AWS")]});
        let status: SecureParameterStatus = serde_json::from_value(status).expect("a status");
        needs.add(&plan_of(&spec, &authority).expect("a plan"), Some(&status), &scope);
        let policy = statements(&needs.policy(&scope, Decryption::ViaSsm, false));
        assert_eq!(policy["DecryptParameters"]["Resource"], "KEY");
    }

    #[test]
    fn keys_are_resources_or_aliases() {
        let own = "arn:aws:kms:eu-central-1:111122223333:";
        for (key_id, resource, alias) in [
            (None, format!("{own}key/*"), None),
            (Some("alias/x"), format!("{own}key/*"), Some("alias/x")),
            (Some("0d9f"), format!("{own}key/0d9f"), None),
            (Some("arn:aws:kms:r:1:key/0d9f"), "arn:aws:kms:r:1:key/0d9f".to_owned(), None),
            (Some("arn:aws:kms:r:1:alias/x/y"), "arn:aws:kms:r:1:key/*".to_owned(), Some("alias/x/y")),
        ] {
            assert_eq!(key(&scope(), key_id), (resource, alias.map(str::to_owned)), "{key_id:?}");
        }
    }

    #[test]
    fn a_compact_policy_fits_and_covers_what_the_long_one_names() {
        let entries: Vec<_> = (0..200)
            .map(|i| json!({"key": format!("k{i}"), "parameter": format!("/shop/part-{}/{i}", i % 7)}))
            .collect();
        let needs = needs(&[json!({ "data": entries })]);
        let long = needs.policy(&scope(), Decryption::ViaSsm, false);
        let compact = needs.policy(&scope(), Decryption::ViaSsm, true);
        assert!(long.compact().len() > LONGEST_MANAGED && compact.compact().len() <= LONGEST_MANAGED);
        let patterns = &compact.statement[0].resource.0;
        assert!(long.statement[0].resource.0.iter().all(|arn| patterns.iter().any(|pattern| covers(pattern, arn))));
        assert!(patterns.iter().all(|pattern| pattern.contains("parameter/shop/part-")));
    }
}
