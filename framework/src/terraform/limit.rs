//! Rules for the values that a configuration may set, declared with an attribute: they are checked wherever a value is known, and the
//! documentation shows them.

use super::{
    dynamic::{Datum, Dynamic, attribute},
    number::Number,
    vocabulary::Value,
};

/// A rule for the value of one attribute. In a list, set or map, all but the length are about each element.
#[derive(Clone, Debug)]
pub enum Limit {
    /// A number within bounds, which are included.
    Range(Option<Number>, Option<Number>),
    /// The length of a string in characters, or of a collection in elements, within bounds, which are included.
    Length(Option<usize>, Option<usize>),
    /// One of these strings.
    OneOf(Vec<&'static str>),
    /// A string for which the function holds; the text completes "The name …", such as "must not contain a slash".
    Matches(&'static str, fn(&str) -> bool),
}

impl Limit {
    /// Returns the rule, without subject and full stop: `must be between 1 and 65535`.
    pub fn rule(&self) -> String {
        match self {
            Self::Range(min, max) => format!("must be {}", bounds(min.as_ref(), max.as_ref())),
            Self::Length(min, max) => {
                let of = if min.is_some() && max.is_some() && min != max { "" } else { "of " };
                format!("must have a length {of}{}", bounds(min.as_ref(), max.as_ref()))
            }
            Self::OneOf(values) => format!("must be {}", alternatives(values)),
            Self::Matches(rule, _) => (*rule).to_owned(),
        }
    }

    /// Returns what is wrong with a value. What isn't known yet isn't wrong. The value is shown, unless it `is_secret`.
    pub fn fault(&self, value: &Dynamic, is_secret: bool) -> Option<String> {
        let Value::Value(datum) = value else { return None };
        let found = match (self, datum) {
            (Self::Range(min, max), Datum::Number(number)) => (!is_within(number, min.as_ref(), max.as_ref())).then(|| number.to_string()),
            (Self::Length(min, max), datum) => {
                let length = length(datum)?;
                let is_wrong = min.is_some_and(|min| length < min) || max.is_some_and(|max| length > max);
                is_wrong.then(|| length.to_string())
            }
            (Self::OneOf(values), Datum::String(text)) => (!values.contains(&text.as_str())).then(|| format!("{text:?}")),
            (Self::Matches(_, holds), Datum::String(text)) => (!holds(text)).then(|| format!("{text:?}")),
            (_, Datum::List(elements)) => return elements.iter().find_map(|element| self.fault(element, is_secret)),
            (_, Datum::Map(entries)) => return entries.values().find_map(|entry| self.fault(entry, is_secret)),
            _ => None,
        }?;
        // The length of a secret is a secret too.
        Some(if is_secret { self.rule() } else { format!("{}, got {found}", self.rule()) })
    }
}

fn is_within(number: &Number, min: Option<&Number>, max: Option<&Number>) -> bool {
    min.is_none_or(|min| number.compare(min).is_ge()) && max.is_none_or(|max| number.compare(max).is_le())
}

fn length(datum: &Datum) -> Option<usize> {
    match datum {
        Datum::String(text) => Some(text.chars().count()),
        Datum::List(elements) => Some(elements.len()),
        Datum::Map(entries) => Some(entries.len()),
        _ => None,
    }
}

fn bounds<T: std::fmt::Display + PartialEq>(min: Option<T>, max: Option<T>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("between {min} and {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "of any size".to_owned(),
    }
}

/// Returns `a`, `b` or `c`, as Markdown.
fn alternatives(values: &[&str]) -> String {
    let quoted: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "one of no values".to_owned(),
    }
}

/// A rule about which attributes of the same object are set together. One whose value isn't known yet may turn out to be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// None of these is set beside it.
    ConflictsWith(&'static [&'static str]),
    /// All of these are set as well.
    Requires(&'static [&'static str]),
    /// One of these is set, and no more.
    ExactlyOneOf(&'static [&'static str]),
    /// One of these is set, or several.
    AtLeastOneOf(&'static [&'static str]),
}

