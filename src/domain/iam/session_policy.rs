//! The policy that a session carries, made from what the access rules grant to one namespace. AWS then refuses what the
//! operator should have refused.
//!
//! A session policy only takes away: a session may do what its role and this policy both allow (IAM User Guide, "Session
//! policies"). It never allows less than the grant, or reads that the rules allow would fail. It allows more where IAM
//! cannot say it, since its wildcards do not stop at `/`, and where the rules are too long for STS.

use crate::{
    api::Decryption,
    domain::{
        access::grant::{ANY_KMS_KEY, Grant, GrantedGlobs},
        iam::{
            patterns::{Token, covers, glob_tokens, iam_tokens, overlap},
            policy::{Document, Statement, via_service},
            translate::{MOST_PATTERNS, Resource, below, is_possible, of_arns, path_texts, segments, texts},
            widen::{Pattern, Patterns, reduced, widened},
        },
        parameter::scope::Scope,
        report::text::shortened,
    },
};

/// Most characters of a session policy (STS API reference, AssumeRole).
pub(crate) const LONGEST: usize = 2_048;
/// Most work to find what may be denied, as pairs of characters that are compared.
const MOST_COMPARISONS: usize = 2_000_000;
/// The folders of references to Secrets Manager.
const REFERENCES: [&str; 3] = ["aws", "reference", "secretsmanager"];
/// What Secrets Manager appends to the name of a secret in its ARN (Secrets Manager User Guide, "What's in a secret?").
const SECRET_SUFFIX: &str = "-??????";

/// The policy of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPolicy {
    /// The policy document.
    pub json: String,
    /// What the session may do beyond the grant because the policy would be too long, as a sentence. None if the policy
    /// says all that IAM can say.
    pub widened: Option<String>,
}

/// Returns the policy of sessions for a namespace: all that `grant` allows within `scope`, and as little else as possible.
pub(crate) fn session_policy(grant: &Grant, scope: &Scope, decryption: Decryption) -> SessionPolicy {
    session_policy_within(grant, scope, decryption, LONGEST)
}

/// Returns the same in at most so many characters. STS also limits policy and tags together, in a form of its own.
pub(crate) fn session_policy_within(
    grant: &Grant,
    scope: &Scope,
    decryption: Decryption,
    longest: usize,
) -> SessionPolicy {
    policy_of(&grant.globs(), scope, decryption, longest)
}

/// Returns the policy of sessions that may read what these globs match.
fn policy_of(globs: &GrantedGlobs<'_>, scope: &Scope, decryption: Decryption, longest: usize) -> SessionPolicy {
    let resources = resources(globs, scope);
    let (lists, mut wider) = Lists::new(&resources, globs, scope);
    let form =
        Form { scope, decryption, any_key: globs.kms_decrypt_keys.contains(&ANY_KMS_KEY), context: true, longest };
    if let Some(document) = with_denials(&lists, &form, &resources) {
        return SessionPolicy { json: document, widened: sentence(&wider) };
    }
    // Whom Parameter Store hands no ciphertext has nothing to decrypt, so the context only repeats what the policy says of
    // ssm:GetParameters. Those who call KMS themselves could decrypt what they found elsewhere.
    let form = Form { context: decryption == Decryption::Direct, ..form };
    let json = form.document(&lists, &Denials::default()).compact();
    if json.len() <= longest {
        return SessionPolicy { json, widened: sentence(&wider) };
    }
    let before = lists.0.clone();
    let fits = |lists: &[Patterns]| form.document(&Lists::of(lists), &Denials::default()).compact().len() <= longest;
    let lists = Lists::of(&widened(&before, fits));
    for (now, before) in lists.0.iter().zip(&before) {
        let new = now.iter().filter(|pattern| !before.contains(pattern));
        wider.extend(new.map(|pattern| pattern.name.clone()));
    }
    SessionPolicy { json: form.document(&lists, &Denials::default()).compact(), widened: sentence(&wider) }
}

