//! Work grows no faster than its input: what a tenant writes twice as long takes at most 2.2 times as many steps. Steps are
//! counted by the code itself, or by the fuel of templates; seconds would depend on the machine.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write, sync::Arc};

use proptest::{prelude::Just, prop_oneof, sample::select};

use crate::{
    api::{
        AccessRule, DataEntry, DataFromEntry, KeyConflicts, KeyMapping, KeyStyle, NamespaceMatch, NamespacesFrom,
        SecureParameterSpec, ValueOptions,
    },
    domain::{
        access::{glob, grant::Grant, namespace::Namespace, read_authority::ReadAuthority},
        parameter::{
            path_query::{Children, PathQuery},
            revision::Metadata,
        },
        plan::{compiled::CompiledSpec, from_spec::plan, types::LookupResult},
        property_tests::{check, concatenation, parameter_ref, scope},
        secret::{
            content::{Content, Data},
            dotenv, json, json_path, key_name,
            template::Templates,
        },
        steps,
    },
};

const DOTENV: &[&str] = &[
    "A=b", "\n", "\n", " ", "#", "'", "'", "\"", "\"", "\\", "\\'", "'\\''", "\\\"", "=", "é", "A='", "A=\"", "'\n",
    "\"\n",
];
const FIELDS: &[&str] = &["1", "\"a\"", "[[[]]]", "{\"b\": {}}", "\"\\n\\u0041\\\\\"", " null ", "1.10", "[1, 2, 3]"];
const GLOBS: &[&str] = &["*", "*a", "**", "/", "?", "a", "a*", "é"];
const NAMES: &[&str] = &["a", "b", "/", "aa", "é", "a/a"];

/// Checks that twice the input takes at most 2.2 times the steps.
fn is_linear(what: &str, size: usize, work: impl Fn(usize) -> usize) {
    let (once, twice) = (work(size), work(2 * size));
    assert!(once > 0 && 10 * twice <= 22 * once + 500, "{what}: {once} steps for {size}, {twice} for twice as much");
}

#[test]
fn dotenv_takes_time_linear_in_the_text() {
    check(500, concatenation(DOTENV, 8), |piece| {
        for lead in ["", "A='", "A=\"", "A='\\'"] {
            let text = |count: usize| format!("{lead}{}", format!("{piece}.").repeat(count));
            is_linear(&format!("{lead}{piece:?}"), 200, |count| steps::of(|| dotenv::parse(&text(count)).is_ok()));
        }
    });
    for line in
        ["A=b\n", "A='b\nc'\n", "# A\n", "\n", "A='it\\'s'\n", "A='a'\\''b'\n", "A=\"\\n\\!\"\n", "A='\\'\\''\n"]
    {
        let work = |count: usize| steps::of(|| dotenv::parse(&line.repeat(count)).map(|fields| fields.len()));
        is_linear(line, 200, work);
    }
}

/// Writes an object with so many fields.
fn object(count: usize, value: &str) -> String {
    let mut text = String::from("{");
    for number in 0..count {
        let _ = write!(text, "\"{number:06}\": {value}, ");
    }
    text + "\"last\": 1}"
}

/// Writes a value within so many arrays and objects in turn.
fn nested(depth: usize) -> String {
    format!("{}1{}", "[0, {\"a\": ".repeat(depth), "}]".repeat(depth))
}

#[test]
fn json_takes_time_linear_in_the_text() {
    for value in FIELDS {
        let fields = |count| steps::of(|| json::fields(&object(count, value)).map(|fields| fields.len()));
        is_linear(value, 500, fields);
        let path = json_path::parse("$.last").expect("a path");
        is_linear(value, 500, |count| steps::of(|| path.find(&object(count, value)).is_ok()));
        let data = |count| object(count, value);
        is_linear(value, 500, |count| steps::of(|| rendered("{{ (A | fromjson).last }}", &data(count))));
    }
    is_linear("a deep value", 100, |depth| steps::of(|| json::fields(&format!("{{\"a\": {}}}", nested(depth)))));
    let unfound = json_path::parse("$[-1].a[-1].a[-1].b").expect("a path");
    is_linear("a deep search", 100, |depth| steps::of(|| unfound.find(&nested(depth)).is_ok()));
}

#[test]
fn a_json_path_takes_time_linear_in_path_and_value() {
    let work = |depth: usize| {
        let path = format!("${}", "[-1].a".repeat(depth));
        let path = json_path::parse(&path).expect("a path");
        steps::of(|| path.find(&nested(depth)).expect("a node"))
    };
    is_linear("a path as deep as the value", 16, work);
    for step in [".abc", "['a\\u0062c']", "[12]", "[ 1 ]"] {
        is_linear(step, 30, |count| steps::of(|| json_path::parse(&format!("${}", step.repeat(count))).is_ok()));
    }
    let long = |count: usize| format!("$['{}']", "a".repeat(count));
    is_linear("a long name", 400, |count| steps::of(|| json_path::parse(&long(count)).is_ok()));
}

#[test]
fn a_glob_takes_time_linear_in_the_name() {
    let name = prop_oneof![concatenation(NAMES, 6), Just("a".to_owned())];
    check(500, (concatenation(GLOBS, 60), select(&["", "*", "**/"][..]), name), |(glob, first, piece)| {
        let compiled = glob::compile(&format!("{first}{glob}")).expect("a glob");
        let work = |count: usize| steps::of(|| compiled.is_match(&format!("{piece}a").repeat(count)));
        // A name with another prefix takes no step at all.
        let (once, twice) = (work(200), work(400));
        assert!(10 * twice <= 22 * once + 500, "{glob} {piece}: {once}, {twice}");
    });
}

