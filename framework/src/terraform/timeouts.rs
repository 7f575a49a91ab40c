//! The `timeouts` attribute: how long each operation of a resource may take.

use std::time::Duration;

use super::{parse::Parse, schema::optional, vocabulary::Value};
use crate::model;

model! {
    /// How long each operation may take, as a number with a unit: `90s`, `10m`, `1h30m`.
    pub struct Timeouts {
        /// For creating.
        create: String => optional(),
        /// For reading, at each refresh.
        read: String => optional(),
        /// For updating.
        update: String => optional(),
        /// For deleting.
        delete: String => optional(),
    }
}

/// An operation that has a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Create.
    Create,
    /// Read, and import.
    Read,
    /// Update.
    Update,
    /// Delete.
    Delete,
}

/// The times that a resource takes when its `timeouts` say nothing.
#[derive(Clone, Copy, Debug)]
pub struct DefaultTimeouts {
    /// For create and update.
    pub apply: Duration,
    /// For read.
    pub read: Duration,
    /// For delete.
    pub delete: Duration,
}

impl Timeouts {
    /// Reports each timeout that is not a duration.
    pub fn check(timeouts: &Value<Self>, parse: &mut Parse<'_>) {
        parse.nested("timeouts", timeouts, |timeouts, parse| {
            for (name, text) in
                [("create", &timeouts.create), ("read", &timeouts.read), ("update", &timeouts.update), ("delete", &timeouts.delete)]
            {
                parse.optional(name, text, |text| parse_duration(text));
            }
            Some(())
        });
    }

    /// The time for an operation; the default where nothing (valid) is set.
    pub fn of(timeouts: &Value<Self>, operation: Operation, defaults: DefaultTimeouts) -> Duration {
        let (text, default) = match (timeouts, operation) {
            (Value::Value(set), Operation::Create) => (&set.create, defaults.apply),
            (Value::Value(set), Operation::Update) => (&set.update, defaults.apply),
            (Value::Value(set), Operation::Read) => (&set.read, defaults.read),
            (Value::Value(set), Operation::Delete) => (&set.delete, defaults.delete),
            (_, Operation::Create | Operation::Update) => (&Value::Null, defaults.apply),
            (_, Operation::Read) => (&Value::Null, defaults.read),
            (_, Operation::Delete) => (&Value::Null, defaults.delete),
        };
        match text {
            Value::Value(text) => parse_duration(text).unwrap_or(default),
            _ => default,
        }
    }
}

/// Reads a duration such as `90s`, `10m` or `1h30m`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration. Write a number with a unit: `90s`, `10m`, `1h30m`.");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let part = match &rest[..unit] {
            "ms" => Some(Duration::from_millis(count)),
            "s" => Some(Duration::from_secs(count)),
            "m" => count.checked_mul(60).map(Duration::from_secs),
            "h" => count.checked_mul(3600).map(Duration::from_secs),
            _ => None,
        };
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = &rest[unit..];
    }
    if total.is_zero() || total > Duration::from_secs(7 * 24 * 3600) {
        return Err(format!("{} The duration must be above zero and at most a week.", wrong()));
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_with_units() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "10", "m", "-1s", "0s", "99999999999999999999h", "5 m", "1000h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