/// Returns what the globs match among parameters that the session may ask for: those of its own partition and region.
fn resources<'a>(globs: &GrantedGlobs<'a>, scope: &Scope) -> Vec<Resource<'a>> {
    let own = |segments| Resource { account: scope.account.clone(), segments };
    let names = globs.names.iter().flat_map(|glob| below(&segments(glob), "")).map(own);
    let before = format!("arn:{}:ssm:{}:", scope.partition, scope.region);
    let arns = globs.arns.iter().flat_map(|glob| of_arns(&segments(glob), &before, ":parameter"));
    names.chain(arns).filter(|resource| is_possible(&resource.segments)).collect()
}

/// Patterns by kind: parameters to read, paths to list, secrets, keys by ARN or id, keys by alias.
struct Lists([Patterns; 5]);

impl Lists {
    /// Returns the patterns for a grant, and those that had to be widened.
    fn new(resources: &[Resource<'_>], globs: &GrantedGlobs<'_>, scope: &Scope) -> (Self, Vec<String>) {
        let mut wider = Vec::new();
        let (mut reads, mut paths, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
        let pattern = |account: &str, name: String| Pattern { account: account.to_owned(), name };
        let most = most_patterns(resources.len());
        for Resource { account, segments } in resources {
            let (names, too_many) = texts(segments, most);
            if too_many {
                wider.extend(names.last().cloned());
            }
            reads.extend(names.into_iter().map(|name| pattern(account, name)));
            if covers(account, &scope.account) {
                paths.extend(path_texts(segments, most).into_iter().map(|path| pattern(&scope.account, path)));
                for id in ids_of_secrets(segments) {
                    let names = texts(&id, most).0.into_iter().map(|name| name + SECRET_SUFFIX);
                    secrets.extend(names.map(|name| pattern(&scope.account, name)));
                }
            }
        }
        let (keys, aliases) = keys(&globs.kms_decrypt_keys, scope);
        (Self([reads, paths, secrets, keys, aliases].map(reduced)), wider)
    }

    fn of(lists: &[Patterns]) -> Self {
        Self(std::array::from_fn(|at| lists.get(at).cloned().unwrap_or_default()))
    }
}

/// Returns how many patterns a glob becomes at most, so that many globs become few.
fn most_patterns(globs: usize) -> usize {
    (512 / globs.max(1)).clamp(2, MOST_PATTERNS)
}

/// Returns what a glob on names leaves for the id of a secret in a reference to Secrets Manager.
fn ids_of_secrets<'a>(segments: &[&'a str]) -> Vec<Vec<&'a str>> {
    REFERENCES
        .iter()
        .fold(vec![segments.to_vec()], |globs, folder| globs.iter().flat_map(|glob| below(glob, folder)).collect())
}

/// Returns patterns for keys by ARN or id, and by alias. An id or alias without ARN is one of the own account (KMS API
/// reference, Decrypt).
fn keys(globs: &[&str], scope: &Scope) -> (Patterns, Patterns) {
    let (mut keys, mut aliases) = (Vec::new(), Vec::new());
    let most = most_patterns(globs.len());
    let before = format!("arn:{}:kms:{}:", scope.partition, scope.region);
    let own = |segments| Resource { account: scope.account.clone(), segments };
    let patterns = |resources: Vec<Resource<'_>>| {
        let possible = resources.into_iter().filter(|resource| is_possible(&resource.segments));
        let patterns = possible.flat_map(|Resource { account, segments }| {
            texts(&segments, most).0.into_iter().map(move |name| Pattern { account: account.clone(), name })
        });
        patterns.collect::<Vec<_>>()
    };
    for glob in globs.iter().map(|glob| segments(glob)) {
        let id = match glob[..] {
            ["**", id] | [id] => vec![own(vec![id])],
            _ => Vec::new(),
        };
        keys.extend(patterns(id));
        keys.extend(patterns(of_arns(&glob, &before, ":key")));
        aliases.extend(patterns(below(&glob, "alias").into_iter().map(own).collect()));
        aliases.extend(patterns(of_arns(&glob, &before, ":alias")));
    }
    (keys, aliases)
}

/// What a policy is made for.
struct Form<'a> {
    scope: &'a Scope,
    decryption: Decryption,
    /// Whether `kmsDecrypt` may use every key.
    any_key: bool,
    /// Whether decrypting is bound to the parameters by the encryption context.
    context: bool,
    /// Most characters.
    longest: usize,
}

