//! What templates can reach: a closed list of pure filters and the test `defined`, and nothing else. Each filter bounds the
//! size of its result.

use std::io::{self, Write};

use ::base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::zeroize::Zeroize;

use crate::domain::secret::{
    base64,
    content::MAX_SECRET_BYTES,
    json_value::{self, Json, NoValue},
};

/// Steps that one template may take. The library charges for data as well, 64 bytes a step, which bounds loops and
/// concatenation; filters bound their results themselves.
const FUEL: u64 = 100_000;
/// Largest width of the filter `indent`.
const MAX_INDENT: usize = 100;
/// The characters that may stand in any part of a URL (RFC 3986, unreserved characters).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const TOO_LARGE: &str = "the result of a filter is larger than a Secret may be";
const NOT_BYTES: &str = "b64encode needs text or bytes";
const NOT_BASE64: &str = "b64decode was given a value that is not base64";
const NOT_JSON: &str = "fromjson was given a value that is not JSON";
const DUPLICATE: &str = "fromjson was given JSON that has the same field twice";
const TOO_DEEP: &str = "fromjson was given JSON that is nested more than 128 levels deep";
const TOO_WIDE: &str = "indent allows a width of 100 at most";

/// Returns the strict environment: these filters, the test `defined`, limited steps, no escaping, and an error for
/// whatever is undefined.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("b64encode", |value: Value| b64encode(&value));
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("urlencode", |text: &str| bounded(utf8_percent_encode(text, UNRESERVED).to_string()));
    environment.add_filter("tojson", |value: Value| tojson(&value));
    environment.add_filter("fromjson", fromjson);
    environment.add_filter("quote", |text: &str| tojson(&Value::from(text)));
    environment.add_filter("indent", indent);
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment
}

/// Returns the problem if a filter of ours reported it; its words hold nothing of a value.
pub(super) fn filter_problem(error: &Error) -> Option<&'static str> {
    let detail = error.detail()?;
    let problems = [TOO_LARGE, NOT_BYTES, NOT_BASE64, NOT_JSON, DUPLICATE, TOO_DEEP, TOO_WIDE];
    problems.into_iter().find(|problem| *problem == detail)
}

fn problem(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

/// Refuses a result that no Secret could hold, since filters can be chained.
fn bounded(text: String) -> Result<String, Error> {
    if text.len() > MAX_SECRET_BYTES { Err(problem(TOO_LARGE)) } else { Ok(text) }
}

fn b64encode(value: &Value) -> Result<String, Error> {
    let bytes = value.as_bytes().or_else(|| value.as_str().map(str::as_bytes));
    bounded(BASE64.encode(bytes.ok_or_else(|| problem(NOT_BYTES))?))
}

fn b64decode(text: &str) -> Result<Value, Error> {
    let mut bytes = base64::decode(text).ok_or_else(|| problem(NOT_BASE64))?;
    Ok(String::from_utf8(std::mem::take(&mut *bytes))
        .map_or_else(|error| Value::from_bytes(error.into_bytes()), Value::from))
}

fn tojson(value: &Value) -> Result<String, Error> {
    let mut output = BoundedOutput::default();
    serde_json::to_writer(&mut output, &Json(value.clone())).map_err(|_| problem(TOO_LARGE))?;
    String::from_utf8(output.into_bytes()).map_err(|_| problem(TOO_LARGE))
}

fn fromjson(text: &str) -> Result<Value, Error> {
    json_value::parse(text).map_err(|reason| {
        problem(match reason {
            NoValue::NotJson => NOT_JSON,
            NoValue::Duplicate => DUPLICATE,
            NoValue::TooDeep => TOO_DEEP,
        })
    })
}

/// Indents all lines but the first, as YAML block scalars need it.
fn indent(text: &str, width: usize) -> Result<String, Error> {
    if width > MAX_INDENT {
        return Err(problem(TOO_WIDE));
    }
    if text.len() + text.matches('\n').count() * width > MAX_SECRET_BYTES {
        return Err(problem(TOO_LARGE));
    }
    let mut lines = text.split('\n');
    let mut indented = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        indented.push('\n');
        if !line.is_empty() {
            indented.push_str(&" ".repeat(width));
        }
        indented.push_str(line);
    }
    Ok(indented)
}

/// Collects at most as many bytes as a Secret may hold. Wiped when dropped.
#[derive(Default)]
pub(super) struct BoundedOutput(Vec<u8>);

impl BoundedOutput {
    /// Returns the bytes written so far.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Write for BoundedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_SECRET_BYTES {
            return Err(io::Error::other("too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BoundedOutput {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
