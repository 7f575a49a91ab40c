//! Logs on standard error as hclog's JSON lines, which the host filters, sorts in and prints with `TF_LOG`.

use std::{fmt, io::Write as _};

use serde_json::{Map, Value as Json};
use tracing::{Event, Level, Subscriber, field::Field, level_filters::LevelFilter};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _, registry::LookupSpan};

use crate::protocol::Mask;

/// The level that `TF_LOG` names; the host's default shows nothing.
pub(super) fn level(name: Option<&str>) -> LevelFilter {
    match name.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE" | "JSON") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("INFO") => LevelFilter::INFO,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR") => LevelFilter::ERROR,
        _ => LevelFilter::OFF,
    }
}

/// Logs from this level on, without the secrets that the mask learns. Libraries log at info at most: their traces hold headers and bodies,
/// and those hold secrets that no schema knows of.
pub(super) fn install(level: LevelFilter, package: &str) -> Mask {
    if level == LevelFilter::OFF {
        return Mask::idle();
    }
    let mask = Mask::new();
    let own = [package.replace('-', "_"), env!("CARGO_CRATE_NAME").to_owned()];
    let filter = tracing_subscriber::filter::Targets::new()
        .with_default(level.min(LevelFilter::INFO))
        .with_targets(own.map(|target| (target, level)));
    let hclog = Hclog { mask: mask.clone() };
    // A second logger is none: the first stays.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(hclog.with_filter(filter)));
    mask
}

struct Hclog {
    mask: Mask,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Hclog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Map::new();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        line.insert("@level".to_owned(), level.into());
        line.insert("@module".to_owned(), metadata.target().replace("::", ".").into());
        let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339);
        line.insert("@timestamp".to_owned(), now.unwrap_or_default().into());
        event.record(&mut Fields { line: &mut line, mask: &self.mask });
        let mut bytes = Json::Object(line).to_string().into_bytes();
        bytes.push(b'\n');
        // One write, so that lines of several threads don't mix; nobody is there to hear of a failure.
        let _ = std::io::stderr().lock().write_all(&bytes);
    }
}

struct Fields<'a> {
    line: &'a mut Map<String, Json>,
    mask: &'a Mask,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Json) {
        let name = if field.name() == "message" { "@message" } else { field.name() };
        self.line.insert(name.to_owned(), value);
    }
}

impl tracing::field::Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, self.mask.apply(value).into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, self.mask.apply(&format!("{value:?}")).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_that_of_the_host() {
        assert_eq!(level(Some("trace")), LevelFilter::TRACE);
        assert_eq!(level(Some("nonsense")), LevelFilter::OFF);
        assert_eq!(level(None), LevelFilter::OFF);
    }
}
