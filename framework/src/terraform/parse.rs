//! From a model, which may be unknown in parts, to something valid and known; every violation at its path.

use std::{collections::BTreeMap, fmt::Display};

use super::{
    report::{Error, Report},
    set::Set,
    vocabulary::{AttributePath, Value},
};

/// What came of parsing a model.
#[derive(Debug)]
pub enum Parsed<T> {
    /// Valid, and known.
    Ready(T),
    /// Nothing wrong so far, but not all is known yet.
    Unknown,
    /// The report says what is wrong.
    Invalid,
}

/// How much is demanded of what is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    /// All rules hold.
    Configuration,
    /// What breaks a rule reads as left out.
    Stored,
    /// The same, and nothing has to be there but what identifies the object.
    Identified,
}

/// Reads the attributes of one object. An attribute that is unknown or wrong reads as `None`, so that a closure with `?` builds
/// the result; all attributes are read before, and so all violations are reported.
pub struct Parse<'a> {
    report: &'a mut Report,
    unknown: bool,
    invalid: bool,
    strength: Strength,
    path: AttributePath,
}

impl<'a> Parse<'a> {
    /// Reads the attributes of a state, which may break the rules of today: a violation is a warning, and the value reads as left out. So what
    /// exists can be read, updated and destroyed as long as the rest is enough to find it.
    pub fn stored(report: &'a mut Report) -> Self {
        Self { strength: Strength::Stored, ..Self::new(report) }
    }

    /// Reads the attributes of an object that is only to be looked for or deleted: see [`required_to_change`](Self::required_to_change).
    pub fn identified(report: &'a mut Report) -> Self {
        Self { strength: Strength::Identified, ..Self::new(report) }
    }

    fn is_stored(&self) -> bool {
        self.strength != Strength::Configuration
    }

    /// Reads the attributes at the root.
    pub fn new(report: &'a mut Report) -> Self {
        Self::at(AttributePath::root(), report)
    }

    /// Reads the attributes of an object at `path`.
    pub fn at(path: AttributePath, report: &'a mut Report) -> Self {
        Self { report, unknown: false, invalid: false, strength: Strength::Configuration, path }
    }

