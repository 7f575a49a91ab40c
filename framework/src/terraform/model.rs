//! One declaration of a resource's attributes: the struct, its schema, its documentation and its codec.

use std::collections::{BTreeMap, HashMap};

use super::{
    dynamic::{Datum, Dynamic},
    number::Number,
    report::Error,
    schema::{Attribute, Nesting, Schema, Type},
    set::Set,
    vocabulary::{AttributePath, AttributeType, Value},
};

/// Attributes as they stand in HCL, plan and state. Declared with [`model!`](crate::model).
pub trait Model: Field + Default + Clone + Send + Sync + 'static {
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

/// A type of Rust that an attribute can have.
///
/// | Rust | HCL |
/// |---|---|
/// | `String`, `bool` | `string`, `bool` |
/// | `i32`, `i64`, `u32`, `u64` | `number`, whole and within the range |
/// | `f64` | `number` that a float holds exactly as written: up to 15 digits |
/// | [`Number`] | `number` of any size and precision |
/// | `Vec<Value<T>>`, [`Set<T>`], `BTreeMap<String, Value<T>>` | `list`, `set`, `map` |
/// | a [`Model`] | a nested attribute; in a list, a set or a map, nested attributes |
/// | [`Datum`] | `dynamic`: a value of any type |
///
/// Nested attributes end at one level: a collection of collections of them doesn't compile, as HCL has no place for the rules of what is
/// inside (what is write-only there would be saved).
///
/// ```compile_fail
/// use framework::{Field, Value, model, optional};
///
/// model! {
///     /// A part.
///     pub struct Part {
///         /// Its key.
///         key_wo: String => optional().write_only(),
///     }
/// }
/// let nested = Vec::<Value<Vec<Value<Part>>>>::field_type();
/// ```
pub trait Field: Sized {
    /// 0 for a type without nested attributes, 1 for an object with them, 2 for a collection of such objects.
    const LEVEL: u8 = 0;

    /// Returns the attribute's type in the schema.
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

/// Returns the name of the attribute that a field of a model declares: a keyword such as `type` is written `r#type` in Rust.
pub const fn attribute_name(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
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

fn invalid(path: &AttributePath, problem: &str) -> Error {
    Error::new(format!("Invalid {path}"), format!("`{path}` {problem}.")).at(path.clone())
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

macro_rules! whole_numbers {
    ($($ty:ty),*) => {
        $(impl Field for $ty {
            fn field_type() -> Type {
                Type::Plain(AttributeType::Number)
            }
            fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
                let Datum::Number(number) = datum else { return Err(mismatch("a number", datum, path)) };
                let wanted = if number.is_whole() { format!("between {} and {}", Self::MIN, Self::MAX) } else { "a whole number".to_owned() };
                let whole = number.as_i128().and_then(|whole| Self::try_from(whole).ok());
                whole.ok_or_else(|| invalid(path, &format!("must be {wanted}, got {number}")))
            }
            fn encode(&self) -> Datum {
                Datum::Number(Number::from(*self))
            }
        })*
    };
}

whole_numbers!(i32, i64, u32, u64);

impl Field for f64 {
    fn field_type() -> Type {
        Type::Plain(AttributeType::Number)
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        let Datum::Number(number) = datum else { return Err(mismatch("a number", datum, path)) };
        let float = number.as_f64();
        // The plan has to show what is configured, to the last digit.
        if Number::from(float) == *number {
            Ok(float)
        } else {
            Err(invalid(
                path,
                &format!("must have at most 15 digits, got {number}; round it, for instance with `tonumber(format(\"%.3f\", value))`"),
            ))
        }
    }
    fn encode(&self) -> Datum {
        Datum::Number(Number::from(*self))
    }
}

impl Field for Number {
    fn field_type() -> Type {
        Type::Plain(AttributeType::Number)
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        match datum {
            Datum::Number(number) => Ok(number.clone()),
            other => Err(mismatch("a number", other, path)),
        }
    }
    fn encode(&self) -> Datum {
        Datum::Number(self.clone())
    }
}

/// A value of any type: `dynamic` in the schema.
impl Field for Datum {
    fn field_type() -> Type {
        Type::Plain(AttributeType::Any)
    }
    fn decode(datum: &Datum, _: &AttributePath) -> Result<Self, Error> {
        Ok(datum.clone())
    }
    fn encode(&self) -> Datum {
        self.clone().with_type()
    }
}

/// The type of a collection whose elements have the given type.
fn collection<T: Field>(nesting: Nesting, plain: fn(Box<AttributeType>) -> AttributeType) -> Type {
    const { assert!(T::LEVEL < 2, "a collection of collections of nested attributes loses the rules of those attributes") }
    match T::field_type() {
        Type::Plain(element) => Type::Plain(plain(Box::new(element))),
        Type::Nested(_, attributes) => Type::Nested(nesting, attributes),
    }
}

/// The level of a collection of what has the given level.
const fn level(of_element: u8) -> u8 {
    if of_element == 0 { 0 } else { 2 }
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
        Type::Nested(Nesting::Set, attributes) => AttributeType::Set(Box::new(object_type(attributes))),
        Type::Nested(Nesting::Map, attributes) => AttributeType::Map(Box::new(object_type(attributes))),
    }
}

impl<T: Field> Field for Vec<Value<T>> {
    const LEVEL: u8 = level(T::LEVEL);

    fn field_type() -> Type {
        collection::<T>(Nesting::List, AttributeType::List)
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

impl<T: Field> Field for Set<T> {
    const LEVEL: u8 = level(T::LEVEL);

    fn field_type() -> Type {
        collection::<T>(Nesting::Set, AttributeType::Set)
    }
    fn decode(datum: &Datum, path: &AttributePath) -> Result<Self, Error> {
        match datum {
            // The elements of a set have no path of their own in the protocol.
            Datum::List(elements) => elements.iter().map(|element| decode(element, path)).collect(),
            other => Err(mismatch("a set", other, path)),
        }
    }
    fn encode(&self) -> Datum {
        self.to_datum()
    }
}

impl<T: Field> Field for BTreeMap<String, Value<T>> {
    const LEVEL: u8 = level(T::LEVEL);

    fn field_type() -> Type {
        collection::<T>(Nesting::Map, AttributeType::Map)
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
                    name: $crate::attribute_name(stringify!($name)),
                    description: $crate::docs(&[$($doc),*]),
                    ty: <$ty as $crate::Field>::field_type(),
                    rules: $rules,
                } ),*]
            }
        }

        impl $crate::Field for $model {
            const LEVEL: u8 = 1;

            fn field_type() -> $crate::Type {
                $crate::Type::Nested($crate::Nesting::Single, <Self as $crate::Model>::attributes())
            }
            fn decode(
                datum: &$crate::Datum,
                path: &$crate::AttributePath,
            ) -> Result<Self, $crate::Error> {
                Ok(Self { $( $name: $crate::decode_attribute(datum, $crate::attribute_name(stringify!($name)), path)?, )* })
            }
            fn encode(&self) -> $crate::Datum {
                $crate::Datum::Map([
                    $( ($crate::attribute_name(stringify!($name)).to_owned(), $crate::encode(&self.$name)) ),*
                ].into())
            }
        }
    };
}

/// Joins the lines of a doc comment: each begins with the space after `///`.
pub fn docs(lines: &[&str]) -> String {
    lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}
