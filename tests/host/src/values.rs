//! Values in msgpack, written and read without the provider's own codec.

use framework::protocol::wire::DynamicValue;
use rmpv::Value;

/// An object of these attributes.
pub fn object(attributes: &[(&str, Value)]) -> Value {
    Value::Map(attributes.iter().map(|(name, value)| (Value::from(*name), value.clone())).collect())
}

/// A value that is known only after apply.
pub fn unknown() -> Value {
    Value::Ext(0, vec![0])
}

/// Whether a value is known only after apply.
pub fn is_unknown(value: &Value) -> bool {
    matches!(value, Value::Ext(..))
}

/// A value as the wire carries it.
pub fn encode(value: &Value) -> DynamicValue {
    let mut msgpack = Vec::new();
    rmpv::encode::write_value(&mut msgpack, value).expect("msgpack");
    DynamicValue { msgpack, json: Vec::new() }
}

/// Reads a value off the wire.
pub fn decode(value: Option<&DynamicValue>) -> Value {
    rmpv::decode::read_value(&mut value.expect("a value").msgpack.as_slice()).expect("msgpack")
}

/// An attribute of an object, which has it.
pub fn get<'a>(object: &'a Value, name: &str) -> &'a Value {
    let attributes = object.as_map().expect("an object");
    attributes.iter().find(|(key, _)| key.as_str() == Some(name)).map_or_else(|| panic!("no {name}"), |(_, value)| value)
}
