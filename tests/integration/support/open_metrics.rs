//! A parser of OpenMetrics 1.0 text, as strict as the specification where the operator could make mistakes.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Page {
    types: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

/// One figure.
#[derive(Debug)]
pub struct Sample {
    /// Name with its suffix.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The figure.
    pub value: f64,
}

impl Page {
    /// Reads a page; what breaks the rules is an error.
    pub fn parse(text: &str) -> Result<Self> {
        let body = text.strip_suffix("# EOF\n").context("the page does not end with # EOF")?;
        let mut page = Self::default();
        let mut family = String::new();
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let [keyword, name, rest] = comment.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                    bail!("not metadata: {line}")
                };
                ensure!(["TYPE", "HELP", "UNIT"].contains(&keyword) && !rest.is_empty(), "not metadata: {line}");
                ensure!(name == family || !page.types.contains_key(name), "{name} is not in one piece");
                name.clone_into(&mut family);
                if keyword == "TYPE" {
                    page.types.insert(family.clone(), rest.to_owned());
                }
                continue;
            }
            let sample = Sample::parse(line).with_context(|| format!("not a sample: {line}"))?;
            let suffix = sample.name.strip_prefix(&family).context("a sample outside of its family")?;
            ensure!(belongs(suffix, page.types.get(&family).map(String::as_str)), "{line} has the wrong suffix");
            page.samples.push(sample);
        }
        Ok(page)
    }

    /// The figure with this name and exactly these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.named(name).find(|sample| sample.labels == labels).map(|sample| sample.value)
    }

    /// All figures with this name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// All figures.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The type of the family that a figure belongs to.
    pub fn type_of_sample(&self, sample: &Sample) -> Option<&str> {
        let family = |suffix: &str| self.type_of(sample.name.strip_suffix(suffix)?);
        let suffixes = ["", "_total", "_info", "_bucket", "_sum", "_count"];
        suffixes.iter().find_map(|suffix| family(suffix).filter(|type_| belongs(suffix, Some(type_))))
    }

    /// The type of a family.
    pub fn type_of(&self, family: &str) -> Option<&str> {
        self.types.get(family).map(String::as_str)
    }
}

fn belongs(suffix: &str, type_: Option<&str>) -> bool {
    match type_ {
        Some("counter") => matches!(suffix, "_total" | "_created"),
        Some("histogram") => matches!(suffix, "_bucket" | "_sum" | "_count" | "_created"),
        Some("gauge") => suffix.is_empty(),
        Some("info") => suffix == "_info",
        _ => false,
    }
}

impl Sample {
    fn parse(line: &str) -> Result<Self> {
        let (series, value) = line.rsplit_once(' ').context("no value")?;
        let (name, labels) = match series.split_once('{') {
            None => (series, ""),
            Some((name, labels)) => (name, labels.strip_suffix('}').context("labels without end")?),
        };
        let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        ensure!(is_name(name), "{name} is no name");
        let label = |pair: &str| {
            let (key, value) = pair.split_once("=\"")?;
            let value = value.strip_suffix('"').filter(|value| !value.contains(['"', '\\']))?;
            is_name(key).then(|| (key.to_owned(), value.to_owned()))
        };
        // No label of ours holds a comma.
        let pairs = labels.split(',').filter(|pair| !pair.is_empty());
        let labels =
            pairs.map(|pair| label(pair).with_context(|| format!("{pair} is no label"))).collect::<Result<_>>()?;
        Ok(Self { name: name.to_owned(), labels, value: value.parse()? })
    }
}

#[test]
fn invalid_pages_are_refused() {
    let good = "# HELP a_b Help.\n# TYPE a_b counter\na_b_total{x=\"1\",y=\"z\"} 3\n# TYPE g gauge\ng 0.5\n# EOF\n";
    let page = Page::parse(good).expect("a page");
    assert_eq!(page.value("a_b_total", &[("y", "z"), ("x", "1")]), Some(3.0));
    assert_eq!((page.type_of("g"), page.value("g", &[])), (Some("gauge"), Some(0.5)));
    for bad in [
        "# TYPE g gauge\ng 1\n",
        "g 1\n# EOF\n",
        "# TYPE c counter\nc 1\n# EOF\n",
        "# TYPE g gauge\n\n# EOF\n",
        "# TYPE g gauge\ng{x=1} 1\n# EOF\n",
        "# TYPE g gauge\ng one\n# EOF\n",
        "# TYPE g gauge\ng 1\n# TYPE h gauge\nh 1\n# TYPE g gauge\ng 2\n# EOF\n",
    ] {
        assert!(Page::parse(bad).is_err(), "{bad}");
    }
}
