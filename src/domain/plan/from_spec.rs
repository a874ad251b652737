//! From a spec and the rules of its store to a plan, or to a refusal.

use crate::api::{DataFromEntry, Reason, SecureParameterSpec, ValueOptions};
use crate::domain::{
    access::read_authority::ReadAuthority,
    parameter::{
        arn::ArnParts,
        name::{ParameterRef, is_possible, is_too_long},
        path_query::PathQuery,
        scope::Scope,
        selector::Selector,
    },
    plan::{
        compiled::CompiledSpec,
        name_filter::NameFilter,
        types::{FieldSource, KeySource, Lookups, PathSource, Place, Plan, PlannedSource, Source},
    },
    report::{fault::Fault, text::shortened},
    secret::json_path::JsonPath,
    steps,
};

/// Plans the reads of an object. `compiled` is made of this spec.
///
/// # Errors
/// `PolicyDenied` with everything that no rule grants; `InvalidSpec` for what depends on the store.
pub(crate) fn plan(
    spec: &SecureParameterSpec,
    compiled: &CompiledSpec,
    authority: &ReadAuthority<'_>,
) -> Result<Plan, Fault> {
    let sources = sources(spec, compiled, authority)?;
    let plan = Plan {
        lookups: Lookups::of(&sources),
        sources,
        key_conflicts: spec.key_conflicts.unwrap_or_default(),
        templates: compiled.templates.clone(),
        merge_policy: spec.merge_policy(),
        secret_type: spec.secret_type().to_owned(),
        shape: compiled.shape,
        data_shape: compiled.data_shape,
    };
    check_access(&plan, authority)?;
    Ok(plan)
}

/// Returns all sources in the order in which later ones override earlier ones.
fn sources(
    spec: &SecureParameterSpec,
    compiled: &CompiledSpec,
    authority: &ReadAuthority<'_>,
) -> Result<Vec<PlannedSource>, Fault> {
    debug_assert_eq!(
        (spec.data.len(), spec.data_from.len()),
        (compiled.data_paths.len(), compiled.filters.len()),
        "compiled of another spec"
    );
    let compiled_from = compiled.filters.iter().zip(&compiled.data_from_paths);
    let data_from =
        spec.data_from.iter().zip(compiled_from).enumerate().map(|(index, (entry, (filter, json_path)))| {
            data_from_source(Place::DataFrom(index), entry, filter.clone(), json_path.clone(), authority)
        });
    let data = spec.data.iter().zip(&compiled.data_paths).map(|(entry, json_path)| {
        let place = Place::Data(entry.key.clone());
        let source = source(place, &entry.parameter, &entry.value, json_path.clone(), authority)?;
        Ok(PlannedSource::Key(KeySource { key: entry.key.clone(), source }))
    });
    data_from.chain(data).collect()
}

/// Plans one entry of `spec.dataFrom`.
fn data_from_source(
    place: Place,
    entry: &DataFromEntry,
    filter: NameFilter,
    json_path: Option<JsonPath>,
    authority: &ReadAuthority<'_>,
) -> Result<PlannedSource, Fault> {
    let mapping = entry.keys.clone();
    match (&entry.parameter, &entry.path) {
        (Some(parameter), None) => {
            let format = entry.format.ok_or_else(|| invalid(format!("{place} needs a format: JSON or Dotenv.")))?;
            let source = source(place, parameter, &entry.value, json_path, authority)?;
            Ok(PlannedSource::Fields(FieldSource { source, format, filter, mapping }))
        }
        (None, Some(path)) => {
            let query = PathQuery {
                path: checked_path(&place, path, authority)?,
                recursive: entry.recursive.unwrap_or_default(),
                label: entry.value.label.clone(),
            };
            let optional = entry.value.optional.unwrap_or_default();
            Ok(PlannedSource::Path(PathSource { place, query, filter, mapping, optional }))
        }
        _ => Err(invalid(format!("{place} needs exactly one of parameter and path."))),
    }
}

