//! A panic loses nothing that was reached, and an object of which little more than its identity is known can be destroyed.

use std::time::Duration;

use super::*;
use crate::{
    model,
    terraform::{DefaultTimeouts, Observed, Prior, attribute, computed, optional},
};

model! {
    /// A thing.
    pub struct ThingModel {
        /// Its ID.
        id: String => optional(),
        /// Its name.
        name: String => optional(),
        /// Its address.
        address: String => computed(),
        /// Times.
        timeouts: Timeouts => optional(),
    }
}

/// Made, and then something panics: the apply, or what records its status.
struct Thing<const IN_RECORD: bool>;

#[async_trait]
impl<const IN_RECORD: bool> Resource for Thing<IN_RECORD> {
    type World = ();
    type Model = ThingModel;
    type Spec = ();
    type Status = String;

    const NAME: &'static str = "mesh_thing";
    const IDENTITY: &'static [&'static str] = &["id"];
    const TIMEOUTS: DefaultTimeouts =
        DefaultTimeouts { apply: Duration::from_secs(1), read: Duration::from_secs(1), delete: Duration::from_secs(1) };

    fn timeouts(model: &ThingModel) -> &Value<Timeouts> {
        &model.timeouts
    }
    fn parse(model: &ThingModel, parse: &mut Parse<'_>) -> Option<()> {
        let unknown = Some("unknown".to_owned());
        parse.required_to_change("name", &model.name, |name| Ok::<_, String>(name.clone()), unknown).map(drop)
    }
    async fn apply((): &(), _: &Prior<()>, reached: &mut Reached<String>, _: &Cx<'_, ()>) -> Result<(), Error> {
        reached.set("10.0.0.1".to_owned());
        assert!(IN_RECORD, "out of ideas");
        Ok(())
    }
    async fn read((): &(), _: &Cx<'_, ()>) -> Result<Observed<String>, Error> {
        Ok(Observed::Gone)
    }
    async fn delete((): &(), _: &Cx<'_, ()>) -> Result<(), Error> {
        Ok(())
    }
    async fn import(id: &str, _: &Cx<'_, ()>) -> Result<ThingModel, Error> {
        if id == "locked" {
            return Err(Error::new("Locked", "It can't be looked at."));
        }
        // The name can't be found out.
        Ok(ThingModel { id: Value::Value(id.to_owned()), ..ThingModel::default() })
    }
    fn record(status: &String, model: &mut ThingModel) {
        assert!(!IN_RECORD, "out of ink");
        model.address = Value::Value(status.clone());
    }
}

async fn created<const IN_RECORD: bool>() -> Applied {
    let config = encode(&Value::Value(ThingModel { name: Value::Value("a".to_owned()), ..ThingModel::default() }));
    let mut planned = config.clone();
    set_attribute(&mut planned, "address", Value::Unknown);
    let change = Change { prior: &Value::Null, config: &config, planned, unfinished: None, is_resumed: false };
    erase::<Thing<IN_RECORD>>().apply(change, &mut Memory::new(), &(), CancellationToken::new()).await
}

#[tokio::test]
async fn a_panic_loses_nothing_that_was_reached() {
    let Applied { state, diagnostics, .. } = created::<false>().await;
    assert_eq!(attribute(&state, "address"), &Value::Value(Datum::String("10.0.0.1".to_owned())));
    assert!(diagnostics.errors[0].detail.contains("mesh_thing: out of ideas"), "{diagnostics:?}");
}

#[tokio::test]
async fn a_panic_while_the_status_is_recorded_keeps_the_object_in_the_state() {
    let Applied { state, diagnostics, .. } = created::<true>().await;
    assert_eq!(attribute(&state, "name"), &Value::Value(Datum::from("a")), "the object exists, so the state has it");
    assert!(attribute(&state, "address").is_null());
    assert!(diagnostics.errors[0].detail.contains("mesh_thing: out of ink"), "{diagnostics:?}");
}

#[tokio::test]
async fn what_an_import_finds_incomplete_can_be_destroyed() {
    let destroyed = async |id: &str| {
        let prior = encode(&Value::Value(ThingModel { id: Value::Value(id.to_owned()), ..ThingModel::default() }));
        let change = Change { prior: &prior, config: &Value::Null, planned: Value::Null, unfinished: None, is_resumed: false };
        erase::<Thing<false>>().apply(change, &mut Memory::new(), &(), CancellationToken::new()).await
    };
    let Applied { state, diagnostics, .. } = destroyed("a").await;
    assert!(state.is_null() && diagnostics.errors.is_empty(), "{diagnostics:?}");
    // An error never means that it is gone.
    let Applied { state, diagnostics, .. } = destroyed("locked").await;
    assert!(state.is_value());
    let summaries: Vec<_> = diagnostics.errors.iter().map(|error| error.summary.as_ref()).collect();
    assert_eq!(summaries, ["The state of this mesh_thing is incomplete", "Locked"]);
}
