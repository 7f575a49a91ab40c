//! Properties of the codecs: what is written is read as it was, whatever its type; and what is no value is refused without a panic.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::{
    json, msgpack,
    shape::{DEEPEST, Shape},
};
use crate::terraform::{AttributePath, AttributeType, Datum, Dynamic, Number, Value};

fn types() -> impl Strategy<Value = AttributeType> {
    let leaf = prop_oneof![Just(AttributeType::String), Just(AttributeType::Number), Just(AttributeType::Bool), Just(AttributeType::Any),];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|ty| AttributeType::List(Box::new(ty))),
            inner.clone().prop_map(|ty| AttributeType::Set(Box::new(ty))),
            inner.clone().prop_map(|ty| AttributeType::Map(Box::new(ty))),
            prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeType::Tuple),
            prop::collection::hash_map("[a-z]{1,6}", inner, 0..4).prop_map(AttributeType::Object),
        ]
    })
}

fn numbers() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::Int),
        (i64::MAX as u64 + 1..=u64::MAX).prop_map(Number::Uint),
        any::<f64>()
            .prop_filter("the protocol's numbers are finite and fractions are floats", |float| float.is_finite() && float.fract() != 0.0)
            .prop_map(Number::Float),
        "[1-9][0-9]{25,60}".prop_map(Number::Decimal),
    ]
}

/// Values of a type, null and unknown at every level.
fn values(ty: &AttributeType) -> BoxedStrategy<Dynamic> {
    let known: BoxedStrategy<Datum> = match ty {
        AttributeType::String => ".{0,12}".prop_map(Datum::String).boxed(),
        AttributeType::Bool => any::<bool>().prop_map(Datum::Bool).boxed(),
        AttributeType::Number => numbers().prop_map(Datum::Number).boxed(),
        AttributeType::List(inner) | AttributeType::Set(inner) => prop::collection::vec(values(inner), 0..4).prop_map(Datum::List).boxed(),
        AttributeType::Map(inner) => prop::collection::btree_map(".{0,6}", values(inner), 0..4).prop_map(Datum::Map).boxed(),
        AttributeType::Tuple(inner) => inner.iter().map(values).collect::<Vec<_>>().prop_map(Datum::List).boxed(),
        AttributeType::Object(inner) => {
            let names: Vec<_> = inner.keys().cloned().collect();
            let inner: Vec<_> = inner.values().map(values).collect();
            inner.prop_map(move |values| Datum::Map(names.iter().cloned().zip(values).collect::<BTreeMap<_, _>>())).boxed()
        }
        // One level is enough: what it holds is a value like any other.
        _ => prop_oneof![Just(AttributeType::String), Just(AttributeType::List(Box::new(AttributeType::Number)))]
            .prop_flat_map(|ty| values(&ty).prop_map(move |value| Datum::Typed(Box::new(ty.clone()), Box::new(value))))
            .boxed(),
    };
    prop_oneof![8 => known.prop_map(Value::Value), 1 => Just(Value::Null), 1 => Just(Value::Unknown)].boxed()
}

proptest! {
    #[test]
    fn msgpack_is_read_as_it_was_written((ty, value) in types().prop_flat_map(|ty| values(&ty).prop_map(move |value| (ty.clone(), value)))) {
        let shape = Shape::Plain(&ty);
        let bytes = msgpack::write(&value, &shape);
        let read = msgpack::read(&bytes, &shape);
        prop_assert!(read.as_ref().is_ok_and(|read| *read == value), "{ty:?}: {value:?} became {read:?}");
    }

    #[test]
    fn a_type_is_read_as_it_was_written(ty in types()) {
        let text = ty.to_string();
        prop_assert_eq!(super::shape::parse(text.as_bytes()).ok(), Some(ty));
    }

    #[test]
    fn nonsense_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), ty in types()) {
        let _ = msgpack::read(&bytes, &Shape::Plain(&ty));
        let _ = json::read(&bytes, &Shape::Plain(&ty));
        let _ = super::shape::parse(&bytes);
    }
}

#[test]
fn any_extension_is_an_unknown_value() {
    // What the CLIs send for "unknown, but not null" and "unknown, but begins with id-".
    for (code, refinement) in [(0, vec![0]), (12, vec![0x81, 1, 0xc2]), (12, vec![0x82, 1, 0xc2, 2, 0xa3, b'i', b'd', b'-'])] {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &rmpv::Value::Ext(code, refinement)).expect("msgpack");
        assert!(msgpack::read(&bytes, &Shape::Plain(&AttributeType::String)).expect("a value").is_unknown());
    }
}

#[test]
fn an_error_has_the_whole_path() {
    let inner = AttributeType::Map(Box::new(AttributeType::List(Box::new(AttributeType::Bool))));
    let ty = AttributeType::Object(HashMap::from([("a".to_owned(), inner)]));
    let error = json::read(br#"{"a": {"k": [true, 7]}}"#, &Shape::Plain(&ty)).expect_err("a mismatch");
    assert_eq!(error.path.steps, AttributePath::new("a").key("k").index(1).steps);
    assert_eq!(error.detail, "Expected a bool, found a number.");
}

#[test]
fn values_nested_without_end_are_refused() {
    // A value that brings its type may bring one that brings its type. Test threads have as much stack as those that answer calls.
    let shape = Shape::Plain(&AttributeType::Any);
    let (outer, inner) = (r#"{"type":"dynamic","value":"#, r#"{"type":"string","value":"a"}"#);
    let json = |levels| json::read([outer.repeat(levels), inner.to_owned(), "}".repeat(levels)].concat().as_bytes(), &shape);
    let deepest = json(DEEPEST - 2).expect("a value");
    assert!(json(1_000).is_err());

    assert_eq!(msgpack::read(&msgpack::write(&deepest, &shape), &shape).ok(), Some(deepest));
    let deeper = [b"\x92\xa9\"dynamic\"".repeat(1_000), vec![0xc0]].concat();
    assert!(msgpack::read(&deeper, &shape).is_err());
}

#[test]
fn an_object_of_a_type_that_came_with_it_has_all_its_attributes() {
    let object = |value: &[u8]| [&b"\x92\xc4\x17[\"object\",{\"a\":\"bool\"}]"[..], value].concat();
    assert!(msgpack::read(&object(b"\x81\xa1a\xc3"), &Shape::Plain(&AttributeType::Any)).is_ok());
    let error = msgpack::read(&object(b"\x80"), &Shape::Plain(&AttributeType::Any)).expect_err("a mismatch");
    assert_eq!(error.detail, "Expected an object with all attributes of its type, found a map.");
}
