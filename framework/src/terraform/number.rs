//! Numbers of any size and precision. HCL's numbers are decimal and hold far more digits than a float: comparing or storing them as one
//! would plan something else than was configured.

use std::{cmp::Ordering, fmt};

/// A number as precise as its source: integers and floats as such, all else as decimal text.
#[derive(Clone, Debug)]
pub enum Number {
    /// A whole number that fits 64 bits with a sign.
    Int(i64),
    /// A whole number that needs the 64th bit.
    Uint(u64),
    /// A binary floating-point number.
    Float(f64),
    /// Any other number, in the decimal notation that [`Number::parse`] returns.
    Decimal(String),
}

/// Numbers with at most this many zeros at their end, or places after the point, are written without an exponent.
const PLAIN_ZEROS: i64 = 30;

/// A number as its significant digits: zero has none, and no other begins or ends with a zero.
#[derive(PartialEq, Eq)]
struct Digits {
    is_negative: bool,
    digits: String,
    /// The power of ten of the last digit; of all that are infinite, the highest.
    exponent: i64,
}

impl Digits {
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (is_negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |mantissa| (true, mantissa));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let trimmed = digits.trim_end_matches('0');
        let dropped = i64::try_from(digits.len() - trimmed.len()).ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
        let digits = trimmed.trim_start_matches('0').to_owned();
        Some(if digits.is_empty() { Self { is_negative: false, digits, exponent: 0 } } else { Self { is_negative, digits, exponent } })
    }

    fn infinity(is_negative: bool) -> Self {
        Self { is_negative, digits: "1".to_owned(), exponent: i64::MAX - 1 }
    }

    fn write(&self) -> Option<Number> {
        let sign = if self.is_negative { "-" } else { "" };
        let digits = &self.digits;
        Some(match self.exponent {
            _ if digits.is_empty() => Number::Int(0),
            exponent @ 0..=PLAIN_ZEROS => {
                let plain = format!("{sign}{digits}{}", "0".repeat(usize::try_from(exponent).ok()?));
                plain.parse().map(Number::Int).or_else(|_| plain.parse().map(Number::Uint)).unwrap_or(Number::Decimal(plain))
            }
            exponent if (-PLAIN_ZEROS..0).contains(&exponent) => {
                let places = usize::try_from(-exponent).ok()?;
                let padded = format!("{digits:0>width$}", width = places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                Number::Decimal(format!("{sign}{whole}.{fraction}"))
            }
            exponent => Number::Decimal(format!("{sign}{digits}e{exponent}")),
        })
    }

    /// The power of ten above the first digit; zero is below all others.
    fn magnitude(&self) -> i64 {
        if self.digits.is_empty() {
            return i64::MIN;
        }
        self.exponent.saturating_add(i64::try_from(self.digits.len()).unwrap_or(i64::MAX))
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        // Neither has zeros at its end, so what is longer with the same beginning is greater.
        let size = self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then(if self.is_negative { size.reverse() } else { size })
    }
}

impl Number {
    /// Reads decimal notation, as JSON has it: `-12`, `1.50`, `1e400`. Equal numbers read as equal ones.
    pub fn parse(text: &str) -> Option<Self> {
        Digits::parse(text)?.write()
    }

    fn digits(&self) -> Option<Digits> {
        match self {
            Self::Int(int) => Digits::parse(&int.to_string()),
            Self::Uint(uint) => Digits::parse(&uint.to_string()),
            Self::Float(float) if float.is_nan() => None,
            Self::Float(float) if float.is_infinite() => Some(Digits::infinity(float.is_sign_negative())),
            // A float is a finite decimal number: this many places after the point are enough for any.
            Self::Float(float) => Digits::parse(&format!("{float:.1074}")),
            Self::Decimal(text) => Digits::parse(text),
        }
    }

    /// Compares by value, to the last digit. What is not a number is above all others.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Uint(a), Self::Uint(b)) => a.cmp(b),
            _ => match (self.digits(), other.digits()) {
                (Some(a), Some(b)) => a.compare(&b),
                (a, b) => a.is_none().cmp(&b.is_none()),
            },
        }
    }

    /// Whether the number has no fraction, however large it is.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Uint(_))
            || self.digits().is_some_and(|digits| digits.exponent >= 0 && digits != Digits::infinity(digits.is_negative))
    }

    /// Returns the number as an integer of 128 bits, if it is one.
    pub fn as_i128(&self) -> Option<i128> {
        match self {
            Self::Int(int) => Some((*int).into()),
            Self::Uint(uint) => Some((*uint).into()),
            // Written out, a whole number is its digits.
            Self::Float(float) => (float.fract() == 0.0).then(|| format!("{float:.0}").parse().ok())?,
            Self::Decimal(text) => text.parse().ok(),
        }
    }

    /// Returns the number as an integer of 64 bits, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        i64::try_from(self.as_i128()?).ok()
    }

    /// Returns the float that is nearest to the number.
    #[allow(clippy::cast_precision_loss)] // the nearest is what is asked for
    pub fn as_f64(&self) -> f64 {
        match self {
            Self::Int(int) => *int as f64,
            Self::Uint(uint) => *uint as f64,
            Self::Float(float) => *float,
            Self::Decimal(text) => text.parse().unwrap_or(f64::NAN),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Equal
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => int.fmt(f),
            Self::Uint(uint) => uint.fmt(f),
            Self::Float(float) => float.fmt(f),
            Self::Decimal(text) => text.fmt(f),
        }
    }
}

