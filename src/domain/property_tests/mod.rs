//! Properties that hold for any spec and any value, checked with generated ones against models that are written apart from
//! the code. The cases are the same in every run.

mod access;
mod dotenv;
mod extract;
mod glob;
mod json;
mod lease;
mod listing;
mod mapping;
mod policy;
mod render;
mod session_policy;
mod template;
mod work;

use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    sample::select,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::api::{Format, KeyMapping};
use crate::domain::{
    parameter::{name::ParameterRef, scope::Scope},
    plan::{
        name_filter::NameFilter,
        types::{FieldSource, Place, Source},
    },
};

/// Part of values; no message may contain it.
const CANARY: &str = "S3CR3T";

/// Checks a property with so many cases; a case that fails is shrunk.
fn check<S: Strategy>(cases: u32, values: S, property: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&values, |value| {
        property(value);
        Ok(())
    });
    result.expect("the property holds");
}

/// Generates texts of at most so many characters.
fn text(most: usize) -> impl Strategy<Value = String> + Clone {
    vec(any::<char>(), 0..=most).prop_map(String::from_iter)
}

/// Generates concatenations of at most so many pieces.
fn concatenation(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> + Clone {
    vec(select(pieces), 0..=most).prop_map(|pieces| pieces.concat())
}

fn scope() -> Scope {
    Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
}

fn parameter_ref(name: &str) -> ParameterRef {
    ParameterRef::new(name, None, &scope())
}

/// Returns a source of one key, the whole value of a parameter.
fn source(key: &str, name: &str) -> Source {
    Source::of(Place::Data(key.to_owned()), parameter_ref(name))
}

/// Returns the source of all fields in the value of a parameter.
fn field_source(index: usize, name: &str, format: Format, mapping: Option<KeyMapping>) -> FieldSource {
    let source = Source { optional: true, ..Source::of(Place::DataFrom(index), parameter_ref(name)) };
    FieldSource { source, format, filter: NameFilter::default(), mapping }
}
