//! Log lines as JSON: one flat object a line, on standard error. What the operator's own spans say of an object stands on
//! each line within, so that a line tells by itself what it is about.

use std::{
    error::Error,
    fmt::{Debug, Write as _},
    io::{self, Write as _},
};

use k8s_openapi::jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// Beginning of the targets whose spans are shown. Those of libraries repeat what ours say, in another form.
const OWN_TARGET: &str = env!("CARGO_CRATE_NAME");

/// Writes each event as a line.
#[derive(Debug, Default)]
pub(super) struct LogLines;

/// The fields of a span or an event, by name.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for LogLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| span.metadata().target().starts_with(OWN_TARGET)) else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        // What an event says itself goes before what its spans say.
        event.record(&mut fields);
        let line = line(Timestamp::now(), event, fields.0);
        // At once, so that lines of several threads do not mix. A failure has nowhere to be reported.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

fn line(now: Timestamp, event: &Event<'_>, fields: Map<String, Value>) -> String {
    let metadata = event.metadata();
    let mut time = String::new();
    // Writing to a String never fails.
    let _ = DateTimePrinter::new().precision(Some(6)).print_timestamp(&now, &mut time);
    let (level, target) = (metadata.level(), Value::from(metadata.target()));
    let mut line = format!(r#"{{"timestamp":"{time}","level":"{level}","target":{target}"#);
    for (name, value) in fields {
        let _ = write!(line, ",{}:{value}", Value::from(name));
    }
    line.push_str("}\n");
    line
}