#[test]
fn many_globs_and_names_take_time_linear_in_their_number() {
    let all = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
    let grant = |globs: usize| {
        let parameters = (0..globs).map(|number| format!("/*{number:04}")).collect();
        let rule = AccessRule { namespaces: all.clone(), parameters, ..AccessRule::default() };
        Grant::new(&[rule], &Namespace::default()).expect("valid globs")
    };
    let names = |grant: &Grant, count: usize| {
        (0..count).filter(|number| grant.allows(&scope().parameter_arn(&format!("/x{number:04}")), &scope())).count()
    };
    is_linear("globs", 50, |globs| steps::of(|| names(&grant(globs), 10)));
    is_linear("names", 50, |count| steps::of(|| names(&grant(10), count)));
}

/// Renders one template of a key `A`.
fn rendered(template: &str, value: &str) -> Option<usize> {
    let values = [("A", value)];
    rendered_all(std::iter::once(template.to_owned()), &values)
}

fn rendered_all(templates: impl Iterator<Item = String>, values: &[(&str, &str)]) -> Option<usize> {
    let content = |value: &str| Content::Text(value.to_owned().into());
    let data: Data<'_> = values.iter().map(|(key, value)| (Cow::Borrowed(*key), content(value))).collect();
    let templates = templates.enumerate().map(|(number, template)| (format!("T{number}"), template));
    let templates = Templates::compile(&templates.collect()).ok()?;
    templates.render(&data).ok().map(|rendered| rendered.len())
}

#[test]
fn templates_take_time_linear_in_their_length_and_number() {
    for piece in ["{{ A }}", "{{ A ~ A }}", "{% if A %}x{% endif %}", "{{ A | b64encode | b64decode }}", "text "] {
        is_linear(piece, 100, |count| steps::of(|| rendered(&piece.repeat(count), "value")));
    }
    is_linear("a long value", 1_000, |count| steps::of(|| rendered("{{ A ~ A }}", &"x".repeat(64 * count))));
    // Each template sees all keys, but they are made ready once for all of them.
    let keys: Vec<_> = (0..2_000).map(|number| format!("K{number:04}")).collect();
    let work = |count: usize| {
        let values: Vec<_> = keys.iter().take(50 * count).map(|key| (key.as_str(), "value")).collect();
        steps::of(|| rendered_all((0..count).map(|_| "{{ K0001 }}".to_owned()), &values))
    };
    is_linear("templates and keys", 20, work);
}

#[test]
fn a_key_takes_time_linear_in_the_name() {
    for style in [KeyStyle::AsIs, KeyStyle::EnvVar] {
        let mapping = KeyMapping { style: Some(style), prefix: Some("P_".into()) };
        is_linear("a name", 500, |count| steps::of(|| key_name::key(&"é/1".repeat(count), Some(&mapping))));
    }
}

fn authority<'a>(scope: &'a crate::domain::parameter::scope::Scope, grant: &'a Grant) -> ReadAuthority<'a> {
    ReadAuthority { scope, prefix: "/p", grant: Some(grant), namespace: "shop", store: "store" }
}

fn grant_of(glob: &str) -> Grant {
    let namespaces = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
    let rule = AccessRule { namespaces, parameters: vec![glob.to_owned()], ..AccessRule::default() };
    Grant::new(&[rule], &Namespace::default()).expect("a valid glob")
}

#[test]
fn a_plan_takes_time_linear_in_the_entries() {
    let scope = scope();
    let (granted, denied) = (grant_of("/p/**"), grant_of("/other/*"));
    let spec = |count: usize| {
        let value = ValueOptions { json_path: Some("$.a.b".into()), ..ValueOptions::default() };
        let entry = |number| DataEntry {
            key: format!("K{number}"),
            parameter: format!("/a/{number}"),
            value: value.clone().into(),
        };
        let from = |number| DataFromEntry {
            path: Some(format!("/a/{number}")),
            include: vec!["a*".into(), "*b".into()],
            ..DataFromEntry::default()
        };
        SecureParameterSpec {
            data: (0..count).map(entry).collect(),
            data_from: (0..count).map(from).collect(),
            ..SecureParameterSpec::default()
        }
    };
    for (what, grant) in [("a plan", &granted), ("a refusal", &denied)] {
        is_linear(what, 1_024, |count| {
            let spec = spec(count);
            steps::of(|| plan(&spec, &CompiledSpec::new(&spec).expect("a spec"), &authority(&scope, grant)).is_ok())
        });
    }
}

#[test]
fn resolving_paths_takes_time_linear_in_what_they_hold() {
    let scope = scope();
    let grant = grant_of("/p/**");
    let path =
        |path: &str| DataFromEntry { path: Some(path.into()), recursive: Some(true), ..DataFromEntry::default() };
    for (rule, second) in [(KeyConflicts::LastWins, "/b"), (KeyConflicts::Fail, "/b")] {
        let spec = SecureParameterSpec {
            data_from: vec![path("/a"), path(second)],
            key_conflicts: Some(rule),
            ..SecureParameterSpec::default()
        };
        let compiled = CompiledSpec::new(&spec).expect("a spec");
        let authority = authority(&scope, &grant);
        let planned = plan(&spec, &compiled, &authority).expect("a plan");
        is_linear("a listing", 1_024, |count| {
            let listing = |root: &str| {
                let child = |number: usize| (parameter_ref(&format!("{root}/{number:05}")), Metadata::default());
                let children: Children = Arc::new((0..count).map(child).collect::<BTreeMap<_, _>>());
                (PathQuery { path: root.to_owned(), recursive: true, label: None }, children)
            };
            let listings = [listing("/p/a"), listing("/p/b")].into();
            let found = LookupResult { listings, ..LookupResult::default() };
            steps::of(|| planned.resolve(&found, &authority).map(|plan| plan.reads().len()).is_ok())
        });
    }
}