    /// Reads a nested object that may be left out.
    pub fn nested<T, U>(
        &mut self,
        name: &'static str,
        value: &Value<T>,
        read: impl FnOnce(&T, &mut Parse<'_>) -> Option<U>,
    ) -> Option<Option<U>> {
        match value {
            Value::Null => Some(None),
            Value::Unknown => {
                self.unknown = true;
                None
            }
            Value::Value(object) => self.inner(self.path.clone().attribute(name), |parse| read(object, parse)).map(Some),
        }
    }

    /// Reads the attributes of an object within this one.
    pub fn inner<U>(&mut self, path: AttributePath, read: impl FnOnce(&mut Parse<'_>) -> Option<U>) -> Option<U> {
        let mut inner = Parse { unknown: false, invalid: false, strength: self.strength, path, report: self.report };
        let read = read(&mut inner);
        let (unknown, invalid) = (inner.unknown, inner.invalid);
        self.unknown |= unknown;
        self.invalid |= invalid;
        read
    }

    /// Reads an attribute that must be there (the schema sees to that: null counts as unknown).
    pub fn required<T, U, E: Display>(&mut self, name: &'static str, value: &Value<T>, read: impl FnOnce(&T) -> Result<U, E>) -> Option<U> {
        match self.optional(name, value, read) {
            Some(None) => {
                self.unknown = true;
                None
            }
            other => other.flatten(),
        }
    }

    /// Reads a required attribute for which a state may hold null or an invalid value, as after an import: there it reads as `fallback`.
    pub fn required_or<T, U, E: Display>(
        &mut self,
        name: &'static str,
        value: &Value<T>,
        read: impl FnOnce(&T) -> Result<U, E>,
        fallback: U,
    ) -> Option<U> {
        if self.strength == Strength::Configuration {
            return self.required(name, value, read);
        }
        self.optional(name, value, read).map(|read| read.unwrap_or(fallback))
    }

    /// Reads a required attribute that matters to a create or an update only: where an object is merely looked for or deleted, a missing or
    /// invalid value reads as `fallback`.
    pub fn required_to_change<T, U, E: Display>(
        &mut self,
        name: &'static str,
        value: &Value<T>,
        read: impl FnOnce(&T) -> Result<U, E>,
        fallback: Option<U>,
    ) -> Option<U> {
        if self.strength != Strength::Identified {
            return self.required(name, value, read);
        }
        self.optional(name, value, read).and_then(|read| read.or(fallback))
    }

    /// Reads an attribute that may be left out.
    pub fn optional<T, U, E: Display>(
        &mut self,
        name: &'static str,
        value: &Value<T>,
        read: impl FnOnce(&T) -> Result<U, E>,
    ) -> Option<Option<U>> {
        match value {
            Value::Null => Some(None),
            Value::Unknown => {
                self.unknown = true;
                None
            }
            Value::Value(value) => match read(value) {
                Ok(read) => Some(Some(read)),
                Err(problem) => {
                    self.violation(self.path.clone().attribute(name), &problem);
                    self.is_stored().then_some(None)
                }
            },
        }
    }

    /// Reads each element of a list, set or the like; a missing collection is empty.
    pub fn each<'v, T: 'v, U, E: Display>(
        &mut self,
        name: &'static str,
        elements: &'v Value<impl IntoElements<'v, T>>,
        mut read: impl FnMut(&T) -> Result<U, E>,
    ) -> Option<Vec<U>> {
        self.each_nested(name, elements, |element, parse| {
            read(element).map_err(|problem| parse.violation(parse.path.clone(), &problem)).ok()
        })
    }

    /// Reads each nested object of a list or map; a missing collection is empty.
    pub fn each_nested<'v, T: 'v, U>(
        &mut self,
        name: &'static str,
        elements: &'v Value<impl IntoElements<'v, T>>,
        mut read: impl FnMut(&T, &mut Parse<'_>) -> Option<U>,
    ) -> Option<Vec<U>> {
        let path = self.path.clone().attribute(name);
        let Value::Value(elements) = elements else {
            self.unknown |= elements.is_unknown();
            return elements.is_null().then(Vec::new);
        };
        let mut all = Some(Vec::new());
        for (path, element) in elements.elements(&path) {
            let read = match element {
                Value::Value(element) => self.inner(path, |parse| read(element, parse)),
                Value::Unknown => {
                    self.unknown = true;
                    None
                }
                Value::Null => {
                    self.violation(path, &"An element can't be null.");
                    None
                }
            };
            if self.is_stored() && read.is_none() {
                continue;
            }
            all = all.zip(read).map(|(mut all, read)| {
                all.push(read);
                all
            });
        }
        all
    }

    /// Reads the elements that are known and valid; the others are left out without a report. For a [`Plan`](super::Plan), whose values were
    /// validated before, and may still be unknown.
    pub fn each_known<'v, T: 'v, U, E>(elements: &'v Value<impl IntoElements<'v, T>>, read: impl FnMut(&T) -> Result<U, E>) -> Vec<U> {
        let elements = elements.as_ref_option().map(|elements| elements.elements(&AttributePath::root())).unwrap_or_default();
        elements.into_iter().filter_map(|(_, element)| element.as_ref_option()).map(read).filter_map(Result::ok).collect()
    }

    /// Reads each element of a collection that may be left out, where null means something else than empty.
    pub fn optional_each<'v, T: 'v, U, E: Display>(
        &mut self,
        name: &'static str,
        elements: &'v Value<impl IntoElements<'v, T>>,
        read: impl FnMut(&T) -> Result<U, E>,
    ) -> Option<Option<Vec<U>>> {
        if elements.is_null() { Some(None) } else { self.each(name, elements, read).map(Some) }
    }

    /// Reads each value of a map that may be left out, where null means something else than empty.
    pub fn optional_entries<T, U, E: Display>(
        &mut self,
        name: &'static str,
        entries: &Value<BTreeMap<String, Value<T>>>,
        read: impl FnMut(&T) -> Result<U, E>,
    ) -> Option<Option<BTreeMap<String, U>>> {
        if entries.is_null() { Some(None) } else { self.entries(name, entries, read).map(Some) }
    }

    /// Reads each value of a map; a missing map is empty.
    pub fn entries<T, U, E: Display>(
        &mut self,
        name: &'static str,
        entries: &Value<BTreeMap<String, Value<T>>>,
        mut read: impl FnMut(&T) -> Result<U, E>,
    ) -> Option<BTreeMap<String, U>> {
        self.nested_entries(name, entries, |_, value, parse| {
            read(value).map_err(|problem| parse.violation(parse.path.clone(), &problem)).ok()
        })
    }

    /// Reads each nested object of a map, with its key; a missing map is empty.
    pub fn nested_entries<T, U>(
        &mut self,
        name: &'static str,
        entries: &Value<BTreeMap<String, Value<T>>>,
        mut read: impl FnMut(&str, &T, &mut Parse<'_>) -> Option<U>,
    ) -> Option<BTreeMap<String, U>> {
        // In the order of the map; those that aren't known are left out of both.
        let known = entries.as_ref_option().into_iter().flatten().filter(|(_, value)| value.is_value());
        let mut keys = known.map(|(key, _)| key.clone());
        let keyed = self.each_nested(name, entries, |value, parse| {
            let key = keys.next().unwrap_or_default();
            read(&key, value, parse).map(|value| (key, value))
        });
        keyed.map(|entries| entries.into_iter().collect())
    }

    /// Reports that the attribute at `path` is wrong.
    pub fn violation(&mut self, path: AttributePath, problem: &dyn Display) {
        // With the path in the title too: the CLIs can't point into a list or map.
        let problem = problem.to_string();
        // A rule such as "must be a whole number" becomes a sentence about the attribute.
        let detail = if problem.starts_with("must ") { format!("`{path}` {problem}") } else { problem };
        let violation = Error::new(format!("Invalid {path}"), detail).at(path);
        if self.is_stored() {
            self.report.warning(violation);
        } else {
            self.invalid = true;
            self.report.error(violation);
        }
    }

    /// Reports what is allowed but not likely meant.
    pub fn warning(&mut self, name: &'static str, warning: Error) {
        let path = self.path.clone().attribute(name);
        self.report.warning(warning.at(path));
    }

    /// The path of an attribute of this object.
    pub fn path(&self, name: &'static str) -> AttributePath {
        self.path.clone().attribute(name)
    }

    /// Marks the result as not yet known.
    pub fn set_unknown(&mut self) {
        self.unknown = true;
    }

    /// Whether anything that was read is unknown.
    pub fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Whether anything was wrong.
    pub fn is_invalid(&self) -> bool {
        self.invalid
    }

    /// What came of it: `read` is what the attributes gave together.
    pub fn finish<T>(self, read: Option<T>) -> Parsed<T> {
        match read {
            _ if self.invalid => Parsed::Invalid,
            Some(read) if !self.unknown => Parsed::Ready(read),
            _ => Parsed::Unknown,
        }
    }
}

/// A collection whose elements have paths.
pub trait IntoElements<'v, T> {
    /// The elements, each with its path.
    fn elements(&'v self, path: &AttributePath) -> Vec<(AttributePath, &'v Value<T>)>;
}

impl<'v, T> IntoElements<'v, T> for Vec<Value<T>> {
    fn elements(&'v self, path: &AttributePath) -> Vec<(AttributePath, &'v Value<T>)> {
        (0..).zip(self).map(|(index, element)| (path.clone().index(index), element)).collect()
    }
}

impl<'v, T> IntoElements<'v, T> for Set<T> {
    fn elements(&'v self, path: &AttributePath) -> Vec<(AttributePath, &'v Value<T>)> {
        // The elements of a set have no path of their own in the protocol.
        self.iter().map(|element| (path.clone(), element)).collect()
    }
}

impl<'v, T> IntoElements<'v, T> for BTreeMap<String, Value<T>> {
    fn elements(&'v self, path: &AttributePath) -> Vec<(AttributePath, &'v Value<T>)> {
        self.iter().map(|(key, element)| (path.clone().key(key.clone()), element)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_element_is_a_violation_at_its_path() {
        let elements = Value::Value(vec![Value::Value(1), Value::Null, Value::Value(3)]);
        let mut report = Report::new();
        let mut parse = Parse::new(&mut report);
        let read = parse.each_nested("ports", &elements, |number, parse| {
            parse.required("number", &Value::Value(*number), |number| if *number < 3 { Ok(*number) } else { Err("Too great.") })
        });
        assert!(read.is_none() && parse.is_invalid() && !parse.is_unknown());
        let summaries: Vec<_> = report.into_diagnostics().errors.into_iter().map(|error| error.summary).collect();
        assert_eq!(summaries, ["Invalid ports[1]", "Invalid ports[2].number"]);
    }
}
