//! Between plan and read: what a plan asks of Parameter Store before it is known which versions of which parameters are
//! to be read.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use crate::api::Reason;
use crate::domain::{
    Fault,
    access::read_authority::ReadAuthority,
    parameter::{
        name::{ParameterRef, Selector},
        path_query::{Children, PathQuery},
    },
    plan::plan::{Plan, Source},
    report::text::list,
};

/// What has to be looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Paths to list.
    pub listings: BTreeSet<PathQuery>,
    /// Parameters whose newest version counts, with whether all that ask can do without.
    pub newest: BTreeMap<ParameterRef, bool>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookedUp {
    /// What is below each path.
    pub listings: BTreeMap<PathQuery, Children>,
    /// Newest versions; parameters that do not exist are absent.
    pub newest: BTreeMap<ParameterRef, i64>,
}

impl Lookups {
    /// Whether nothing has to be looked up.
    pub fn is_empty(&self) -> bool {
        self.listings.is_empty() && self.newest.is_empty()
    }
}

impl Plan {
    /// What has to be looked up before the plan is complete.
    pub fn lookups(&self) -> Lookups {
        let mut lookups =
            Lookups { listings: self.paths.iter().map(|path| path.listing.clone()).collect(), ..Lookups::default() };
        for source in self.previous.values() {
            let optional = lookups.newest.entry(source.parameter_ref.clone()).or_insert(source.optional);
            *optional &= source.optional;
        }
        lookups
    }

