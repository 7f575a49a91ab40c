//! Logs on standard error as hclog's JSON lines, which the CLI filters by level, merges with its own and prints when `TF_LOG` is set.

use std::{fmt, io::Write as _, panic::PanicHookInfo};

use serde_json::{Map, Value as Json};
use time::{OffsetDateTime, UtcDateTime, format_description::StaticFormatDescription, macros::format_description};
use tracing::{Event, Level, Subscriber, field::Field, level_filters::LevelFilter};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _, registry::LookupSpan};

use crate::protocol::Mask;

/// The layout that go-plugin parses: exactly six digits of a second. It prints a line with any other timestamp as raw text at level DEBUG.
const TIMESTAMP: StaticFormatDescription = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// The longest line. go-plugin reads 64 KiB at once, and prints a longer line in pieces and as raw text.
const LONGEST_LINE: usize = 60 << 10;

/// The longest string in a line, in characters. Halved until the line fits.
const LONGEST_STRING: usize = 16 << 10;

/// Returns the log level that a value of `TF_LOG` names. Like the CLIs, it takes an unknown name for TRACE.
pub(super) fn level(name: Option<&str>) -> LevelFilter {
    match name.map(str::to_ascii_uppercase).as_deref() {
        None | Some("" | "OFF") => LevelFilter::OFF,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("INFO") => LevelFilter::INFO,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR") => LevelFilter::ERROR,
        Some(_) => LevelFilter::TRACE,
    }
}

/// Logs from this level on, without the secrets that the mask knows. Libraries log at level info at most: their traces hold headers and
/// bodies with secrets that no schema describes.
pub(super) fn install(level: LevelFilter, package: &str, mask: &Mask) {
    std::panic::set_hook(Box::new(log_panic));
    if level == LevelFilter::OFF {
        return;
    }
    let own = [package.replace('-', "_"), env!("CARGO_CRATE_NAME").to_owned()];
    let filter = tracing_subscriber::filter::Targets::new()
        .with_default(level.min(LevelFilter::INFO))
        .with_targets(own.map(|target| (target, level)));
    // One write for each line, so that those of several threads don't mix. There is no place to report a failure.
    let write = |line: &[u8]| _ = std::io::stderr().lock().write_all(line);
    let hclog = Hclog { mask: mask.clone(), write };
    // Fails only if the process has a logger already, which then stays.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(hclog.with_filter(filter)));
}

/// Logs where a panic happened, masked like all else. The standard hook would print its message to standard error as it is.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let thread = std::thread::current();
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(location, thread = thread.name().unwrap_or_default(), "panicked: {message}");
}

struct Hclog<W> {
    mask: Mask,
    write: W,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>, W: Fn(&[u8]) + 'static> Layer<S> for Hclog<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields { fields: Map::new(), mask: &self.mask };
        event.record(&mut fields);
        let metadata = event.metadata();
        (self.write)(&line(*metadata.level(), metadata.target(), OffsetDateTime::now_utc(), fields.fields));
    }
}

/// Returns an event as the line that the CLI parses.
fn line(level: Level, target: &str, at: OffsetDateTime, mut fields: Map<String, Json>) -> Vec<u8> {
    let level = match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    fields.insert("@level".to_owned(), level.into());
    fields.insert("@module".to_owned(), target.replace("::", ".").into());
    fields.insert("@timestamp".to_owned(), UtcDateTime::from(at).format(TIMESTAMP).unwrap_or_default().into());
    // An event without a message names what it comes from, as the CLI prints the message first. It must be a string: go-plugin insists.
    let message = fields
        .get("@message")
        .map_or_else(|| target.to_owned(), |message| message.as_str().map_or_else(|| message.to_string(), str::to_owned));
    fields.insert("@message".to_owned(), message.into());
    let mut longest = LONGEST_STRING;
    let mut line = render(&fields);
    while line.len() > LONGEST_LINE && longest > 0 {
        fields.values_mut().for_each(|field| shorten(field, longest));
        line = render(&fields);
        longest /= 2;
    }
    line
}

fn render(fields: &Map<String, Json>) -> Vec<u8> {
    // Not by way of a `Json`, which would have to own the fields. Writing to a vector can't fail.
    let mut bytes = serde_json::to_vec(fields).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn shorten(field: &mut Json, longest: usize) {
    if let Json::String(text) = field
        && let Some((end, _)) = text.char_indices().nth(longest)
    {
        text.truncate(end);
        text.push('…');
    }
}

struct Fields<'a> {
    fields: Map<String, Json>,
    mask: &'a Mask,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Json) {
        let name = if field.name() == "message" { "@message" } else { field.name() };
        self.fields.insert(name.to_owned(), value);
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

    fn parsed(fields: &[(&str, Json)]) -> (usize, Json) {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_120_000_001).unwrap();
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let line = line(Level::WARN, "framework::plugin", at, fields);
        (line.len(), serde_json::from_slice(&line).unwrap())
    }

    #[test]
    fn the_level_is_that_of_the_cli() {
        assert_eq!(level(Some("trace")), LevelFilter::TRACE);
        assert_eq!(level(Some("JSON")), LevelFilter::TRACE);
        assert_eq!(level(Some("nonsense")), LevelFilter::TRACE);
        assert_eq!(level(Some("off")), LevelFilter::OFF);
        assert_eq!(level(None), LevelFilter::OFF);
    }

    #[test]
    fn a_timestamp_has_six_digits_of_a_second_whatever_the_time() {
        let (_, line) = parsed(&[("@message", "a".into())]);
        assert_eq!(line["@timestamp"], "2023-11-14T22:13:20.120000Z");
        assert_eq!((&line["@level"], &line["@module"]), (&"warn".into(), &"framework.plugin".into()));
    }

    #[test]
    fn a_panic_is_logged_like_all_else() {
        let (sender, lines) = std::sync::mpsc::channel();
        let hclog = Hclog { mask: Mask::new(), write: move |line: &[u8]| sender.send(line.to_vec()).unwrap() };
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(hclog), || {
            let _ = std::panic::catch_unwind(|| panic!("out of {}", "ideas"));
        });
        std::panic::set_hook(before);
        let line: Json = serde_json::from_slice(&lines.recv().unwrap()).unwrap();
        assert_eq!((&line["@level"], &line["@message"]), (&"error".into(), &"panicked: out of ideas".into()));
        assert!(line["location"].as_str().unwrap().contains("logging.rs"), "{line}");
    }

    #[test]
    fn every_line_has_a_message_that_is_a_string() {
        assert_eq!(parsed(&[]).1["@message"], "framework::plugin");
        assert_eq!(parsed(&[("@message", 7.into())]).1["@message"], "7");
    }

    #[test]
    fn a_line_fits_into_what_the_cli_reads_at_once() {
        let long = Json::from("\u{1}".repeat(1 << 20));
        let (length, line) = parsed(&[("@message", long.clone()), ("a", long.clone()), ("b", long), ("short", "as it is".into())]);
        assert!(length < 64 << 10, "{length}");
        assert_eq!(line["short"], "as it is");
        assert!(line["a"].as_str().unwrap().ends_with('…'));
    }
}