/// Plans the options of a value that `data` and `dataFrom` share.
fn source(
    place: Place,
    parameter: &str,
    value: &ValueOptions,
    json_path: Option<JsonPath>,
    authority: &ReadAuthority<'_>,
) -> Result<Source, Fault> {
    steps::count(parameter.len());
    let name = checked_name(&place, parameter, authority)?;
    let parameter_ref = parameter_ref(&place, &name, selector(&place, value)?, authority.scope)?;
    let previous = value.previous.unwrap_or_default();
    if previous && (parameter_ref.selector.is_some() || parameter_ref.is_reference()) {
        let message =
            "previous cannot be combined with a version, a label or a secret of Secrets Manager; remove one of them";
        return Err(invalid(format!("{place}: {message}.")));
    }
    Ok(Source {
        previous,
        optional: value.optional.unwrap_or_default(),
        kms_decrypt: value.kms_decrypt.clone(),
        json_path,
        decode: value.decode,
        ..Source::of(place, parameter_ref)
    })
}

fn selector(place: &Place, value: &ValueOptions) -> Result<Option<Selector>, Fault> {
    match (value.version, &value.label) {
        (Some(_), Some(_)) => Err(invalid(format!("{place} has a version and a label; remove one of them."))),
        (Some(version), None) => Ok(Some(Selector::Version(version))),
        (None, Some(label)) => Ok(Some(Selector::Label(label.clone()))),
        (None, None) => Ok(None),
    }
}

/// Returns a name or path with the prefix of the store, if Parameter Store can have it.
fn checked_name(place: &Place, name: &str, authority: &ReadAuthority<'_>) -> Result<String, Fault> {
    let full = authority.full_name(name);
    let (within_account, limits) = match ArnParts::parse(&full) {
        Some(arn) if arn.is_complete() => (arn.name, false),
        Some(_) => ("", false),
        None => (full.as_str(), true),
    };
    if !is_possible(within_account) {
        return Err(invalid(format!(
            "{place}: {} is no name that Parameter Store can have; correct it.",
            shortened(name)
        )));
    }
    if !limits || !is_too_long(&full) {
        return Ok(full);
    }
    Err(invalid(format!(
        "{place}: {} has more than 15 levels or 1,011 characters with the prefix of {}; use a shorter name.",
        shortened(&full),
        authority.store
    )))
}

/// Returns a path with the prefix of the store and without a slash at its end.
fn checked_path(place: &Place, path: &str, authority: &ReadAuthority<'_>) -> Result<String, Fault> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if !path.starts_with('/') {
        return Err(invalid(format!("{place}: a path begins with / and names at least one level; correct it.")));
    }
    checked_name(place, path, authority)
}

fn parameter_ref(place: &Place, name: &str, selector: Option<Selector>, scope: &Scope) -> Result<ParameterRef, Fault> {
    check_place(place, name, scope)?;
    let parameter_ref = ParameterRef::new(name, selector, scope);
    if !parameter_ref.is_reference() {
        return Ok(parameter_ref);
    }
    match (scope.own_name(&parameter_ref.arn), &parameter_ref.selector) {
        (_, Some(Selector::Version(_))) => Err(invalid(format!(
            "{place}: secret {name} of Secrets Manager has no version numbers; use label for one of its stages."
        ))),
        (Some(_), _) => Ok(parameter_ref),
        (None, _) => Err(invalid(format!(
            "{place}: {name} is a secret of Secrets Manager in another account, which cannot be read through Parameter \
             Store; use a store of that account."
        ))),
    }
}

/// Checks that the endpoint of the store can know a parameter. It knows those of other accounts too.
fn check_place(place: &Place, name: &str, scope: &Scope) -> Result<(), Fault> {
    let Some(ArnParts { partition, region, .. }) = ArnParts::parse(name) else { return Ok(()) };
    if partition != scope.partition {
        return Err(invalid(format!(
            "{place}: parameter {name} is in partition {partition}, but the identity of the store belongs to partition {}; \
             use a store with an identity of that partition.",
            scope.partition
        )));
    }
    if region != scope.region {
        return Err(invalid(format!(
            "{place}: parameter {name} is in region {region}, but the store reads region {}; use a store of that region.",
            scope.region
        )));
    }
    Ok(())
}

/// Checks that the store grants everything that is named.
fn check_access(plan: &Plan, authority: &ReadAuthority<'_>) -> Result<(), Fault> {
    authority.check(plan.values().map(|source| &source.parameter_ref))?;
    plan.paths().try_for_each(|path| authority.check_path(&path.query))?;
    let mut kms_decrypt = plan.values().filter_map(|source| source.kms_decrypt.as_ref());
    kms_decrypt.try_for_each(|kms_decrypt| authority.check_kms_key(kms_decrypt.key_id.as_deref()))
}

fn invalid(message: String) -> Fault {
    Fault::new(Reason::InvalidSpec, message)
}