impl Form<'_> {
    fn arn(&self, service: &str, account: &str, resource: &str) -> String {
        let Scope { partition, region, .. } = self.scope;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    fn parameter(&self, pattern: &Pattern) -> String {
        self.arn("ssm", &pattern.account, &format!("parameter/{}", pattern.name))
    }

    fn document(&self, lists: &Lists, denials: &Denials) -> Document {
        let Lists([reads, paths, secrets, keys, aliases]) = lists;
        let mut statements = vec![Statement::allow(["ssm:DescribeParameters", "kms:DescribeKey"], ["*"])];
        let of_secrets =
            |pattern: &Pattern| self.arn("secretsmanager", &pattern.account, &format!("secret:{}", pattern.name));
        let mut allow = |actions: &[&str], resources: Vec<String>| {
            if !resources.is_empty() {
                statements.push(Statement::allow(actions, resources));
            }
        };
        let (both, only_read): (Vec<_>, Vec<_>) = reads.iter().partition(|pattern| paths.contains(pattern));
        let only_path = paths.iter().filter(|pattern| !reads.contains(pattern));
        allow(&["ssm:GetParameters", "ssm:GetParametersByPath"], both.into_iter().map(|p| self.parameter(p)).collect());
        allow(&["ssm:GetParameters"], only_read.into_iter().map(|p| self.parameter(p)).collect());
        allow(&["ssm:GetParametersByPath"], only_path.map(|p| self.parameter(p)).collect());
        allow(&["secretsmanager:GetSecretValue"], secrets.iter().map(of_secrets).collect());
        statements.extend(self.denials(denials));
        statements.extend(self.decryption(reads, !secrets.is_empty(), keys, aliases));
        Document::new(statements)
    }

    /// Denies what is deeper than the globs reach. A path there is one whose parameters are there too if the pattern is open
    /// at its end.
    fn denials(&self, denials: &Denials) -> Vec<Statement> {
        let (open, closed): (Vec<_>, Vec<_>) = denials.deeper.iter().partition(|pattern| pattern.name.ends_with('*'));
        let flat = denials.flat.iter().collect();
        [
            ("ssm:GetParameters*", open, false),
            ("ssm:GetParameters", closed, false),
            ("ssm:GetParametersByPath", flat, true),
        ]
        .into_iter()
        .filter(|(_, patterns, _)| !patterns.is_empty())
        .map(|(action, patterns, is_recursive)| {
            let deny = Statement::deny([action], patterns.into_iter().map(|pattern| self.parameter(pattern)));
            if is_recursive { deny.when("StringEquals", "ssm:Recursive", ["true"]) } else { deny }
        })
        .collect()
    }

    fn decryption(&self, reads: &[Pattern], secrets: bool, keys: &[Pattern], aliases: &[Pattern]) -> Vec<Statement> {
        let decrypt = |resources: Vec<String>| Statement::allow(["kms:Decrypt"], resources);
        let any = || decrypt(vec!["*".to_owned()]);
        if self.any_key {
            return vec![any()];
        }
        let mut statements = Vec::new();
        let region = &self.scope.region;
        let mut services = Vec::new();
        if !reads.is_empty() && self.context {
            let statement = any().when("StringLike", "kms:EncryptionContext:PARAMETER_ARN", self.contexts(reads));
            statements.push(match self.decryption {
                Decryption::ViaSsm => statement.when("StringEquals", "kms:ViaService", [via_service("ssm", region)]),
                Decryption::Direct => statement,
            });
        } else if !reads.is_empty() {
            services.push(via_service("ssm", region));
        }
        if secrets {
            services.push(via_service("secretsmanager", region));
        }
        if !services.is_empty() {
            statements.push(any().when("StringEquals", "kms:ViaService", services));
        }
        if !keys.is_empty() {
            let arn = |key: &Pattern| self.arn("kms", &key.account, &format!("key/{}", key.name));
            statements.push(decrypt(keys.iter().map(arn).collect()));
        }
        for of_account in aliases.chunk_by(|one, other| one.account == other.account) {
            let names = of_account.iter().map(|alias| format!("alias/{}", alias.name));
            let keys = self.arn("kms", &of_account[0].account, "key/*");
            statements.push(decrypt(vec![keys]).when("StringLike", "kms:RequestAlias", names));
        }
        statements
    }

    /// Returns the values of the encryption context. The own account is written out beside a wildcard for it, since users saw
    /// KMS refuse contexts whose pattern has a wildcard there.
    fn contexts(&self, reads: &[Pattern]) -> Vec<String> {
        let own = &self.scope.account;
        let spelled = |pattern: &Pattern| {
            let own = (pattern.account != *own && covers(&pattern.account, own))
                .then(|| self.parameter(&Pattern { account: own.clone(), name: pattern.name.clone() }));
            own.into_iter().chain([self.parameter(pattern)])
        };
        let references = format!("{}/", REFERENCES.join("/"));
        let encrypted = reads.iter().filter(|pattern| !pattern.name.starts_with(&references));
        let mut contexts: Vec<_> = encrypted.flat_map(spelled).collect();
        contexts.sort_unstable();
        contexts.dedup();
        contexts
    }
}

