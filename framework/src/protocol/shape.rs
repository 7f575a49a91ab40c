//! Types as a codec follows them: nested attributes and plain types under one view, and types as the protocol writes them in JSON.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::terraform::{Attribute, AttributePath, AttributeType, Error, Nesting, Type};

/// How deep values may stand within each other. Without end only those can that bring their types, and each level costs stack; in JSON also
/// another look at the text of all below it. Types themselves are read half as deep.
pub(super) const DEEPEST: usize = 256;

/// What a value must look like.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    /// A type without nested attributes.
    Plain(&'a AttributeType),
    /// An object with these attributes.
    Object(&'a [Attribute]),
    /// Objects with these attributes, in a list, a set or a map.
    Objects(Nesting, &'a [Attribute]),
}

impl<'a> Shape<'a> {
    /// The shape of an attribute.
    pub(super) fn of(ty: &'a Type) -> Self {
        match ty {
            Type::Plain(plain) => Self::Plain(plain),
            Type::Nested(Nesting::Single, attributes) => Self::Object(attributes),
            Type::Nested(nesting, attributes) => Self::Objects(*nesting, attributes),
        }
    }

    pub(super) fn is_sequence(&self) -> bool {
        matches!(
            self,
            Self::Objects(Nesting::List | Nesting::Set, _)
                | Self::Plain(AttributeType::List(_) | AttributeType::Set(_) | AttributeType::Tuple(_))
        )
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Objects(Nesting::Map, _) | Self::Plain(AttributeType::Map(_)))
    }

    /// The shape of the element at a position; of any entry of a map.
    pub(super) fn element(&self, index: usize) -> Option<Shape<'a>> {
        match *self {
            Self::Objects(_, attributes) => Some(Shape::Object(attributes)),
            Self::Plain(AttributeType::List(element) | AttributeType::Set(element) | AttributeType::Map(element)) => {
                Some(Shape::Plain(element))
            }
            Self::Plain(AttributeType::Tuple(elements)) => elements.get(index).map(Shape::Plain),
            _ => None,
        }
    }

    /// The attributes of an object; empty for all else.
    pub(super) fn attributes(&self) -> Vec<(&'a str, Shape<'a>)> {
        match *self {
            Self::Object(attributes) => attributes.iter().map(|attribute| (attribute.name, Shape::of(&attribute.ty))).collect(),
            Self::Plain(AttributeType::Object(attributes)) => {
                let mut sorted: Vec<_> = attributes.iter().map(|(name, ty)| (name.as_str(), Shape::Plain(ty))).collect();
                sorted.sort_by_key(|(name, _)| *name);
                sorted
            }
            _ => Vec::new(),
        }
    }
}

/// The path of an element. A set's elements have none of their own in the protocol.
pub(super) fn element_path(shape: &Shape<'_>, path: &AttributePath, index: usize) -> AttributePath {
    match shape {
        Shape::Objects(Nesting::Set, _) | Shape::Plain(AttributeType::Set(_)) => path.clone(),
        _ => path.clone().index(i64::try_from(index).unwrap_or(i64::MAX)),
    }
}

/// Reads a type as the protocol writes it: `"string"`, `["list","string"]`, `["object",{"a":"bool"}]`.
pub(super) fn parse(json: &[u8]) -> Result<AttributeType, Error> {
    let wrong = |what: &dyn std::fmt::Display| Error::new("Malformed type", format!("The value's type can't be read: {what}."));
    let json: Json = serde_json::from_slice(json).map_err(|error| wrong(&error))?;
    read(&json).ok_or_else(|| wrong(&json))
}

fn read(json: &Json) -> Option<AttributeType> {
    if let Some(name) = json.as_str() {
        return match name {
            "string" => Some(AttributeType::String),
            "number" => Some(AttributeType::Number),
            "bool" => Some(AttributeType::Bool),
            "dynamic" => Some(AttributeType::Any),
            _ => None,
        };
    }
    let (name, inner) = match json.as_array()?.as_slice() {
        // The third element names an object's optional attributes: it matters to who writes the type only.
        [name, inner] | [name, inner, _] => (name.as_str()?, inner),
        _ => return None,
    };
    match name {
        "list" => Some(AttributeType::List(Box::new(read(inner)?))),
        "set" => Some(AttributeType::Set(Box::new(read(inner)?))),
        "map" => Some(AttributeType::Map(Box::new(read(inner)?))),
        "tuple" => inner.as_array()?.iter().map(read).collect::<Option<Vec<_>>>().map(AttributeType::Tuple),
        "object" => {
            let attributes = inner.as_object()?.iter().map(|(name, ty)| Some((name.clone(), read(ty)?)));
            attributes.collect::<Option<HashMap<_, _>>>().map(AttributeType::Object)
        }
        _ => None,
    }
}
