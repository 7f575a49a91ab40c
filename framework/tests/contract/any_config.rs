//! Whatever a configuration holds, known or not: its plan is one that the CLIs' core accepts.

use std::cell::Cell;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rmpv::Value;
use tokio::runtime::Builder;

use crate::sample::Session;
use framework::protocol::wire::schema::{Attribute, object::NestingMode};
use plugin_host::values::{decode, is_unknown, object, unknown};

/// Few values, so that elements of a set meet their equals; all of them valid.
fn of_type(name: &str, ty: &str, unknowns: Unknowns) -> BoxedStrategy<Value> {
    let (text, number) = (prop_oneof!["[ab]", " a "].prop_map(Value::from), (0..3i64).prop_map(Value::from));
    // What no float holds comes as text.
    let fraction = prop_oneof![Just(Value::from(0.5)), Just(Value::from("0.1")), Just(Value::from("10000000000000000000000000001.5"))];
    match ty {
        r#""string""# if ["create", "read", "update", "delete"].contains(&name) => Just("10m".into()).boxed(),
        r#""string""# => text.boxed(),
        r#""bool""# => any::<bool>().prop_map(Value::from).boxed(),
        r#""number""# if name == "atoms" => prop_oneof![number, fraction].boxed(),
        r#""number""# if name == "weight" => prop_oneof![number, Just(0.5.into()), Just("0.1".into())].boxed(),
        r#""number""# => number.boxed(),
        r#"["list","string"]"# => prop::collection::vec(unknowns.or(text.boxed()), 0..4).prop_map(Value::Array).boxed(),
        r#"["set","string"]"# => prop::collection::vec(unknowns.or(text.boxed()), 0..5).prop_map(set).boxed(),
        r#""dynamic""# => text.prop_map(|text| Value::Array(vec![Value::Binary(br#""string""#.to_vec()), text])).boxed(),
        other => panic!("no values of type {other}"),
    }
}

/// A set as the core sends it: each known value once, and all that are unknown.
fn set(elements: Vec<Value>) -> Value {
    let (unknown, mut known): (Vec<_>, Vec<_>) = elements.into_iter().partition(has_unknown);
    known.sort_by_key(ToString::to_string);
    known.dedup();
    known.extend(unknown);
    Value::Array(known)
}

fn has_unknown(value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(has_unknown),
        Value::Map(entries) => entries.iter().any(|(_, value)| has_unknown(value)),
        other => is_unknown(other),
    }
}

/// How many of the values are unknown: of three known ones.
#[derive(Clone, Copy)]
struct Unknowns(u32);

impl Unknowns {
    fn or(self, known: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
        if self.0 == 0 { known } else { prop_oneof![3 => known, self.0 => Just(unknown())].boxed() }
    }
}

fn value(of: &Attribute, unknowns: Unknowns) -> BoxedStrategy<Value> {
    if !of.required && !of.optional {
        return Just(Value::Nil).boxed();
    }
    let known = match &of.nested_type {
        None => of_type(&of.name, std::str::from_utf8(&of.r#type).expect("a type"), unknowns),
        Some(nested) => {
            let one = config(&nested.attributes, unknowns);
            match nested.nesting() {
                NestingMode::List => prop::collection::vec(unknowns.or(one), 0..3).prop_map(Value::Array).boxed(),
                NestingMode::Set => prop::collection::vec(unknowns.or(one), 0..4).prop_map(set).boxed(),
                NestingMode::Map => prop::collection::btree_map("[ab]", unknowns.or(one), 0..3)
                    .prop_map(|entries| Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect()))
                    .boxed(),
                _ => one,
            }
        }
    };
    if of.required { unknowns.or(known) } else { prop_oneof![2 => unknowns.or(known), 1 => Just(Value::Nil)].boxed() }
}

fn config(attributes: &[Attribute], unknowns: Unknowns) -> BoxedStrategy<Value> {
    let names: Vec<_> = attributes.iter().map(|of| of.name.clone()).collect();
    let values: Vec<_> = attributes.iter().map(|of| value(of, unknowns)).collect();
    values.prop_map(move |values| object(&names.iter().map(String::as_str).zip(values).collect::<Vec<_>>())).boxed()
}

#[test]
fn any_configuration_has_a_plan_by_the_rules() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let attributes = runtime.block_on(async { Session::start().await.attributes() });
    let configs = (config(&attributes, Unknowns(0)), config(&attributes, Unknowns(1)));
    let planned = Cell::new(0);
    let run = |(before, after): (Value, Value)| {
        runtime.block_on(async {
            let mut session = Session::start().await;
            // The session checks each plan and each apply by the core's rules.
            let first = session.plan(&Value::Nil, &after).await;
            planned.set(planned.get() + usize::from(first.diagnostics.is_empty()));
            let made = session.apply(&Value::Nil, &before).await;
            assert!(made.diagnostics.is_empty(), "{:?}", made.diagnostics);
            let again = session.plan(&made.state, &before).await;
            assert_eq!(decode(again.planned_state.as_ref()), made.state, "a second plan changes something");
            session.plan(&made.state, &after).await;
        });
        Ok(())
    };
    let config = Config { cases: 128, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&configs, run).expect("no configuration breaks the rules");
    assert!(planned.get() > 64, "only {} configurations could be planned at all", planned.get());
}
