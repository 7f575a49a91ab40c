//! The `timeouts` attribute: how long each operation of a resource may take.

use std::time::Duration;

use super::{parse::Parse, schema::optional, vocabulary::Value};
use crate::model;

model! {
    /// How long each operation may take, as a number with a unit: `90s`, `1.5h`, `1h30m`. At most `168h`.
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

/// The longest duration that an operation may take.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads a duration as Go's `time.ParseDuration` does: `90s`, `1.5h`, `1h30m`, `500us`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is not a duration. Write a number with a unit, such as `90s`, `10m`, `1.5h` or `1h30m`.");
    let mut total: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        total = nanoseconds(number, unit).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = after;
    }
    if total == 0 || total > LONGEST.as_nanos() {
        let problem = if text.is_empty() { wrong() } else { format!("must be more than 0s and at most 168h, got {text}") };
        return Err(problem);
    }
    Ok(Duration::from_nanos(u64::try_from(total).map_err(|_| wrong())?))
}

/// Returns how many nanoseconds a number such as `1.5` of a unit is, without what is below one.
fn nanoseconds(number: &str, unit: &str) -> Option<u128> {
    let of_unit: u128 = match unit {
        "ns" => 1,
        // U+00B5 and U+03BC: the sign for micro, and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u128>().ok() };
    // Further digits are far below a nanosecond.
    let fraction = fraction.get(..fraction.len().min(18)).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = digits(fraction)?.checked_mul(of_unit)? / scale;
    digits(whole)?.checked_mul(of_unit)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_by_go() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration(".5m1.s"), Ok(Duration::from_secs(31)));
        assert_eq!(parse_duration("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(parse_duration("500\u{b5}s1ns"), Ok(Duration::from_nanos(500_001)));
        assert_eq!(parse_duration("0.1234567891234567891s"), Ok(Duration::from_nanos(123_456_789)));
        for wrong in ["", "10", "m", "-1s", "99999999999999999999999999999999999999999h", "5 m", "1..5h", "1.5.5h", ".h", "1d"] {
            assert!(parse_duration(wrong).is_err_and(|problem| problem.contains("is not a duration")), "{wrong}");
        }
        assert_eq!(parse_duration("0s"), Err("must be more than 0s and at most 168h, got 0s".to_owned()));
        assert_eq!(parse_duration("168h1ns"), Err("must be more than 0s and at most 168h, got 168h1ns".to_owned()));
    }
}
