//! All parameters, in the order in which AWS lists them.

use std::collections::BTreeMap;

use super::parameter::Parameter;

/// The parameters of all accounts and regions by ARN, sorted by level: parameters below `/a` follow it directly, before
/// `/a-b`.
#[derive(Default)]
pub(in crate::fake_aws) struct ParameterIndex {
    places: BTreeMap<String, Parameter>,
}

/// The sort key of a name. A slash becomes the smallest character, since it sorts after `-` and `.` otherwise.
fn place(arn: &str) -> String {
    arn.replace('/', "\0")
}

impl ParameterIndex {
    /// A parameter by its ARN.
    pub(crate) fn get(&self, arn: &str) -> Option<&Parameter> {
        self.places.get(&place(arn))
    }

    /// A parameter by its ARN, to change it.
    pub(crate) fn get_mut(&mut self, arn: &str) -> Option<&mut Parameter> {
        self.places.get_mut(&place(arn))
    }

    /// Adds a parameter, or replaces the one with its ARN.
    pub(super) fn insert(&mut self, parameter: Parameter) {
        self.places.insert(place(&parameter.arn), parameter);
    }

    /// Removes a parameter.
    pub(crate) fn remove(&mut self, arn: &str) -> Option<Parameter> {
        self.places.remove(&place(arn))
    }

    /// All parameters, each with its sort key.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.places.iter().map(|(place, parameter)| (place.as_str(), parameter))
    }

    /// Those below a path, given as the ARN that a parameter of this name would have: at any depth, or directly.
    pub(super) fn below(&self, path_arn: &str, recursive: bool) -> impl Iterator<Item = (&str, &Parameter)> {
        let prefix = place(&format!("{}/", path_arn.trim_end_matches('/')));
        let inside = self.places.range(prefix.clone()..).map(|(place, parameter)| (place.as_str(), parameter));
        inside
            .map_while(move |(place, parameter)| {
                let rest = place.strip_prefix(&prefix)?;
                Some((place, parameter, recursive || !rest.contains('\0')))
            })
            .filter_map(|(place, parameter, matches)| matches.then_some((place, parameter)))
    }
}
