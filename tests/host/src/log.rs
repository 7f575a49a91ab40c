//! The provider's log lines as go-plugin parses them.

use serde_json::{Map, Value};
use time::{UtcDateTime, format_description::StaticFormatDescription, macros::format_description};

/// What go-plugin reads at once; a longer line is printed in pieces and as raw text.
const LONGEST: usize = 64 << 10;

/// Go's `2006-01-02T15:04:05.000000Z07:00` at UTC: exactly six digits of a second.
const TIMESTAMP: StaticFormatDescription = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// A line of the provider's log.
#[derive(Debug)]
pub struct Entry {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The text that the CLI prints first.
    pub message: String,
    /// All other fields.
    pub fields: Map<String, Value>,
}

impl Entry {
    /// Parses a line. An error means that the CLI prints it as raw text at level DEBUG, where no filter finds it.
    pub fn parse(line: &str) -> Result<Self, String> {
        if line.len() >= LONGEST {
            return Err(format!("{} bytes are too long", line.len()));
        }
        let mut fields: Map<String, Value> = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Ok(text),
            other => Err(format!("{name} is {other:?}: {line}")),
        };
        let (level, message, timestamp) = (text("@level")?, text("@message")?, text("@timestamp")?);
        UtcDateTime::parse(&timestamp, TIMESTAMP).map_err(|error| format!("{timestamp}: {error}"))?;
        if !["trace", "debug", "info", "warn", "error"].contains(&level.as_str()) || message.is_empty() {
            return Err(format!("no level or message: {line}"));
        }
        Ok(Self { level, message, fields })
    }

    /// Parses a whole log; fails the test at the first line that the CLI couldn't parse.
    pub fn parse_all(log: &str) -> Vec<Self> {
        log.lines().map(|line| Self::parse(line).expect("a line that go-plugin parses")).collect()
    }
}
