//! From a plan and the answers to its lookups to a plan that names every read.

use std::{borrow::Cow, collections::BTreeSet};

use crate::api::Reason;
use crate::domain::{
    access::read_authority::ReadAuthority,
    parameter::selector::Selector,
    plan::{
        conflict,
        types::{FieldSource, KeySource, LookupResult, Plan, PlannedSource, Source},
    },
    report::{fault::Fault, text::list},
};

impl Plan {
    /// Returns the plan with all its reads, now that lookups are answered.
    ///
    /// # Errors
    /// `PathEmpty`, `KeyCollision` and `InvalidSpec` as for [`super::types::PathSource::expand`]; `KeyCollision` between
    /// entries of the spec; `VersionNotFound` for parameters without a version before the newest; `PolicyDenied` for
    /// parameters that the store does not grant.
    pub(crate) fn resolve(&self, found: &LookupResult, authority: &ReadAuthority<'_>) -> Result<Cow<'_, Self>, Fault> {
        if self.lookups.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let (mut sources, mut first_versions) = (Vec::new(), BTreeSet::new());
        for planned in &self.sources {
            match planned {
                PlannedSource::Path(path) => {
                    let children = found.listings.get(&path.query).cloned().unwrap_or_default();
                    sources.extend(path.expand(&children)?.into_iter().map(PlannedSource::Key));
                }
                PlannedSource::Key(KeySource { source, .. }) | PlannedSource::Fields(FieldSource { source, .. }) => {
                    match with_version(source, found) {
                        Some(source) => sources.push(planned.with(source)),
                        None if source.optional => {}
                        None => drop(first_versions.insert(source.parameter_ref.to_string())),
                    }
                }
            }
        }
        if !first_versions.is_empty() {
            return Err(no_previous(&first_versions.into_iter().collect::<Vec<_>>()));
        }
        authority.check(sources.iter().filter_map(PlannedSource::value).map(|source| &source.parameter_ref))?;
        Ok(Cow::Owned(self.with_sources(conflict::settle(sources, self.key_conflicts)?)))
    }
}

impl PlannedSource {
    /// Returns the same with another source of its value.
    fn with(&self, source: Source) -> Self {
        match self {
            Self::Key(key) => Self::Key(KeySource { source, ..key.clone() }),
            Self::Fields(fields) => Self::Fields(FieldSource { source, ..fields.clone() }),
            Self::Path(path) => Self::Path(path.clone()),
        }
    }
}

/// Returns a source with the version that `previous` means, now that the newest is known; `None` if there is no version
/// before it.
fn with_version(source: &Source, found: &LookupResult) -> Option<Source> {
    if !source.previous {
        return Some(source.clone());
    }
    let newest = found.newest.get(&source.parameter_ref).copied().filter(|newest| *newest > 1)?;
    let selector = Some(Selector::Version(newest - 1));
    let parameter_ref = source.parameter_ref.with_selector(selector);
    Some(Source { parameter_ref, previous: false, ..source.clone() })
}

fn no_previous(names: &[String]) -> Fault {
    let message = format!(
        "There is no previous version yet of {}; set optional together with previous, or wait for the next version.",
        list(names)
    );
    Fault::new(Reason::VersionNotFound, message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        api::{
            AccessRule, DataEntry, DataFromEntry, KeyConflicts, NamespaceMatch, NamespacesFrom, SecureParameterSpec,
            ValueOptions,
        },
        domain::{
            access::{grant::Grant, namespace::Namespace},
            parameter::{
                name::ParameterRef,
                path_query::{Children, PathQuery},
                revision::Metadata,
                scope::Scope,
            },
            plan::from_spec::plan_of,
        },
    };

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "r".into(), account: "1".into() }
    }

    fn parameter_ref(name: &str) -> ParameterRef {
        ParameterRef::new(name, None, &scope())
    }

    fn entry(key: &str, parameter: &str, value: ValueOptions) -> DataEntry {
        DataEntry { key: key.into(), parameter: parameter.into(), value: value.into() }
    }

    fn previous(key: &str, parameter: &str, optional: bool) -> DataEntry {
        let value = ValueOptions { previous: Some(true), optional: Some(optional), ..ValueOptions::default() };
        entry(key, parameter, value)
    }

    fn path(path: &str) -> DataFromEntry {
        DataFromEntry { path: Some(path.into()), recursive: Some(true), ..DataFromEntry::default() }
    }

    fn spec(data: &[DataEntry], data_from: &[DataFromEntry]) -> SecureParameterSpec {
        SecureParameterSpec { data: data.to_vec(), data_from: data_from.to_vec(), ..SecureParameterSpec::default() }
    }

    fn resolve(spec: &SecureParameterSpec, found: &LookupResult, grant: Option<&str>) -> Result<Plan, Fault> {
        let namespaces = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
        let rules = grant.map(|glob| AccessRule { namespaces, parameters: vec![glob.into()], ..AccessRule::default() });
        let grant = rules.map(|rule| Grant::new(&[rule], &Namespace::default()).expect("a valid glob"));
        let scope = scope();
        let authority =
            ReadAuthority { scope: &scope, prefix: "", grant: grant.as_ref(), namespace: "shop", store: "store" };
        Ok(plan_of(spec, &authority)?.resolve(found, &authority)?.into_owned())
    }

    fn newest(versions: &[(&str, i64)]) -> LookupResult {
        let newest = versions.iter().map(|(name, version)| (parameter_ref(name), *version)).collect();
        LookupResult { newest, ..LookupResult::default() }
    }

    fn listed(paths: &[(&str, &[&str])]) -> LookupResult {
        let listing = |(path, names): &(&str, &[&str])| {
            let query = PathQuery { path: (*path).into(), recursive: true, label: None };
            let children = names.iter().map(|name| (parameter_ref(name), Metadata::default()));
            (query, Children::new(children.collect::<BTreeMap<_, _>>()))
        };
        LookupResult { listings: paths.iter().map(listing).collect(), ..LookupResult::default() }
    }

    /// The keys of a plan, each with its parameter, in order.
    fn keys(plan: &Plan) -> Vec<(&str, String)> {
        let keys = plan.sources.iter().map(|source| match source {
            PlannedSource::Key(key) => (key.key.as_str(), key.source.parameter_ref.to_string()),
            PlannedSource::Fields(_) | PlannedSource::Path(_) => ("", String::new()),
        });
        keys.collect()
    }

    #[test]
    fn the_previous_version_follows_the_newest() {
        let spec = spec(&[previous("OLD", "/a", false)], &[]);
        for (version, expected) in [(2, "/a:1"), (7, "/a:6")] {
            let plan = resolve(&spec, &newest(&[("/a", version)]), None).expect("a plan");
            assert_eq!(keys(&plan), [("OLD", expected.to_owned())]);
            assert_eq!(plan.reads().len(), 1);
        }
    }

    #[test]
    fn a_first_version_has_no_previous_one() {
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
    fn parameters_below_a_path_become_keys_beside_others() {
        let named = entry("x", "/shop/a", ValueOptions::default());
        let found = listed(&[("/shop", &["/shop/a", "/shop/b"])]);
        let plan =
            resolve(&spec(std::slice::from_ref(&named), &[path("/shop/")]), &found, Some("/shop/**")).expect("a plan");
        assert_eq!(keys(&plan).iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["a", "b", "x"]);
        assert!(plan.has_paths(), "the path is still watched");
        let listed: Vec<_> = plan.reads().into_values().map(|read| (read.listed, read.optional)).collect();
        assert_eq!(listed, [(false, false), (true, true)], "a parameter that data names is polled by name");
        let fault = resolve(&spec(&[DataEntry { key: "a".into(), ..named }], &[path("/shop")]), &found, None);
        let fault = fault.expect_err("a collision");
        assert_eq!(fault.reason, Reason::KeyCollision);
        for part in ["twice from /shop/a", "spec.dataFrom[0].keys", "LastWins"] {
            assert!(fault.message.contains(part), "{} lacks {part}", fault.message);
        }
    }

    #[test]
    fn later_sources_override_earlier_ones_and_data_overrides_all() {
        let data = [entry("c", "/own/c", ValueOptions::default())];
        let layered = SecureParameterSpec {
            key_conflicts: Some(KeyConflicts::LastWins),
            ..spec(&data, &[path("/base"), path("/prod")])
        };
        let found = listed(&[("/base", &["/base/a", "/base/b", "/base/c"]), ("/prod", &["/prod/b", "/prod/c"])]);
        let plan = resolve(&layered, &found, None).expect("a plan");
        let expected = [("a", "/base/a"), ("b", "/prod/b"), ("c", "/own/c")].map(|(key, name)| (key, name.to_owned()));
        assert_eq!(keys(&plan), expected);
        let names: Vec<_> = plan.reads().into_keys().map(ToString::to_string).collect();
        assert_eq!(names, ["/base/a", "/own/c", "/prod/b"], "what is overridden is not read");
    }

    #[test]
    fn an_optional_entry_overrides_only_if_its_parameter_exists() {
        let optional = ValueOptions { optional: Some(true), ..ValueOptions::default() };
        let layered = SecureParameterSpec {
            key_conflicts: Some(KeyConflicts::LastWins),
            ..spec(&[entry("a", "/own/a", optional)], &[path("/base")])
        };
        let plan = resolve(&layered, &listed(&[("/base", &["/base/a"])]), None).expect("a plan");
        assert_eq!(keys(&plan), [("a", "/base/a".to_owned()), ("a", "/own/a".to_owned())]);
    }

    #[test]
    fn a_path_reads_nothing_beyond_it_and_beyond_the_grant() {
        let found = listed(&[("/shop", &["/shop/a", "/other/b"])]);
        let plan = resolve(&spec(&[], &[path("/shop")]), &found, Some("/shop/**")).expect("a plan");
        assert_eq!(keys(&plan), [("a", "/shop/a".to_owned())]);
        let fault = resolve(&spec(&[], &[path("/shop")]), &found, Some("/shop/a")).expect_err("a refusal");
        assert_eq!(fault.reason, Reason::PolicyDenied);
        assert!(fault.message.contains("all of /shop/**"), "{}", fault.message);
        // The parameter of another account is not below the path.
        let shared = "arn:aws:ssm:r:9:parameter/shop/a";
        let foreign = ParameterRef::new(shared, None, &scope());
        let query = PathQuery { path: "/shop".into(), recursive: true, label: None };
        let children = Children::new([(foreign, Metadata::default())].into());
        let found = LookupResult { listings: [(query, children)].into(), ..LookupResult::default() };
        let fault = resolve(&spec(&[], &[path("/shop")]), &found, Some("/shop/**")).expect_err("a refusal");
        assert_eq!(fault.reason, Reason::PathEmpty);
    }
}
