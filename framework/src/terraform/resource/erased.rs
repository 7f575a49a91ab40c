//! A resource without its types: what the protocol calls. Here the rules that no resource must get wrong are kept.

use std::{any::Any, marker::PhantomData, panic::AssertUnwindSafe};

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::super::{
    call::{Outcome, conclude, load, model, validate},
    context::{Cx, Observed},
    dynamic::{Datum, Dynamic, set_attribute, without_unknowns},
    identity::Identity,
    model::{Model, encode},
    parse::Parse,
    report::{Error, Report},
    resource::{Foreign, Json, Plan, Reached, Resource},
    schema::{Schema, with_defaults},
    timeouts::{Operation, Timeouts},
    vocabulary::{AttributePath, Diagnostics, Value},
    write_only,
};
use crate::deadline::Deadline;

/// The attribute that says what differs from what was applied. One entry makes the next plan an update.
pub const DRIFT: &str = "drift";

/// A planned change with the resource's own say.
pub struct Planned {
    /// What will be.
    pub state: Dynamic,
    /// The attributes whose change replaces the resource.
    pub replace: Vec<AttributePath>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
    /// The plan needs what isn't known yet of the provider's configuration: a CLI that can, asks again later.
    pub is_deferred: bool,
}

/// A resource of any type.
#[async_trait]
pub trait AnyResource<W>: Send + Sync {
    /// The type's name in HCL.
    fn name(&self) -> &'static str;
    /// The schema.
    fn schema(&self) -> Schema;
    /// What tells its objects apart; none without any such attributes.
    fn identity(&self) -> Option<Identity>;
    /// Checks a configuration, in which anything may be unknown.
    fn validate(&self, config: &Dynamic) -> Diagnostics;
    /// The resource's own part of a plan that creates or updates; `planned` has gone through the rules of the attributes.
    fn plan(&self, prior: &Dynamic, config: &Dynamic, planned: Dynamic, world: Option<&W>) -> Planned;
    /// Creates (`prior` is null), updates, or deletes (`planned` is null). Returns the new state, also with errors.
    async fn apply(
        &self,
        prior: &Dynamic,
        config: &Dynamic,
        planned: Dynamic,
        world: &W,
        cancel: CancellationToken,
    ) -> (Dynamic, Diagnostics);
    /// The state as it is now; null when it is gone.
    async fn read(&self, state: Dynamic, world: &W, cancel: CancellationToken) -> Outcome;
    /// The state of what exists under a name; null with errors.
    async fn import(&self, name: &str, world: &W, cancel: CancellationToken) -> Outcome;
    /// A stored state of an older version, as this version stores it.
    fn upgrade(&self, version: i64, state: Json) -> Result<Json, Error>;
    /// The state of another resource's object that a `moved` block hands over; none where that can't be.
    fn adopt(&self, source: &Foreign<'_>) -> Option<Result<Dynamic, Error>>;
}

struct Erased<R>(PhantomData<fn() -> R>);

/// What a panic is to the user.
pub fn panicked(whose: &str, panic: &(dyn Any + Send)) -> Error {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("no message");
    tracing::error!(whose, message, "the provider panicked");
    Error::new(
        "The provider panicked",
        format!("This is a defect of the provider, in {whose}: {message}. Please report it, with the log that TF_LOG=trace gives."),
    )
}

/// Makes a resource callable by the protocol.
pub fn erase<R: Resource>() -> Box<dyn AnyResource<R::World>> {
    Box::new(Erased::<R>(PhantomData))
}

/// Reads the attributes, `timeouts` among them.
fn parse<R: Resource>(model: &R::Model, parse: &mut Parse<'_>) -> Option<R::Spec> {
    Timeouts::check(R::timeouts(model), parse);
    R::parse(model, parse)
}

/// `planned`, with what it leaves open taken from `status`: what was promised is kept by construction.
fn keep_promises(planned: &Dynamic, reached: Dynamic) -> Dynamic {
    match (planned, reached) {
        (Value::Unknown, reached) => reached,
        (Value::Value(Datum::Map(planned)), Value::Value(Datum::Map(reached))) => Value::Value(Datum::Map(
            reached
                .into_iter()
                .map(|(name, value)| {
                    let kept = match planned.get(&name) {
                        Some(promised) => keep_promises(promised, value),
                        None => value,
                    };
                    (name, kept)
                })
                .collect(),
        )),
        (Value::Value(Datum::List(planned)), Value::Value(Datum::List(reached))) if planned.len() == reached.len() => {
            Value::Value(Datum::List(planned.iter().zip(reached).map(|(promised, value)| keep_promises(promised, value)).collect()))
        }
        (promised, _) => promised.clone(),
    }
}

fn cx<'a, R: Resource>(model: &R::Model, operation: Operation, world: &'a R::World, cancel: CancellationToken) -> Cx<'a, R::World> {
    Cx::new(world, Deadline::after(Timeouts::of(R::timeouts(model), operation, R::TIMEOUTS), cancel))
}