/// Plans the reads of a spec that is compiled for that, for tests.
#[cfg(test)]
pub(crate) fn plan_of(spec: &SecureParameterSpec, authority: &ReadAuthority<'_>) -> Result<Plan, Fault> {
    plan(spec, &CompiledSpec::new(spec)?, authority)
}

/// Plans the reads of the named parameters alone, for tests of later stages.
#[cfg(test)]
pub(crate) fn plan_of_keys(keys: impl IntoIterator<Item = (String, Source)>) -> Plan {
    let sources = keys.into_iter().map(|(key, source)| PlannedSource::Key(KeySource { key, source }));
    Plan { sources: sources.collect(), secret_type: "Opaque".into(), ..Plan::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{
            AccessRule, DataEntry, Format, KeyConflicts, KmsDecrypt, MergePolicy, NamespaceMatch, NamespacesFrom,
            Target, Template,
        },
        domain::access::{grant::Grant, namespace::Namespace},
    };

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    fn spec(entries: &[DataEntry]) -> SecureParameterSpec {
        SecureParameterSpec { data: entries.to_vec(), ..SecureParameterSpec::default() }
    }

    fn plan_with(spec: &SecureParameterSpec, grant: Option<&Grant>, prefix: &str) -> Result<Plan, Fault> {
        let scope = scope();
        let store = "ClusterParameterStore default";
        super::plan_of(spec, &ReadAuthority { scope: &scope, prefix, grant, namespace: "shop", store })
    }

    fn plan(spec: &SecureParameterSpec, grant: Option<&Grant>) -> Result<Plan, Fault> {
        plan_with(spec, grant, "")
    }

    fn entry(key: &str, parameter: &str) -> DataEntry {
        DataEntry { key: key.into(), parameter: parameter.into(), ..DataEntry::default() }
    }

    fn grant(glob: &str) -> Grant {
        let namespaces = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
        let rules = [AccessRule { namespaces, parameters: vec![glob.into()], ..AccessRule::default() }];
        Grant::new(&rules, &Namespace { name: "shop".into(), ..Namespace::default() }).expect("a valid glob")
    }

    #[test]
    fn one_parameter_under_several_spellings_is_read_once() {
        let arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/x";
        let spec = spec(&[entry("a", "x"), entry("b", "/x"), entry("c", arn)]);
        let plan = plan(&spec, None).expect("a plan");
        assert_eq!((plan.reads().len(), plan.sources.len()), (1, 3));
    }

    #[test]
    fn a_read_is_optional_only_if_all_its_keys_are() {
        let value = ValueOptions { optional: Some(true), ..ValueOptions::default() };
        let optional = DataEntry { value: value.into(), ..entry("a", "/x") };
        let only = plan(&spec(std::slice::from_ref(&optional)), None).expect("a plan");
        assert_eq!(only.reads().into_values().map(|read| read.optional).collect::<Vec<_>>(), [true]);
        let both = plan(&spec(&[optional, entry("b", "/x")]), None).expect("a plan");
        assert_eq!(both.reads().into_values().map(|read| read.optional).collect::<Vec<_>>(), [false]);
    }

    #[test]
    fn all_denied_names_are_listed_at_once() {
        let spec = spec(&[entry("a", "/shop/a"), entry("b", "/other/b"), entry("c", "/other/c")]);
        let fault = plan(&spec, Some(&grant("/shop/**")));
        let fault = fault.expect_err("a refusal");
        assert_eq!(fault.reason, Reason::PolicyDenied);
        for part in ["/other/b, /other/c", "Namespace shop", "ClusterParameterStore default"] {
            assert!(fault.message.contains(part), "{} lacks {part}", fault.message);
        }
        assert!(!fault.message.contains("/shop/a"));
    }

    #[test]
    fn a_parameter_of_another_region_or_partition_is_refused_with_the_reason() {
        let other_partition = "but the identity of the store belongs to partition aws; use a store with an identity of that \
                               partition.";
        for (arn, expected) in [
            (
                "arn:aws:ssm:us-east-1:111122223333:parameter/x",
                "is in region us-east-1, but the store reads region eu-central-1; use a store of that region."
                    .to_owned(),
            ),
            (
                "arn:aws-cn:ssm:eu-central-1:111122223333:parameter/x",
                format!("is in partition aws-cn, {other_partition}"),
            ),
            (
                "arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/x",
                format!("is in partition aws-us-gov, {other_partition}"),
            ),
        ] {
            let fault = plan(&spec(&[entry("a", arn)]), None).expect_err("a refusal");
            assert_eq!(fault.reason, Reason::InvalidSpec);
            assert!(fault.message.ends_with(&format!("parameter {arn} {expected}")), "{}", fault.message);
        }
        // An ARN of another account goes to AWS as it is.
        let shared = "arn:aws:ssm:eu-central-1:999999999999:parameter/x";
        let plan = plan(&spec(&[entry("a", shared)]), None).expect("a plan");
        assert_eq!(plan.reads().into_keys().map(ParameterRef::request_name).collect::<Vec<_>>(), [shared]);
    }

    #[test]
    fn the_prefix_of_the_store_comes_before_names_and_paths_and_is_granted_with_them() {
        let mut spec = spec(&[entry("a", "/shop/a")]);
        spec.data_from = vec![DataFromEntry { path: Some("/shop/db/".into()), ..DataFromEntry::default() }];
        let plan = plan_with(&spec, Some(&grant("/prod/shop/**")), "/prod").expect("a plan");
        let names: Vec<_> = plan.reads().into_keys().map(|parameter_ref| parameter_ref.name().to_string()).collect();
        assert_eq!(names, ["/prod/shop/a"]);
        assert_eq!(plan.paths().map(|path| path.query.path.as_str()).collect::<Vec<_>>(), ["/prod/shop/db"]);
        let fault = plan_with(&spec, Some(&grant("/shop/**")), "/prod").expect_err("a refusal");
        assert!(fault.message.contains("may not read /prod/shop/a:"), "{}", fault.message);
        let deep = super::tests::spec(&[entry("a", &"/x".repeat(15))]);
        assert!(plan_with(&deep, None, "").is_ok());
        let fault = plan_with(&deep, None, "/prod").expect_err("too many levels");
        assert!(fault.message.contains("15 levels") && fault.message.contains("prefix"), "{}", fault.message);
    }

    #[test]
    fn fields_and_single_keys_take_the_same_options() {
        let value = ValueOptions {
            label: Some("prod".into()),
            kms_decrypt: Some(KmsDecrypt::default()),
            json_path: Some("$.a".into()),
            optional: Some(true),
            ..ValueOptions::default()
        };
        let mut spec = spec(&[DataEntry { value: value.clone().into(), ..entry("a", "/x") }]);
        spec.data_from = vec![DataFromEntry {
            parameter: Some("/x".into()),
            format: Some(Format::Json),
            value,
            ..DataFromEntry::default()
        }];
        let plan = plan(&spec, None).expect("a plan");
        let sources: Vec<_> = plan.values().map(|s| Source { place: Place::DataFrom(0), ..s.clone() }).collect();
        assert_eq!(sources[0], sources[1]);
    }

    #[test]
    fn the_shape_changes_with_the_fields_that_shape_the_secret() {
        let base = spec(&[entry("a", "/x")]);
        let shapes_of = |spec: &SecureParameterSpec| {
            let plan = plan(spec, None).expect("a plan");
            (plan.shape, plan.data_shape)
        };
        let (shape, data_shape) = shapes_of(&base);
        let suspended = SecureParameterSpec { suspend: Some(true), ..base.clone() };
        assert_eq!(shapes_of(&suspended), (shape, data_shape));
        let labels = [("team".to_owned(), "shop".to_owned())].into();
        let labelled =
            SecureParameterSpec { target: Some(Target { labels, ..Target::default() }.into()), ..base.clone() };
        let labelled = shapes_of(&labelled);
        assert!(labelled.0 != shape && labelled.1 == data_shape);
        let template =
            Template { data: [("b".to_owned(), "x".to_owned())].into(), merge_policy: Some(MergePolicy::Replace) };
        let templated = Target { template: Some(template), ..Target::default() };
        let include = vec!["a".to_owned()];
        let path = DataFromEntry { path: Some("/x".into()), include, ..DataFromEntry::default() };
        for other in [
            spec(&[entry("b", "/x")]),
            SecureParameterSpec { key_conflicts: Some(KeyConflicts::LastWins), ..base.clone() },
            SecureParameterSpec { target: Some(templated.into()), ..base.clone() },
            SecureParameterSpec { data_from: vec![path], ..base.clone() },
        ] {
            let other = shapes_of(&other);
            assert!(other.0 != shape && other.1 != data_shape);
        }
    }
}
