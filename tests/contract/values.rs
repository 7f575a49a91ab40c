//! Values in msgpack, written and read without the provider's own codec.

use rmpv::Value;
use terraform_provider_mesh::protocol::wire::DynamicValue;

pub(crate) fn object(attributes: &[(&str, Value)]) -> Value {
    Value::Map(attributes.iter().map(|(name, value)| (Value::from(*name), value.clone())).collect())
}

pub(crate) fn unknown() -> Value {
    Value::Ext(0, vec![0])
}

pub(crate) fn is_unknown(value: &Value) -> bool {
    matches!(value, Value::Ext(..))
}

pub(crate) fn encode(value: &Value) -> DynamicValue {
    let mut msgpack = Vec::new();
    rmpv::encode::write_value(&mut msgpack, value).expect("msgpack");
    DynamicValue { msgpack, json: Vec::new() }
}

pub(crate) fn decode(value: Option<&DynamicValue>) -> Value {
    rmpv::decode::read_value(&mut value.expect("a value").msgpack.as_slice()).expect("msgpack")
}

pub(crate) fn get<'a>(object: &'a Value, name: &str) -> &'a Value {
    let attributes = object.as_map().expect("an object");
    attributes.iter().find(|(key, _)| key.as_str() == Some(name)).map_or_else(|| panic!("no {name}"), |(_, value)| value)
}
