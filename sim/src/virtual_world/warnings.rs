//! The service's log lines at warning level and above, as the recording keeps them.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    registry,
};

use crate::{
    clock::RunClock,
    record::{Recorder, event},
    world::logs::MESSAGE_CHARS,
};

/// Records what is logged on this thread, until the guard is dropped.
pub(super) fn listen(clock: RunClock, recorder: Recorder) -> DefaultGuard {
    let layer = Warnings { clock, recorder };
    // The filter is global to the subscriber, so that lines below it cost one comparison.
    tracing::subscriber::set_default(registry().with(layer.with_filter(LevelFilter::WARN)))
}

struct Warnings {
    clock: RunClock,
    recorder: Recorder,
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.recorder.record(event::Event::Log {
            at_us: self.clock.now_us(),
            process: "service".to_owned(),
            level: event.metadata().level().to_string(),
            message: message.0.chars().take(MESSAGE_CHARS).collect(),
        });
    }
}

/// The message of a log line.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing into a string does not fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