    /// The plan with all its reads, now that it is known what there is.
    ///
    /// # Errors
    /// `PathEmpty`, `KeyCollision` and `InvalidSpec` as [`super::listing::Path::expand`] says; `VersionNotFound` for
    /// parameters without a version before the newest; `PolicyDenied` for what the store does not grant after all.
    pub fn resolve(&self, found: &LookedUp, bounds: &ReadAuthority<'_>) -> Result<Cow<'_, Self>, Fault> {
        if self.paths.is_empty() && self.previous.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let mut plan = self.clone();
        let mut first_versions = BTreeSet::new();
        for (key, source) in &self.previous {
            match found.newest.get(&source.parameter_ref) {
                Some(newest @ 2..) => {
                    let selector = Some(Selector::Version(newest - 1));
                    let parameter_ref = ParameterRef { selector, ..source.parameter_ref.clone() };
                    plan.keys.insert(key.clone(), Source { parameter_ref, ..source.clone() });
                }
                _ if source.optional => {}
                _ => drop(first_versions.insert(source.parameter_ref.to_string())),
            }
        }
        if !first_versions.is_empty() {
            let names: Vec<_> = first_versions.into_iter().collect();
            let message = format!(
                "There is no version before the newest yet of {}; set optional beside previous, or wait for the next \
                 version.",
                list(&names)
            );
            return Err(Fault::new(Reason::VersionNotFound, message));
        }
        for path in &self.paths {
            let children = found.listings.get(&path.listing).cloned().unwrap_or_default();
            path.expand(&children, &mut plan.keys)?;
        }
        bounds.check(plan.keys.values().map(|source| &source.parameter_ref))?;
        Ok(Cow::Owned(plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{AccessRule, DataEntry, DataFromEntry, NamespaceMatch, PathSource, SecureParameterSpec},
        domain::{
            access::grant::{Grant, Namespace},
            parameter::{name::Scope, revision::Metadata},
            plan::plan::plan,
        },
    };

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "r".into(), account: "1".into() }
    }

    fn parameter_ref(name: &str) -> ParameterRef {
        ParameterRef::new(name, None, &scope())
    }

    fn previous(key: &str, parameter: &str, optional: bool) -> DataEntry {
        let (previous, optional) = (Some(true), Some(optional));
        DataEntry { key: key.into(), parameter: parameter.into(), previous, optional, ..DataEntry::default() }
    }

    fn path(prefix: &str) -> DataFromEntry {
        let path = PathSource { prefix: prefix.into(), recursive: Some(true), ..PathSource::default() };
        DataFromEntry { path: Some(path), ..DataFromEntry::default() }
    }

    fn spec(data: &[DataEntry], data_from: &[DataFromEntry]) -> SecureParameterSpec {
        SecureParameterSpec { data: data.to_vec(), data_from: data_from.to_vec(), ..SecureParameterSpec::default() }
    }

    fn resolve(spec: &SecureParameterSpec, found: &LookedUp, grant: Option<&str>) -> Result<Plan, Fault> {
        let namespaces = NamespaceMatch { all: Some(true), ..NamespaceMatch::default() };
        let rules = grant.map(|glob| AccessRule { namespaces, parameters: vec![glob.into()], ..AccessRule::default() });
        let grant = rules.map(|rule| Grant::new(&[rule], &Namespace::default()).expect("a valid glob"));
        let bounds = ReadAuthority { scope: &scope(), grant: grant.as_ref(), namespace: "shop", store: "store" };
        Ok(plan(spec, &bounds)?.resolve(found, &bounds)?.into_owned())
    }

    fn newest(versions: &[(&str, i64)]) -> LookedUp {
        let newest = versions.iter().map(|(name, version)| (parameter_ref(name), *version)).collect();
        LookedUp { newest, ..LookedUp::default() }
    }

    fn listed(path: &str, names: &[&str]) -> LookedUp {
        let listing = PathQuery { path: path.into(), recursive: true, label: None };
        let children = names.iter().map(|name| (parameter_ref(name), Metadata::default())).collect::<BTreeMap<_, _>>();
        LookedUp { listings: [(listing, Children::new(children))].into(), ..LookedUp::default() }
    }

    #[test]
    fn the_previous_version_follows_the_newest() {
        let spec = spec(&[previous("OLD", "/a", false)], &[]);
        for (version, expected) in [(2, 1), (7, 6)] {
            let plan = resolve(&spec, &newest(&[("/a", version)]), None).expect("a plan");
            assert_eq!(plan.keys["OLD"].parameter_ref.selector, Some(Selector::Version(expected)));
        }
    }

    #[test]
    fn a_first_version_has_none_before_it() {
        let fault = resolve(&spec(&[previous("OLD", "/a", false)], &[]), &newest(&[("/a", 1)]), None);
        let fault = fault.expect_err("a refusal");
        assert_eq!(fault.reason, Reason::VersionNotFound);
        assert!(fault.message.contains("of /a;") && fault.message.contains("optional"), "{}", fault.message);
        for found in [newest(&[("/a", 1)]), newest(&[])] {
            let plan = resolve(&spec(&[previous("OLD", "/a", true)], &[]), &found, None).expect("a plan");
            assert!(plan.reads().is_empty());
        }
    }

    #[test]
    fn what_is_below_a_path_becomes_keys_beside_others() {
        let named = DataEntry { key: "x".into(), parameter: "/shop/a".into(), ..DataEntry::default() };
        let found = listed("/shop", &["/shop/a", "/shop/b"]);
        let plan =
            resolve(&spec(std::slice::from_ref(&named), &[path("/shop/")]), &found, Some("/shop/**")).expect("a plan");
        assert_eq!(plan.keys.keys().collect::<Vec<_>>(), ["a", "b", "x"]);
        let listed: Vec<_> = plan.reads().into_values().map(|read| (read.listed, read.optional)).collect();
        assert_eq!(listed, [(false, false), (true, true)], "what is wanted by name is looked at by name");
        let fault = resolve(&spec(&[DataEntry { key: "a".into(), ..named }], &[path("/shop")]), &found, None);
        let fault = fault.expect_err("a collision");
        assert_eq!(fault.reason, Reason::KeyCollision);
        assert!(fault.message.contains("twice from /shop/a"), "{}", fault.message);
    }

    #[test]
    fn a_path_reads_nothing_beyond_it_and_beyond_the_grant() {
        let found = listed("/shop", &["/shop/a", "/other/b"]);
        let plan = resolve(&spec(&[], &[path("/shop")]), &found, Some("/shop/**")).expect("a plan");
        assert_eq!(plan.keys.keys().collect::<Vec<_>>(), ["a"]);
        let fault = resolve(&spec(&[], &[path("/shop")]), &found, Some("/shop/a")).expect_err("a refusal");
        assert_eq!(fault.reason, Reason::PolicyDenied);
        assert!(fault.message.contains("all of /shop/**"), "{}", fault.message);
        // A grant that matches whatever may be below, as it seems, but not this name.
        let flat = PathSource { prefix: "/shop".into(), ..PathSource::default() };
        let listing = PathQuery { path: "/shop".into(), recursive: false, label: None };
        let children = found.listings.into_values().next().expect("a listing");
        let found = LookedUp { listings: [(listing, children)].into(), ..LookedUp::default() };
        let spec = spec(&[], &[DataFromEntry { path: Some(flat), ..DataFromEntry::default() }]);
        let fault = resolve(&spec, &found, Some("/shop/[!a]*")).expect_err("a refusal");
        assert_eq!(fault.reason, Reason::PolicyDenied);
        assert!(fault.message.contains("read /shop/a:"), "{}", fault.message);
    }
}
