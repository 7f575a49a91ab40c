//! One declaration of a resource's attributes: the struct, its schema, its documentation and its codec.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    dynamic::{Datum, Dynamic, Number},
    report::Error,
    schema::{Attribute, Nesting, Schema, Type},
    vocabulary::{AttributePath, AttributeType, Value},
};

/// Attributes as they stand in HCL, plan and state. Declared with [`model!`](crate::model).
pub trait Model: Field + Default + Clone + Send + Sync {
    /// Markdown: what the object with these attributes is.
    fn description() -> String;
    /// The attributes in the order of declaration.
    fn attributes() -> Vec<Attribute>;
}

impl Schema {
    /// The schema that a model declares.
    pub fn of<M: Model>() -> Self {
        Self { version: 0, description: M::description(), deprecation: None, attributes: M::attributes() }
    }
}

/// What can stand in an attribute.
pub trait Field: Sized {
    /// The attribute's type in the schema.
    fn field_type() -> Type;
    /// Reads a known value. Fails where the schema can't exclude a wrong one, such as a fraction for an integer.
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error>;
    /// The value as the protocol carries it.
    fn encode(&self) -> Datum;
}

/// Reads a value that may be null or unknown.
pub fn decode<T: Field>(value: &Dynamic, path: &AttributePath) -> Result<Value<T>, Error> {
    Ok(match value {
        Value::Null => Value::Null,
        Value::Unknown => Value::Unknown,
        Value::Value(datum) => Value::Value(T::decode(datum, path)?),
    })
}

/// The value as the protocol carries it, null and unknown included.
pub fn encode<T: Field>(value: &Value<T>) -> Dynamic {
    match value {
        Value::Null => Value::Null,
        Value::Unknown => Value::Unknown,
        Value::Value(value) => Value::Value(value.encode()),
    }
}

/// Reads one attribute of an object; null when the object has none of that name.
pub fn decode_attribute<T: Field>(object: &Datum, name: &'static str, path: &AttributePath) -> Result<Value<T>, Error> {
    let path = path.clone().attribute(name);
    match object {
        Datum::Map(attributes) => attributes.get(name).map_or(Ok(Value::Null), |value| decode(value, &path)),
        other => Err(mismatch("an object", other, &path)),
    }
}

fn mismatch(wanted: &str, found: &Datum, path: &AttributePath) -> Error {
    Error::new("Wrong type of value", format!("Expected {wanted}, found {}.", found.kind())).at(path.clone())
}

impl Field for String {
    fn field_type() -> Type {
        Type::Plain(AttributeType::String)
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        match datum {
            Datum::String(text) => Ok(text.clone()),
            other => Err(mismatch("a string", other, path)),
        }
    }
    fn encode(&self) -> Datum {
        Datum::String(self.clone())
    }
}

impl Field for bool {
    fn field_type() -> Type {
        Type::Plain(AttributeType::Bool)
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        match datum {
            Datum::Bool(truth) => Ok(*truth),
            other => Err(mismatch("true or false", other, path)),
        }
    }
    fn encode(&self) -> Datum {
        Datum::Bool(*self)
    }
}

impl Field for i64 {
    fn field_type() -> Type {
        Type::Plain(AttributeType::Number)
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        match datum {
            Datum::Number(number) => number.as_i64().ok_or_else(|| {
                Error::new("Not a whole number", format!("A whole number is needed here, and {number} is none.")).at(path.clone())
            }),
            other => Err(mismatch("a number", other, path)),
        }
    }
    fn encode(&self) -> Datum {
        Datum::Number(Number::Int(*self))
    }
}

/// The type of a collection whose elements have the given type.
fn collection(element: Type, nesting: Nesting, plain: fn(Box<AttributeType>) -> AttributeType) -> Type {
    match element {
        Type::Plain(element) => Type::Plain(plain(Box::new(element))),
        Type::Nested(Nesting::Single, attributes) => Type::Nested(nesting, attributes),
        // A collection of collections of nested objects: HCL's nested attributes end at one level.
        Type::Nested(_, attributes) => Type::Plain(plain(Box::new(object_type(&attributes)))),
    }
}

