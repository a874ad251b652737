//! Globs of access rules on the KMS keys that encrypt parameters.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{access::glob::Glob, parameter::scope::Scope};

/// What aliases lead to at present: the ARN of a key for each alias that KMS described, by the text of its glob.
pub(crate) type Aliases = BTreeMap<String, String>;

/// A glob on aliases of the store's own account and region, or on ARNs of keys and aliases.
#[derive(Clone, Debug)]
pub(crate) struct KeyGlob(Glob);

impl KeyGlob {
    /// Returns a glob on keys.
    pub(crate) const fn new(glob: Glob) -> Self {
        Self(glob)
    }

    /// Reports whether the glob matches one of the ARNs by which a key is known.
    pub(crate) fn is_match(&self, arns: &[Arc<str>], scope: &Scope) -> bool {
        let is_on_arns = self.0.text().starts_with("arn:");
        let matches = |arn: &Arc<str>| {
            let name = if is_on_arns { Some(&**arn) } else { own_alias(arn, scope) };
            name.is_some_and(|name| self.0.is_match(name))
        };
        arns.iter().any(matches)
    }

    /// Reports whether the glob is an alias that leads to one of these keys at present. A key that is known by an alias
    /// alone does not count: it may have been another key when the value was written.
    pub(crate) fn leads_to(&self, arns: &[Arc<str>], aliases: &Aliases) -> bool {
        let key = self.alias().and_then(|alias| aliases.get(alias));
        key.is_some_and(|key| arns.iter().any(|arn| **arn == **key))
    }

    /// Returns the alias that the glob is, in a form that KMS takes; `None` for an ARN of a key and for wildcards.
    pub(crate) fn alias(&self) -> Option<&str> {
        let text = self.0.text();
        let is_alias = text.starts_with("alias/") || text.contains(":alias/");
        (is_alias && !text.contains(['*', '?'])).then_some(text)
    }

    /// Reports whether the glob may match an alias.
    pub(crate) fn is_on_aliases(&self) -> bool {
        let text = self.0.text();
        !text.starts_with("arn:") || !text.contains(":key/")
    }
}

/// Returns an alias of the store's own account and region as `alias/<name>`.
fn own_alias<'a>(arn: &'a str, Scope { partition, region, account }: &Scope) -> Option<&'a str> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let &["arn", its_partition, "kms", its_region, its_account, alias] = parts.as_slice() else { return None };
    let is_own = (its_partition, its_region, its_account) == (partition.as_str(), region.as_str(), account.as_str());
    (is_own && alias.starts_with("alias/")).then_some(alias)
}
