//! Where nested objects are within an attribute, and which of two versions of an attribute are the same object.

use std::collections::BTreeSet;

use crate::terraform::{Attribute, AttributeConstraint, AttributePath, Datum, Dynamic, Nesting, Type, Value, attribute};

/// Where a nested object is within its attribute.
pub(super) enum Place {
    /// It is the attribute.
    Itself,
    /// At a position of a list.
    Index(usize),
    /// In a set, where objects have neither position nor key.
    Element,
    /// Under a key of a map.
    Key(String),
}

/// The elements of a list or a set; empty for all else.
pub(super) fn elements(value: &Dynamic) -> &[Dynamic] {
    if let Value::Value(Datum::List(elements)) = value { elements } else { &[] }
}

impl Place {
    /// The places at which there is an object on either side. A set has none that both sides share.
    pub(super) fn all(nesting: Nesting, before: &Dynamic, after: &Dynamic) -> Vec<Self> {
        let keys = |value: &Dynamic| {
            if let Value::Value(Datum::Map(entries)) = value { entries.keys().cloned().collect() } else { BTreeSet::new() }
        };
        match nesting {
            Nesting::Single => vec![Self::Itself],
            Nesting::List => (0..elements(before).len().max(elements(after).len())).map(Self::Index).collect(),
            Nesting::Set => Vec::new(),
            Nesting::Map => keys(before).union(&keys(after)).cloned().map(Self::Key).collect(),
        }
    }

    /// The object at this place; null where there is none.
    pub(super) fn of<'a>(&self, value: &'a Dynamic) -> &'a Dynamic {
        match (self, value) {
            (Self::Itself, object) => object,
            (Self::Index(index), Value::Value(Datum::List(elements))) => elements.get(*index).unwrap_or(&Value::Null),
            (Self::Key(key), Value::Value(Datum::Map(entries))) => entries.get(key).unwrap_or(&Value::Null),
            _ => &Value::Null,
        }
    }

    /// The path of the object at this place of the attribute at `path`.
    pub(super) fn after(&self, path: AttributePath) -> AttributePath {
        match self {
            Self::Itself | Self::Element => path,
            Self::Index(index) => path.index(i64::try_from(*index).unwrap_or(i64::MAX)),
            Self::Key(key) => path.key(key.clone()),
        }
    }
}

type Objects<'a> = Vec<(Place, &'a mut Dynamic)>;

/// The nested objects of an attribute, each with its place, and their attributes; none for an attribute of a plain type.
pub(super) fn objects<'a>(of: &'a Attribute, object: &'a mut Dynamic) -> Option<(&'a [Attribute], Objects<'a>)> {
    let (Type::Nested(nesting, inner), Value::Value(Datum::Map(attributes))) = (&of.ty, object) else { return None };
    let objects = match (nesting, attributes.get_mut(of.name)?) {
        (Nesting::Single, single) => vec![(Place::Itself, single)],
        (Nesting::List, Value::Value(Datum::List(elements))) => {
            elements.iter_mut().enumerate().map(|(index, element)| (Place::Index(index), element)).collect()
        }
        (Nesting::Set, Value::Value(Datum::List(elements))) => elements.iter_mut().map(|element| (Place::Element, element)).collect(),
        (Nesting::Map, Value::Value(Datum::Map(entries))) => {
            entries.iter_mut().map(|(key, entry)| (Place::Key(key.clone()), entry)).collect()
        }
        _ => Vec::new(),
    };
    Some((inner, objects))
}

/// Whether two objects are the same but for what the provider computes.
pub(super) fn same_inputs(attributes: &[Attribute], before: &Dynamic, after: &Dynamic) -> bool {
    let (Value::Value(_), Value::Value(_)) = (before, after) else { return before.is_null() && after.is_null() };
    attributes.iter().all(|of| {
        let (before, after) = (attribute(before, of.name), attribute(after, of.name));
        if of.rules.constraint == AttributeConstraint::Computed || of.rules.write_only || before == after {
            return true;
        }
        if of.rules.equivalence.is_some_and(|equivalent| before.is_value() && equivalent(before, after)) {
            return true;
        }
        let Type::Nested(nesting, inner) = &of.ty else { return false };
        match nesting {
            Nesting::Set => {
                let has = |all: &[Dynamic], one: &Dynamic| all.iter().any(|other| same_inputs(inner, other, one));
                elements(before).len() == elements(after).len() && elements(before).iter().all(|one| has(elements(after), one))
            }
            _ => Place::all(*nesting, before, after).iter().all(|place| same_inputs(inner, place.of(before), place.of(after))),
        }
    })
}
