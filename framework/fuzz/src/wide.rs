//! A provider whose types are as wide as the protocol's, so that all of the codecs is reached.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use framework::{model, AnyResource, ArgumentError, AttributePath, AttributeType, Cx, Datum, DefaultTimeouts, Dynamic, Earlier, Error, Field, Function, Observed, Parameter, Parse, Prior, Provider, Reached, Resource, Set, Setup, Timeouts, Type, Value, computed, erase, optional, required};

/// The resource type, and the function that takes the same attributes.
pub const THING: &str = "wide_thing";

/// The arguments of the last call of a function.
pub type Kept = Arc<Mutex<Vec<Dynamic>>>;

/// The provider; all functions keep their arguments in the same place.
#[derive(Default)]
pub struct Wide(pub Kept);

model! {
    /// Nothing.
    pub struct WideModel {}
}

#[async_trait]
impl Provider for Wide {
    type World = ();
    type Model = WideModel;
    type Spec = ();

    fn name(&self) -> &'static str {
        "wide"
    }

    fn parse(&self, _: &WideModel, _: &mut Parse<'_>) -> Option<()> {
        Some(())
    }

    async fn configure(&self, (): (), _: &mut Setup) -> Result<(), Error> {
        Ok(())
    }

    fn resources(&self) -> Vec<Box<dyn AnyResource<()>>> {
        vec![erase::<Thing>()]
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        let keep = |name, ty| -> Box<dyn Function> { Box::new(Keep { name, ty, kept: Arc::clone(&self.0) }) };
        vec![
            keep("dynamic", As::<DYNAMIC>::field_type()),
            keep("number", As::<NUMBER>::field_type()),
            keep("object", As::<OBJECT>::field_type()),
            keep("set", As::<SET>::field_type()),
            keep("tuple", As::<TUPLE>::field_type()),
            keep("parts", Vec::<Value<PartModel>>::field_type()),
            keep(THING, ThingModel::field_type()),
        ]
    }
}

/// A value of a type that no model of Rust has, as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct As<const KIND: u8>(Datum);

const DYNAMIC: u8 = 0;
const NUMBER: u8 = 1;
const TUPLE: u8 = 2;
const SET: u8 = 3;
const OBJECT: u8 = 4;

fn ty(kind: u8) -> AttributeType {
    match kind {
        NUMBER => AttributeType::Number,
        TUPLE => AttributeType::Tuple(vec![AttributeType::String, AttributeType::Number, AttributeType::Any]),
        SET => AttributeType::Set(Box::new(ty(OBJECT))),
        OBJECT => AttributeType::Object(HashMap::from([
            ("flags".to_owned(), AttributeType::Map(Box::new(AttributeType::List(Box::new(AttributeType::Bool))))),
            ("inner".to_owned(), AttributeType::Object(HashMap::from([("any".to_owned(), AttributeType::Any)]))),
            ("pair".to_owned(), ty(TUPLE)),
        ])),
        _ => AttributeType::Any,
    }
}

impl<const KIND: u8> Field for As<KIND> {
    fn field_type() -> Type {
        Type::Plain(ty(KIND))
    }
    fn decode(datum: &Datum, _: &AttributePath) -> Result<Self, Error> {
        Ok(Self(datum.clone()))
    }
    fn encode(&self) -> Datum {
        self.0.clone()
    }
}

model! {
    /// A part.
    pub struct PartModel {
        /// Its number.
        number: i64 => required(),
        /// Its kind.
        kind: String => optional().default("plain"),
        /// A secret.
        pin_wo: String => optional().write_only(),
        /// Its place.
        place: String => computed(),
    }
}

model! {
    /// A thing with an attribute of each type and of each rule.
    pub struct ThingModel {
        /// Its name.
        name: String => required().replaces(),
        /// Its size.
        size: i64 => optional().default(1),
        /// Whether it is.
        is: bool => optional().deprecated("It always is."),
        /// Other names.
        names: Set<String> => optional(),
        /// Its parts.
        parts: Vec<Value<PartModel>> => optional(),
        /// Its parts, by key.
        keyed: BTreeMap<String, Value<PartModel>> => optional(),
        /// Its main part.
        main: PartModel => optional().replaces(),
        /// A value with its type.
        anything: As<DYNAMIC> => optional().sensitive(),
        /// A number of any size.
        number: As<NUMBER> => optional().equivalent_by(|before, after| before == after),
        /// A tuple.
        tuple: As<TUPLE> => optional(),
        /// A set of objects.
        set: As<SET> => optional(),
        /// An object.
        object: As<OBJECT> => optional(),
        /// What it was born with.
        serial: String => computed().kept(),
        /// What differs.
        drift: Vec<Value<String>> => computed().settled(Datum::List(Vec::new())),
        /// Times.
        timeouts: Timeouts => optional(),
    }
}

model! {
    /// A thing as the first version stored it: with a title instead of a name.
    pub struct FirstThing {
        /// Its title.
        title: String => required(),
        /// Its parts.
        parts: Vec<Value<PartModel>> => optional(),
        /// A value with its type.
        anything: As<DYNAMIC> => optional(),
        /// A number of any size.
        number: As<NUMBER> => optional(),
    }
}

struct Thing;

#[async_trait]
impl Resource for Thing {
    type World = ();
    type Model = ThingModel;
    type Spec = ();
    type Status = ();

    const NAME: &'static str = THING;
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(1), read: Duration::from_secs(1), delete: Duration::from_secs(1) };
    const IDENTITY: &'static [&'static str] = &["name", "main.number"];

    fn timeouts(model: &ThingModel) -> &Value<Timeouts> {
        &model.timeouts
    }
    fn parse(_: &ThingModel, _: &mut Parse<'_>) -> Option<()> {
        Some(())
    }
    async fn apply((): &(), _: &Prior<()>, reached: &mut Reached<()>, _: &Cx<'_, ()>) -> Result<(), Error> {
        reached.set(());
        Ok(())
    }
    async fn read((): &(), _: &Cx<'_, ()>) -> Result<Observed<()>, Error> {
        Ok(Observed::Gone)
    }
    async fn delete((): &(), _: &Cx<'_, ()>) -> Result<(), Error> {
        Ok(())
    }
    async fn import(_: &str, _: &Cx<'_, ()>) -> Result<ThingModel, Error> {
        Ok(ThingModel::default())
    }
    fn record((): &(), _: &mut ThingModel) {}

    fn earlier() -> Vec<Earlier<ThingModel>> {
        let upgraded = |first: FirstThing| {
            let FirstThing { title, parts, anything, number } = first;
            Ok(ThingModel { name: title, parts, anything, number, ..ThingModel::default() })
        };
        vec![Earlier::of(upgraded)]
    }
}

/// A function that returns what it is given, and keeps it.
struct Keep {
    name: &'static str,
    ty: Type,
    kept: Kept,
}

impl Function for Keep {
    fn name(&self) -> &'static str {
        self.name
    }
    fn summary(&self) -> &'static str {
        "Returns its argument"
    }
    fn description(&self) -> &'static str {
        "Returns its argument."
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "value", description: "Anything.", ty: self.ty.clone() }]
    }
    fn returns(&self) -> Type {
        self.ty.clone()
    }
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError> {
        *self.kept.lock().expect("what is kept") = arguments.to_vec();
        match arguments {
            [Value::Value(datum)] => Ok(datum.clone()),
            _ => Err(ArgumentError::at(0)("It has no value.".to_owned())),
        }
    }
}