/// The plain type of an object with these attributes.
pub fn object_type(attributes: &[Attribute]) -> AttributeType {
    AttributeType::Object(
        attributes.iter().map(|attribute| (attribute.name.to_owned(), plain_type(&attribute.ty))).collect::<HashMap<_, _>>(),
    )
}

/// The type without the rules and documentation of nested attributes.
pub fn plain_type(ty: &Type) -> AttributeType {
    match ty {
        Type::Plain(plain) => plain.clone(),
        Type::Nested(Nesting::Single, attributes) => object_type(attributes),
        Type::Nested(Nesting::List, attributes) => AttributeType::List(Box::new(object_type(attributes))),
        Type::Nested(Nesting::Map, attributes) => AttributeType::Map(Box::new(object_type(attributes))),
    }
}

impl<T: Field> Field for Vec<Value<T>> {
    fn field_type() -> Type {
        collection(T::field_type(), Nesting::List, AttributeType::List)
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        match datum {
            Datum::List(elements) => (0..).zip(elements).map(|(index, element)| decode(element, &path.clone().index(index))).collect(),
            other => Err(mismatch("a list", other, path)),
        }
    }
    fn encode(&self) -> Datum {
        Datum::List(self.iter().map(encode).collect())
    }
}

impl Field for BTreeSet<Value<String>> {
    fn field_type() -> Type {
        Type::Plain(AttributeType::Set(Box::new(AttributeType::String)))
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        match datum {
            Datum::List(elements) => elements.iter().map(|element| decode(element, path)).collect(),
            other => Err(mismatch("a set", other, path)),
        }
    }
    fn encode(&self) -> Datum {
        Datum::List(self.iter().map(encode).collect())
    }
}

impl<T: Field> Field for BTreeMap<String, Value<T>> {
    fn field_type() -> Type {
        collection(T::field_type(), Nesting::Map, AttributeType::Map)
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        match datum {
            Datum::Map(entries) => {
                entries.iter().map(|(key, value)| Ok((key.clone(), decode(value, &path.clone().key(key.clone()))?))).collect()
            }
            other => Err(mismatch("a map", other, path)),
        }
    }
    fn encode(&self) -> Datum {
        Datum::Map(self.iter().map(|(key, value)| (key.clone(), encode(value))).collect())
    }
}

/// Declares a [`Model`]: each attribute once, with its documentation, type and rules.
///
/// ```
/// use framework::{Model, computed, model, required};
///
/// model! {
///     /// A thing.
///     pub struct ThingModel {
///         /// What it is called.
///         name: String => required().replaces(),
///         /// When it was made.
///         made_at: String => computed().kept(),
///     }
/// }
/// assert_eq!(ThingModel::attributes()[0].name, "name");
/// ```
#[macro_export]
macro_rules! model {
    (
        $(#[doc = $about:literal])*
        pub struct $model:ident {
            $( $(#[doc = $doc:literal])* $name:ident : $ty:ty => $rules:expr ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(unreachable_pub)] // where a model is reached from is its module's matter
        pub struct $model {
            $( $(#[doc = $doc])* pub $name: $crate::Value<$ty>, )*
        }

        impl $crate::Model for $model {
            fn description() -> String {
                $crate::docs(&[$($about),*])
            }
            fn attributes() -> Vec<$crate::Attribute> {
                vec![$( $crate::Attribute {
                    name: stringify!($name),
                    description: $crate::docs(&[$($doc),*]),
                    ty: <$ty as $crate::Field>::field_type(),
                    rules: $rules,
                } ),*]
            }
        }

        impl $crate::Field for $model {
            fn field_type() -> $crate::Type {
                $crate::Type::Nested($crate::Nesting::Single, <Self as $crate::Model>::attributes())
            }
            fn decode(
                datum: &$crate::Datum,
                path: &$crate::AttributePath,
            ) -> Result<Self, $crate::Error> {
                Ok(Self { $( $name: $crate::decode_attribute(datum, stringify!($name), path)?, )* })
            }
            fn encode(&self) -> $crate::Datum {
                $crate::Datum::Map([
                    $( (stringify!($name).to_owned(), $crate::encode(&self.$name)) ),*
                ].into())
            }
        }
    };
}

/// Joins the lines of a doc comment: each begins with the space after `///`.
pub fn docs(lines: &[&str]) -> String {
    lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}