impl Relation {
    /// Returns the attributes that it names.
    pub fn names(&self) -> &'static [&'static str] {
        match self {
            Self::ConflictsWith(names) | Self::Requires(names) | Self::ExactlyOneOf(names) | Self::AtLeastOneOf(names) => names,
        }
    }

    /// Returns the rule as a sentence of the documentation.
    pub fn rule(&self) -> String {
        match self {
            Self::ConflictsWith(names) => format!("Conflicts with {}.", alternatives(names).replace(" or ", " and ")),
            Self::Requires(names) => format!("Requires {}.", alternatives(names).replace(" or ", " and ")),
            Self::ExactlyOneOf(names) => format!("Exactly one of {} must be set.", alternatives(names)),
            Self::AtLeastOneOf(names) => format!("At least one of {} must be set.", alternatives(names)),
        }
    }

    /// Returns what is wrong with the attribute `of` of a configured object.
    pub fn fault(&self, of: &str, object: &Dynamic) -> Option<String> {
        let is_set = |name: &&&str| attribute(object, name).is_value();
        let may_be_set = |name: &&&str| !attribute(object, name).is_null();
        match self {
            Self::ConflictsWith(names) => {
                let other = names.iter().find(is_set).filter(|_| attribute(object, of).is_value())?;
                Some(format!("`{of}` conflicts with `{other}`: set one of them only"))
            }
            Self::Requires(names) => {
                let missing = names.iter().find(|name| !may_be_set(name)).filter(|_| attribute(object, of).is_value())?;
                Some(format!("`{of}` requires `{missing}`, which is not set"))
            }
            Self::ExactlyOneOf(names) => match names.iter().filter(is_set).collect::<Vec<_>>().as_slice() {
                [] if !names.iter().any(|name| may_be_set(&name)) => {
                    Some(format!("exactly one of {} must be set, but all are null", alternatives(names)))
                }
                [one, another, ..] => Some(format!("exactly one of {} must be set, but `{one}` and `{another}` are", alternatives(names))),
                _ => None,
            },
            Self::AtLeastOneOf(names) => {
                let none = !names.iter().any(|name| may_be_set(&name));
                none.then(|| format!("at least one of {} must be set, but all are null", alternatives(names)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: i64) -> Dynamic {
        Value::Value(number.into())
    }

    fn text(text: &str) -> Dynamic {
        Value::Value(text.into())
    }

    fn list(elements: &[Dynamic]) -> Dynamic {
        Value::Value(Datum::List(elements.to_vec()))
    }

    #[test]
    fn a_limit_names_its_rule_and_what_it_found() {
        let days = Limit::Range(Some(1.into()), Some(36500.into()));
        assert_eq!(days.fault(&number(0), false).as_deref(), Some("must be between 1 and 36500, got 0"));
        assert_eq!(days.fault(&number(36501), true).as_deref(), Some("must be between 1 and 36500"));
        for fine in [number(1), number(36500), Value::Null, Value::Unknown] {
            assert_eq!(days.fault(&fine, false), None);
        }
        let name = Limit::Length(Some(1), Some(3));
        assert_eq!(name.fault(&text("\u{e4}\u{f6}\u{fc}"), false), None, "characters, not bytes");
        assert_eq!(name.fault(&text("four"), false).as_deref(), Some("must have a length between 1 and 3, got 4"));
        assert_eq!(Limit::Length(Some(1), None).fault(&list(&[]), false).as_deref(), Some("must have a length of at least 1, got 0"));
        let mode = Limit::OneOf(vec!["A", "B", "C"]);
        assert_eq!(mode.fault(&list(&[text("A"), text("a")]), false).as_deref(), Some("must be `A`, `B` or `C`, got \"a\""));
        let plain = Limit::Matches("must not contain a slash", |text| !text.contains('/'));
        assert_eq!(plain.fault(&text("a/b"), false).as_deref(), Some("must not contain a slash, got \"a/b\""));
        assert_eq!(plain.fault(&text("a/b"), true).as_deref(), Some("must not contain a slash"));
    }

    #[test]
    fn a_relation_looks_at_what_is_known_to_be_set() {
        let object = |a: Dynamic, b: Dynamic| Value::Value(Datum::Map([("a".to_owned(), a), ("b".to_owned(), b)].into()));
        let fault = |relation: Relation, a, b| relation.fault("a", &object(a, b)).is_some();
        let (set, null, unknown) = (|| number(1), || Value::Null, || Value::Unknown);
        let (conflicts, requires) = (Relation::ConflictsWith(&["b"]), Relation::Requires(&["b"]));
        let (one, any) = (Relation::ExactlyOneOf(&["a", "b"]), Relation::AtLeastOneOf(&["a", "b"]));
        assert!(fault(conflicts, set(), set()) && !fault(conflicts, set(), unknown()) && !fault(conflicts, unknown(), set()));
        assert!(fault(requires, set(), null()) && !fault(requires, set(), unknown()) && !fault(requires, unknown(), null()));
        assert!(fault(one, set(), set()) && fault(one, null(), null()) && !fault(one, set(), null()) && !fault(one, null(), unknown()));
        assert!(fault(any, null(), null()) && !fault(any, set(), set()) && !fault(any, unknown(), null()));
        let all_null = one.fault("a", &object(null(), null()));
        assert_eq!(all_null.as_deref(), Some("exactly one of `a` or `b` must be set, but all are null"));
    }
}