impl From<i64> for Number {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<i32> for Number {
    fn from(int: i32) -> Self {
        Self::Int(int.into())
    }
}

impl From<u32> for Number {
    fn from(int: u32) -> Self {
        Self::Int(int.into())
    }
}

impl From<u64> for Number {
    fn from(int: u64) -> Self {
        i64::try_from(int).map_or(Self::Uint(int), Self::Int)
    }
}

impl From<f64> for Number {
    /// The shortest decimal number that is nearest to the float: 0.1 is 0.1, as it is in HCL.
    fn from(float: f64) -> Self {
        Self::parse(&float.to_string()).unwrap_or(Self::Float(float))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form_in_all_notations() {
        let same = |texts: &[&str], number: Number| {
            for text in texts {
                assert_eq!(Number::parse(text).map(|number| format!("{number:?}")), Some(format!("{number:?}")), "{text}");
            }
        };
        same(&["0", "-0", "0.00", "0e9"], Number::Int(0));
        same(&["12", "1.2e1", "12.0", "012", "120E-1"], Number::Int(12));
        same(&["-9223372036854775808"], Number::Int(i64::MIN));
        same(&["18446744073709551615"], Number::Uint(u64::MAX));
        same(&["18446744073709551616"], Number::Decimal("18446744073709551616".to_owned()));
        same(&["0.1", "1e-1", "0.10"], Number::Decimal("0.1".to_owned()));
        same(&["-0.0125", "-125e-4"], Number::Decimal("-0.0125".to_owned()));
        same(&["1e400", "10e399"], Number::Decimal("1e400".to_owned()));
        for wrong in ["", "-", ".5", "1.2.3", "1e", "NaN", "inf", "0x10", "1_000", "1e99999999999999999999"] {
            assert!(Number::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_equal_to_the_last_digit_or_not_at_all() {
        // 0.5 is a float in a configuration and text in a state.
        assert_eq!(Number::parse("0.5"), Some(Number::Float(0.5)));
        assert_ne!(Number::parse("0.1"), Number::parse("0.10000000000000001"));
        assert_ne!(Number::Uint(u64::MAX), Number::Uint(u64::MAX - 1));
        assert_ne!(Some(Number::Float(0.1)), Number::parse("0.1"), "no float is exactly a tenth");
        assert_eq!(Some(Number::Float(0.1)), Number::parse("0.1000000000000000055511151231257827021181583404541015625"));
        assert_eq!(Number::Float(1e300).as_i128(), None);
        assert_eq!(Number::Float(-4_503_599_627_370_496.0).as_i64(), Some(-4_503_599_627_370_496));
        assert_eq!(Number::from(0.1), Number::Decimal("0.1".to_owned()));
        assert_eq!(Number::from(3.0), Number::Int(3));
    }

    #[test]
    fn numbers_are_ordered_whatever_their_form() {
        let ordered = [
            Number::Float(f64::NEG_INFINITY),
            Number::Decimal("-1e400".to_owned()),
            Number::Int(-2),
            Number::Float(-1.5),
            Number::Int(0),
            Number::Decimal("1e-400".to_owned()),
            Number::Decimal("0.1".to_owned()),
            Number::Float(0.1),
            Number::Int(7),
            Number::Int(10),
            Number::Uint(u64::MAX),
            Number::Decimal("1e400".to_owned()),
            Number::Float(f64::INFINITY),
        ];
        for (place, number) in ordered.iter().enumerate() {
            for (other_place, other) in ordered.iter().enumerate() {
                assert_eq!(number.compare(other), place.cmp(&other_place), "{number} and {other}");
            }
        }
        assert!(Number::Decimal("1e30".to_owned()).is_whole() && Number::Decimal("1e400".to_owned()).is_whole());
        assert!(!Number::Float(1.5).is_whole() && !Number::Float(f64::INFINITY).is_whole());
    }
}