impl<R: Resource> Erased<R> {
    async fn delete(prior: &Dynamic, world: &R::World, cancel: CancellationToken) -> (Dynamic, Diagnostics) {
        let mut report = Report::new();
        if let Some((model, spec)) = load(R::NAME, prior, &mut report, parse::<R>) {
            let cx = cx::<R>(&model, Operation::Delete, world, cancel);
            let work = AssertUnwindSafe(R::delete(&spec, &cx)).catch_unwind().await;
            let outcome = work.unwrap_or_else(|panic| Err(panicked(R::NAME, panic.as_ref())));
            conclude(cx, &mut report);
            if let Err(error) = outcome {
                report.error(error);
            }
        }
        let state = if report.has_errors() { prior.clone() } else { Value::Null };
        (state, report.into_diagnostics())
    }
}

#[async_trait]
impl<R: Resource> AnyResource<R::World> for Erased<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn schema(&self) -> Schema {
        Schema { version: R::VERSION, deprecation: R::DEPRECATION, ..Schema::of::<R::Model>() }
    }

    fn identity(&self) -> Option<Identity> {
        Identity::new(R::IDENTITY, &R::Model::attributes())
    }

    fn validate(&self, config: &Dynamic) -> Diagnostics {
        validate(config, parse::<R>)
    }

    fn plan(&self, prior: &Dynamic, config: &Dynamic, planned: Dynamic, world: Option<&R::World>) -> Planned {
        let mut report = Report::new();
        let (Some(config), Some(model_planned)) = (model::<R::Model>(config, &mut report), model::<R::Model>(&planned, &mut report)) else {
            return Planned { state: planned, replace: Vec::new(), diagnostics: report.into_diagnostics(), is_deferred: false };
        };
        let prior = model::<R::Model>(prior, &mut report);
        // Defaults are in the plan, and what the plan computes is no part of what is parsed: so the plan it is, silently, as the
        // same was reported at validate.
        let mut silence = Report::new();
        let mut parsing = Parse::new(&mut silence);
        let spec = parse::<R>(&model_planned, &mut parsing);
        let spec = parsing.finish(spec);
        let mut plan = Plan { prior, config, planned: model_planned, world, report: &mut report, replace: Vec::new(), is_deferred: false };
        R::plan(&mut plan, &spec);
        let (state, replace, is_deferred) = (encode(&Value::Value(plan.planned)), plan.replace, plan.is_deferred);
        Planned { state, replace, diagnostics: report.into_diagnostics(), is_deferred }
    }

    async fn apply(
        &self,
        prior: &Dynamic,
        config: &Dynamic,
        planned: Dynamic,
        world: &R::World,
        cancel: CancellationToken,
    ) -> (Dynamic, Diagnostics) {
        if planned.is_null() {
            return Self::delete(prior, world, cancel).await;
        }
        let mut report = Report::new();
        let attributes = R::Model::attributes();
        let mut wanted = without_unknowns(planned.clone());
        write_only::put(&mut wanted, config, &attributes);
        let Some((mut model_reached, spec)) = load(R::NAME, &wanted, &mut report, parse::<R>) else {
            return (prior.clone(), report.into_diagnostics());
        };
        // A prior state that this version can't parse is no reason not to update it.
        let prior_spec = load(R::NAME, prior, &mut Report::new(), parse::<R>).map(|(_, spec)| spec);

        let operation = if prior.is_null() { Operation::Create } else { Operation::Update };
        let cx = cx::<R>(&model_reached, operation, world, cancel);
        let mut reached = Reached::nothing();
        // Caught here already, and not only for the protocol: what was reached before a panic exists all the same.
        let work = AssertUnwindSafe(R::apply(&spec, prior_spec.as_ref(), &mut reached, &cx)).catch_unwind().await;
        let outcome = work.unwrap_or_else(|panic| Err(panicked(R::NAME, panic.as_ref())));
        conclude(cx, &mut report);

        let state = match reached.get() {
            Some(status) => {
                R::record(&status, &mut model_reached);
                let mut state = keep_promises(&planned, encode(&Value::Value(model_reached)));
                if let Err(error) = &outcome
                    && attributes.iter().any(|attribute| attribute.name == DRIFT)
                {
                    let unfinished = format!("the last apply did not finish: {}", error.summary);
                    set_attribute(&mut state, DRIFT, Value::Value(Datum::List(vec![Value::Value(unfinished.into())])));
                }
                write_only::remove(&mut state, &attributes);
                without_unknowns(state)
            }
            None if outcome.is_ok() => {
                report.error(Error::new(
                    format!("{} left no state", R::NAME),
                    "The operation succeeded without saying what it reached. This is a defect of the provider.",
                ));
                prior.clone()
            }
            None => prior.clone(),
        };
        if let Err(error) = outcome {
            report.error(error);
        }
        (state, report.into_diagnostics())
    }

    async fn read(&self, state: Dynamic, world: &R::World, cancel: CancellationToken) -> Outcome {
        let mut report = Report::new();
        // What an import that was put off has left; it is put off once more.
        if state.is_unknown() {
            return Outcome { found: state, diagnostics: report.into_diagnostics(), is_deferred: true };
        }
        let Some((mut model, spec)) = load(R::NAME, &state, &mut report, parse::<R>) else {
            return Outcome { found: state, diagnostics: report.into_diagnostics(), is_deferred: false };
        };
        let cx = cx::<R>(&model, Operation::Read, world, cancel);
        let outcome = R::read(&spec, &cx).await;
        let is_deferred = conclude(cx, &mut report) || matches!(outcome, Ok(Observed::Deferred));
        let found = match outcome {
            Ok(Observed::Found(status)) => {
                R::record(&status, &mut model);
                encode(&Value::Value(model))
            }
            Ok(Observed::Gone) => Value::Null,
            Ok(Observed::Deferred) => state,
            Err(error) => {
                report.error(error);
                state
            }
        };
        Outcome { found, diagnostics: report.into_diagnostics(), is_deferred }
    }

    async fn import(&self, name: &str, world: &R::World, cancel: CancellationToken) -> Outcome {
        let mut report = Report::new();
        let cx = cx::<R>(&R::Model::default(), Operation::Read, world, cancel);
        let outcome = R::import(name, &cx).await;
        let is_deferred = conclude(cx, &mut report);
        let found = match outcome {
            Ok(model) => with_defaults(encode(&Value::Value(model)), &R::Model::attributes()),
            Err(error) => {
                report.error(error);
                Value::Null
            }
        };
        Outcome { found, diagnostics: report.into_diagnostics(), is_deferred }
    }

    fn upgrade(&self, version: i64, state: Json) -> Result<Json, Error> {
        (version..R::VERSION).try_fold(state, |state, version| R::upgrade(version, state))
    }

    fn adopt(&self, source: &Foreign<'_>) -> Option<Result<Dynamic, Error>> {
        R::adopt(source).map(|adopted| adopted.map(|model| with_defaults(encode(&Value::Value(model)), &R::Model::attributes())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        model,
        terraform::{DefaultTimeouts, Observed, attribute, computed, optional},
    };

    model! {
        /// A thing.
        pub struct ThingModel {
            /// Its address.
            address: String => computed(),
            /// Times.
            timeouts: Timeouts => optional(),
        }
    }

    /// Made, and then it goes wrong.
    struct Thing;

    #[async_trait]
    impl Resource for Thing {
        type World = ();
        type Model = ThingModel;
        type Spec = ();
        type Status = String;

        const NAME: &'static str = "mesh_thing";
        const TIMEOUTS: DefaultTimeouts =
            DefaultTimeouts { apply: Duration::from_secs(1), read: Duration::from_secs(1), delete: Duration::from_secs(1) };

        fn timeouts(model: &ThingModel) -> &Value<Timeouts> {
            &model.timeouts
        }
        fn parse(_: &ThingModel, _: &mut Parse<'_>) -> Option<()> {
            Some(())
        }
        async fn apply((): &(), _: Option<&()>, reached: &mut Reached<String>, _: &Cx<'_, ()>) -> Result<(), Error> {
            reached.set("10.0.0.1".to_owned());
            panic!("out of ideas")
        }
        async fn read((): &(), _: &Cx<'_, ()>) -> Result<Observed<String>, Error> {
            Ok(Observed::Gone)
        }
        async fn delete((): &(), _: &Cx<'_, ()>) -> Result<(), Error> {
            Ok(())
        }
        async fn import(_: &str, _: &Cx<'_, ()>) -> Result<ThingModel, Error> {
            Ok(ThingModel::default())
        }
        fn record(status: &String, model: &mut ThingModel) {
            model.address = Value::Value(status.clone());
        }
    }

    #[tokio::test]
    async fn a_panic_loses_nothing_that_was_reached() {
        let config = encode(&Value::Value(ThingModel::default()));
        let planned = encode(&Value::Value(ThingModel { address: Value::Unknown, ..ThingModel::default() }));
        let (state, diagnostics) = erase::<Thing>().apply(&Value::Null, &config, planned, &(), CancellationToken::new()).await;
        assert_eq!(attribute(&state, "address"), &Value::Value(Datum::String("10.0.0.1".to_owned())));
        assert!(diagnostics.errors[0].detail.contains("mesh_thing: out of ideas"), "{diagnostics:?}");
    }
}
