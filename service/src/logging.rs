//! Logs: one flat JSON line per event, stamped with the wall clock of the service.
//!
//! `{"timestamp":"…Z","level":"INFO","message":"…","event":"…", …}`; fields of the event and of the spans around
//! it are members, in camel case.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    sync::Arc,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::clock::{SharedClock, Timestamp};

/// Where log lines go.
pub type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// Makes the process log to standard output, panics included.
///
/// The first call wins; a process has one log.
pub fn init(clock: SharedClock, level: LevelFilter) {
    let sink: LineSink = Arc::new(crate::stdout::write_line);
    if tracing_subscriber::registry()
        .with(JsonLines::new(clock, level, sink))
        .try_init()
        .is_ok()
    {
        std::panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("no message");
            let location = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(event = "panic", location, "panicked: {message}");
        }));
    }
}

/// The tracing layer that writes the lines.
pub struct JsonLines {
    clock: SharedClock,
    level: LevelFilter,
    sink: LineSink,
}

impl JsonLines {
    /// A layer that writes events up to `level` to `sink`.
    #[must_use]
    pub fn new(clock: SharedClock, level: LevelFilter, sink: LineSink) -> Self {
        Self { clock, level, sink }
    }

    /// Libraries speak up only when something is wrong: their chatter is no part of the log's contract.
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("service") || metadata.target().starts_with("crypto_watch");
        *metadata.level() <= self.level && (ours || *metadata.level() <= Level::WARN)
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// The members that a span adds, as JSON text: `,"a":1,"b":"x"`.
struct SpanMembers(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Spans of ours carry members for whatever is logged within them.
        self.wants(metadata) || (metadata.is_span() && metadata.target().starts_with("service"))
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut members = Members::default();
        attributes.record(&mut members);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanMembers(members.json));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let mut members = Members::default();
        values.record(&mut members);
        if let Some(span) = context.span(id)
            && let Some(known) = span.extensions_mut().get_mut::<SpanMembers>()
        {
            known.0.push_str(&members.json);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut members = Members::default();
        event.record(&mut members);
        let mut line = format!(
            r#"{{"timestamp":"{}","level":"{}","message":{}"#,
            timestamp(self.clock.now()),
            event.metadata().level(),
            quoted(&members.message),
        );
        line.push_str(&members.json);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(known) = span.extensions().get::<SpanMembers>() {
                line.push_str(&known.0);
            }
        }
        line.push('}');
        (self.sink)(&line);
    }
}

/// Collects fields as JSON members.
#[derive(Default)]
struct Members {
    message: String,
    json: String,
}

impl Members {
    fn push(&mut self, field: &Field, value: impl fmt::Display) {
        // Writing into a string does not fail.
        let _ = write!(self.json, r#","{}":{value}"#, camel_case(field.name()));
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.push(field, quoted(&format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.push(field, quoted(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.push(field, value);
        } else {
            self.push(field, "null");
        }
    }
}

/// `retry_after` → `retryAfter`.
fn camel_case(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return Cow::Borrowed(name);
    }
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = !camel.is_empty();
        } else if std::mem::take(&mut upper) {
            camel.push(c.to_ascii_uppercase());
        } else {
            camel.push(c);
        }
    }
    Cow::Owned(camel)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// ISO 8601 with milliseconds, always the same length.
fn timestamp(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use insta::assert_snapshot;

    use super::*;
    use crate::clock::Clock;

    #[derive(Debug)]
    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp(1_772_409_600_000)
        }
    }

    fn logged(level: LevelFilter, act: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(String::new()));
        let sink = {
            let lines = lines.clone();
            Arc::new(move |line: &str| {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push_str(line);
                lines.push('\n');
            })
        };
        let layer = JsonLines::new(Arc::new(Fixed), level, sink);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
        }
        lines.clone()
    }

    #[test]
    fn a_line_is_flat_and_its_fields_are_in_camel_case() {
        let lines = logged(LevelFilter::INFO, || {
            let span = tracing::info_span!("request", request_id = "r1");
            let _in = span.enter();
            tracing::info!(event = "upstream", status = 429, retry_after = 53.5, path = %"/a\"b", ok = false, "asked");
        });
        assert_snapshot!(lines, @r#"{"timestamp":"2026-03-02T00:00:00.000Z","level":"INFO","message":"asked","event":"upstream","status":429,"retryAfter":53.5,"path":"/a\"b","ok":false,"requestId":"r1"}"#);
    }

    #[test]
    fn the_level_filters_and_libraries_only_warn() {
        let lines = logged(LevelFilter::INFO, || {
            tracing::debug!("hidden");
            tracing::info!(target: "hyper", "hidden");
            tracing::warn!(target: "hyper", "shown");
            tracing::info!("shown");
        });
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(!lines.contains("hidden"), "{lines}");
        assert_eq!(logged(LevelFilter::OFF, || tracing::error!("hidden")), "");
    }

    #[test]
    fn camel_case_handles_odd_names() {
        assert_eq!(camel_case("latency_ms"), "latencyMs");
        assert_eq!(camel_case("requestId"), "requestId");
        assert_eq!(camel_case("_a__b_"), "aB");
    }
}
