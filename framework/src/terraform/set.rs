//! The `set(…)` and the nested set of HCL: no order, no duplicates, and any number of elements that aren't known yet.

use std::collections::BTreeSet;

use super::{
    dynamic::{Datum, Dynamic, compare, is_wholly_known},
    model::{Field, encode},
    vocabulary::Value,
};

/// The elements of a set.
///
/// A known value is in it once. What isn't known may turn out to be anything, so each unknown element counts, and none is equal to another:
/// a set type of Rust would keep one of them, and the plan would then have fewer elements than the configuration.
///
/// ```
/// use framework::{Set, Value};
///
/// let known = |text: &str| Value::Value(text.to_owned());
/// let ranges: Set<String> = [known("10.0.0.0/8"), Value::Unknown, known("10.0.0.0/8"), Value::Unknown].into_iter().collect();
/// assert_eq!(ranges.len(), 3);
/// assert!(ranges.contains(&"10.0.0.0/8".to_owned()));
/// ```
#[derive(Clone, Debug)]
pub struct Set<T>(Vec<Value<T>>);

/// A value that is ordered as [`compare`] does.
struct Ordered(Dynamic);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        compare(&self.0, &other.0)
    }
}

impl<T> Set<T> {
    /// A set without elements.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns how many elements there are, known or not.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the elements, in the order in which they came.
    pub fn iter(&self) -> std::slice::Iter<'_, Value<T>> {
        self.0.iter()
    }

    /// Returns the elements for a change of what is computed in them; a change that makes two equal is a mistake.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Value<T>> {
        self.0.iter_mut()
    }
}

impl<T: PartialEq> Set<T> {
    /// Whether the value is among the known elements.
    pub fn contains(&self, value: &T) -> bool {
        self.iter().any(|element| element.as_ref_option() == Some(value))
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Field> FromIterator<Value<T>> for Set<T> {
    fn from_iter<I: IntoIterator<Item = Value<T>>>(elements: I) -> Self {
        let mut seen = BTreeSet::new();
        let is_new = |element: &Value<T>| {
            let element = encode(element);
            !is_wholly_known(&element) || seen.insert(Ordered(element))
        };
        Self(elements.into_iter().filter(is_new).collect())
    }
}

impl<T: Field, const N: usize> From<[Value<T>; N]> for Set<T> {
    fn from(elements: [Value<T>; N]) -> Self {
        elements.into_iter().collect()
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = Value<T>;
    type IntoIter = std::vec::IntoIter<Value<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a Value<T>;
    type IntoIter = std::slice::Iter<'a, Value<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Set<T> {
    type Item = &'a mut Value<T>;
    type IntoIter = std::slice::IterMut<'a, Value<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

impl<T: Field> PartialEq for Set<T> {
    /// The order doesn't matter.
    fn eq(&self, other: &Self) -> bool {
        let sorted = |set: &Self| {
            let mut elements: Vec<_> = set.iter().map(|element| Ordered(encode(element))).collect();
            elements.sort();
            elements
        };
        self.len() == other.len() && sorted(self) == sorted(other)
    }
}

/// Whether two sets have the same elements, in whatever order.
pub(crate) fn same_elements(a: &[Dynamic], b: &[Dynamic]) -> bool {
    let sorted = |elements: &[Dynamic]| {
        let mut elements: Vec<_> = elements.iter().cloned().map(Ordered).collect();
        elements.sort();
        elements
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

impl<T: Field> Set<T> {
    /// Returns the set as the protocol carries it.
    pub(super) fn to_datum(&self) -> Datum {
        Datum::List(self.iter().map(encode).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    #[test]
    fn known_elements_are_in_a_set_once_and_unknown_ones_all() {
        let set = Set::from([known("b"), Value::Unknown, known("a"), known("b"), Value::Unknown]);
        assert_eq!(set.into_iter().collect::<Vec<_>>(), [known("b"), Value::Unknown, known("a"), Value::Unknown]);
        let partly = Set::from([Value::Value(vec![Value::<i64>::Unknown]), Value::Value(vec![Value::Unknown])]);
        assert_eq!(partly.len(), 2, "what is unknown in part isn't equal either");
    }

    #[test]
    fn the_order_of_a_set_does_not_matter() {
        assert_eq!(Set::from([known("a"), known("b")]), Set::from([known("b"), known("a")]));
        assert_ne!(Set::from([known("a"), Value::Unknown]), Set::from([known("a"), known("b")]));
        assert_ne!(Set::from([known("a")]), Set::from([known("a"), Value::Unknown]));
    }
}