/// What a policy denies of what it allows.
#[derive(Clone, Debug, Default)]
struct Denials {
    /// Parameters and paths deeper than the globs reach.
    deeper: Vec<Pattern>,
    /// Paths that may be listed, but not with what is further down (Systems Manager User Guide, "Preventing access to Parameter
    /// Store API operations").
    flat: Vec<Pattern>,
}

/// Returns the policy with as many denials as fit, or `None` if it is too long without any.
fn with_denials(lists: &Lists, form: &Form<'_>, resources: &[Resource<'_>]) -> Option<String> {
    let mut json = form.document(lists, &Denials::default()).compact();
    if json.len() > form.longest {
        return None;
    }
    let granted: Vec<_> = resources.iter().map(tokens).collect();
    let mut comparisons = 0;
    let mut is_granted = |pattern: &Pattern| {
        let pattern = iam_tokens(&format!("{}/{}", pattern.account, pattern.name));
        granted.iter().any(|granted| {
            comparisons += pattern.len() * granted.len();
            comparisons > MOST_COMPARISONS || overlap(&pattern, granted)
        })
    };
    let [reads, paths, ..] = &lists.0;
    let deeper = reads.iter().flat_map(deeper).map(|pattern| (pattern, None));
    let flat = paths.iter().map(|path| {
        let slash = if path.name.is_empty() { "" } else { "/" };
        (Pattern { account: path.account.clone(), name: format!("{}{slash}*/*", path.name) }, Some(path.clone()))
    });
    let mut denials = Denials::default();
    for (denied, path) in deeper.chain(flat) {
        if is_granted(&denied) {
            continue;
        }
        match path {
            Some(path) => denials.flat.push(path),
            None => denials.deeper.push(denied),
        }
        let longer = form.document(lists, &denials).compact();
        if longer.len() > form.longest {
            break;
        }
        json = longer;
    }
    Some(json)
}

/// Returns the steps of what a glob matches, behind its account.
fn tokens(resource: &Resource<'_>) -> Vec<Token> {
    let mut tokens = iam_tokens(&resource.account);
    tokens.push(Token::Is('/'));
    tokens.extend(glob_tokens(&resource.segments));
    tokens
}

/// Returns what a pattern matches beyond the globs that it was made from, as long as these have no folders: each of its
/// wildcards may stand for a `/`.
fn deeper(pattern: &Pattern) -> impl Iterator<Item = Pattern> {
    let wildcards = pattern.name.char_indices().filter_map(|(at, character)| match character {
        '*' => Some((at, "*/*")),
        '?' => Some((at, "/")),
        _ => None,
    });
    wildcards.map(|(at, deeper)| {
        let name = format!("{}{deeper}{}", &pattern.name[..at], &pattern.name[at + 1..]);
        Pattern { account: pattern.account.clone(), name }
    })
}

/// Says what was widened, in one sentence of bounded length.
fn sentence(wider: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    if wider.is_empty() {
        return None;
    }
    let shown: Vec<_> = wider.iter().take(SHOWN).map(|name| shortened(name)).collect();
    let more = match wider.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "The access rules are too long for a session policy, which has at most 2,048 characters, so AWS lets sessions read \
         more than the rules grant ({}{more}) and only the operator refuses that; use fewer, shorter or more similar globs.",
        shown.join(", ")
    ))
}
