//! Makes a resource callable by the protocol, and keeps the rules that hold for every resource.

use std::{
    any::Any,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        call::{Outcome, conclude, load, load_stored, model, validate},
        context::{Cx, Memory, Observed},
        dynamic::{Datum, Dynamic, attribute, set_attribute, without_unknowns},
        identity::Identity,
        model::{Model, encode},
        parse::Parse,
        report::{Error, Report},
        schema::{Attribute, Schema, with_defaults},
        timeouts::{Operation, Timeouts},
        vocabulary::{AttributeConstraint, Diagnostics, Value},
        write_only,
    },
    Destruction, Earlier, Foreign, Json, Plan, Reached, Resource, Unfinished,
    any::{AnyResource, Applied, Change, Planned},
    by_identity::{self, Found},
    preview, prior, promises,
};
use crate::deadline::Deadline;

struct Erased<R> {
    of: PhantomData<fn() -> R>,
    /// Made at the first read or apply, and not at each: they hold the documentation, too.
    attributes: LazyLock<Vec<Attribute>>,
}

/// The error that a panic becomes.
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
    Box::new(Erased::<R> { of: PhantomData, attributes: LazyLock::new(R::Model::attributes) })
}

/// Reads the attributes, `timeouts` among them.
fn parse<R: Resource>(model: &R::Model, parse: &mut Parse<'_>) -> Option<R::Spec> {
    Timeouts::check(R::timeouts(model), parse);
    R::parse(model, parse)
}

fn cx<'a, R: Resource>(model: &R::Model, operation: Operation, world: &'a R::World, cancel: CancellationToken) -> Cx<'a, R::World> {
    Cx::new(world, Deadline::after(Timeouts::of(R::timeouts(model), operation, R::TIMEOUTS), cancel))
}

/// Ends an operation on an object of which something is remembered. Returns whether it is deferred.
fn end<W>(cx: Cx<'_, W>, memory: &mut Memory, report: &mut Report) -> bool {
    *memory = cx.memory();
    conclude(cx, report)
}

/// The earlier version of the model with this number.
fn earlier<R: Resource>(version: i64) -> Option<Earlier<R::Model>> {
    R::earlier().into_iter().nth(usize::try_from(version).ok()?)
}

/// `prior`, with the computed attributes of `reached`.
fn with_computed(prior: &Dynamic, reached: &Dynamic, attributes: &[Attribute]) -> Dynamic {
    let mut state = prior.clone();
    for of in attributes.iter().filter(|of| of.rules.constraint == AttributeConstraint::Computed) {
        set_attribute(&mut state, of.name, attribute(reached, of.name).clone());
    }
    state
}

impl<R: Resource> Erased<R> {
    /// Deletes what any of the applies may have put in place.
    async fn delete(change: &Change<'_>, memory: &mut Memory, world: &R::World, cancel: CancellationToken) -> Applied {
        let mut report = Report::new();
        let in_place = prior::read::<R>(change.prior, change.unfinished, parse::<R>);
        let mut problems = Report::new();
        let loaded = load_stored(R::NAME, change.prior, &mut problems, parse::<R>);
        let cx = cx::<R>(&loaded.as_ref().map(|(model, _)| model.clone()).unwrap_or_default(), Operation::Delete, world, cancel)
            .with_memory(memory.clone());
        let found = if loaded.is_some() {
            report.extend(problems);
            None
        } else {
            match by_identity::find::<R>(change.prior, &cx, parse::<R>).await {
                Found::Object(spec) | Found::Identified(spec) => Some(spec),
                Found::Nothing => None,
                Found::Unclear(reason) => {
                    report.extend(problems);
                    if let Some(reason) = reason {
                        report.error(reason);
                    }
                    None
                }
            }
        };
        for spec in in_place.in_place().chain(&found) {
            let work = AssertUnwindSafe(R::delete(spec, &cx)).catch_unwind().await;
            if let Err(error) = work.unwrap_or_else(|panic| Err(panicked(R::NAME, panic.as_ref()))) {
                // What other inputs have left is removed all the same.
                report.error(error);
            }
        }
        end(cx, memory, &mut report);
        let (state, unfinished) =
            if report.has_errors() { (change.prior.clone(), change.unfinished.cloned()) } else { (Value::Null, None) };
        Applied { state, unfinished, diagnostics: report.into_diagnostics() }
    }

    /// Looks at the object of a state from which no inputs can be made. All problems are warnings: an error would prevent the very plan that
    /// makes the state complete.
    async fn read_by_identity(state: Dynamic, mut report: Report, cx: Cx<'_, R::World>) -> Outcome {
        let seen = match by_identity::find::<R>(&state, &cx, parse::<R>).await {
            Found::Object(spec) => R::read(&spec, &cx).await,
            // What differs from inputs that are made up says nothing.
            Found::Identified(spec) => match R::read(&spec, &cx).await {
                Ok(Observed::Found(_)) => Ok(Observed::Deferred),
                other => other,
            },
            Found::Nothing => Ok(Observed::Gone),
            Found::Unclear(reason) => reason.map_or(Ok(Observed::Deferred), Err),
        };
        let is_deferred = conclude(cx, &mut report);
        let found = match (seen, model::<R::Model>(&state, &mut Report::new())) {
            (Ok(Observed::Found(status)), Some(model)) => Self::record(&status, &model, &mut report),
            (Ok(Observed::Gone), _) => Value::Null,
            (Err(error), _) => {
                report.error(error);
                state
            }
            _ => state,
        };
        let Diagnostics { errors, warnings } = report.into_diagnostics();
        Outcome { found, diagnostics: Diagnostics { errors: Vec::new(), warnings: [warnings, errors].concat() }, is_deferred }
    }

    /// The model with the status; after a panic, as it was: the object exists all the same.
    fn record(status: &R::Status, model: &R::Model, report: &mut Report) -> Dynamic {
        let inputs = encode(&Value::Value(model.clone()));
        let work = AssertUnwindSafe(|| {
            let mut model = model.clone();
            R::record(status, &mut model);
            encode(&Value::Value(model))
        });
        let recorded = catch_unwind(work).unwrap_or_else(|panic| {
            report.error(panicked(R::NAME, panic.as_ref()));
            inputs.clone()
        });
        debug_assert!(
            R::Model::attributes().iter().all(|of| {
                let is_plain = matches!(of.ty, super::super::schema::Type::Plain(_));
                !is_plain
                    || of.rules.constraint == AttributeConstraint::Computed
                    || attribute(&recorded, of.name) == attribute(&inputs, of.name)
            }),
            "{} records an attribute that is not computed",
            R::NAME
        );
        recorded
    }

    /// What becomes of an object whose create failed.
    fn way_on() -> String {
        let next = if R::RESUMES {
            "The CLI shows its replacement next, and the provider then keeps what exists and continues the creation, as long as nothing that \
             identifies the object changes."
        } else {
            "The next apply deletes it, and creates it again."
        };
        format!(
            "What was created so far is in the state, marked as tainted. {next} To continue with a plain update instead, run `terraform \
             untaint` (or `tofu untaint`) on the resource."
        )
    }

    /// Marks the state as that of an apply that did not finish.
    fn mark(state: &mut Dynamic, error: &Error, attributes: &[Attribute]) {
        if attributes.iter().any(|attribute| attribute.name == R::DRIFT) {
            let unfinished = format!("the last apply did not finish: {}", error.summary);
            set_attribute(state, R::DRIFT, Value::Value(Datum::List(vec![Value::Value(unfinished.into())])));
        }
    }
}

#[async_trait]
impl<R: Resource> AnyResource<R::World> for Erased<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn schema(&self) -> Schema {
        Schema { version: i64::try_from(R::earlier().len()).unwrap_or(i64::MAX), deprecation: R::DEPRECATION, ..Schema::of::<R::Model>() }
    }

    fn identity(&self) -> Option<Identity> {
        Identity::new(R::IDENTITY, &R::Model::attributes()).map(|identity| identity.of_version(R::IDENTITY_VERSION))
    }

    fn resumes(&self) -> bool {
        R::RESUMES
    }

    fn identity_paths(&self) -> &'static [&'static str] {
        R::IDENTITY
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
        // The plan is parsed, as it holds the defaults and no computed attribute is parsed. Validate has already reported what is wrong.
        let mut silence = Report::new();
        let mut parsing = Parse::new(&mut silence);
        let spec = parse::<R>(&model_planned, &mut parsing);
        let spec = parsing.finish(spec);
        let mut plan = Plan { prior, config, planned: model_planned, world, report: &mut report, replace: Vec::new(), is_deferred: false };
        R::plan(&mut plan, &spec);
        let (state, replace, is_deferred) = (encode(&Value::Value(plan.planned)), plan.replace, plan.is_deferred);
        Planned { state, replace, diagnostics: report.into_diagnostics(), is_deferred }
    }

    async fn preview(&self, planned: Dynamic, world: &R::World, cancel: CancellationToken) -> (Dynamic, Diagnostics) {
        preview::preview::<R>(planned, world, cancel).await
    }

    fn plan_destroy(&self, prior: &Dynamic, world: Option<&R::World>) -> Planned {
        let mut report = Report::new();
        let mut is_deferred = false;
        if let Some(prior) = model::<R::Model>(prior, &mut Report::new()) {
            let mut destruction = Destruction { prior, world, report: &mut report, is_deferred: false };
            R::plan_destroy(&mut destruction);
            is_deferred = destruction.is_deferred;
        }
        Planned { state: Value::Null, replace: Vec::new(), diagnostics: report.into_diagnostics(), is_deferred }
    }

    async fn apply(&self, change: Change<'_>, memory: &mut Memory, world: &R::World, cancel: CancellationToken) -> Applied {
        if change.planned.is_null() {
            return Self::delete(&change, memory, world, cancel).await;
        }
        let Change { prior, config, planned, unfinished, is_resumed } = change;
        let is_create = prior.is_null() || is_resumed;
        let mut report = Report::new();
        let attributes = &self.attributes;
        let mut wanted = without_unknowns(planned.clone());
        write_only::put(&mut wanted, config, attributes);
        let Some((wanted, spec)) = load(R::NAME, &wanted, &mut report, parse::<R>) else {
            return Applied { state: prior.clone(), unfinished: unfinished.cloned(), diagnostics: report.into_diagnostics() };
        };
        let in_place = prior::read::<R>(prior, unfinished, parse::<R>);

        let operation = if is_create { Operation::Create } else { Operation::Update };
        let cx = cx::<R>(&wanted, operation, world, cancel).with_memory(memory.clone());
        let mut reached = Reached::nothing();
        // Caught here already, and not only for the protocol: what was reached before a panic exists all the same.
        let work = AssertUnwindSafe(R::apply(&spec, &in_place, &mut reached, &cx)).catch_unwind().await;
        let outcome = work.unwrap_or_else(|panic| Err(panicked(R::NAME, panic.as_ref())));
        end(cx, memory, &mut report);

        let is_complete = reached.is_complete();
        let recorded = reached.get().map(|status| Self::record(&status, &wanted, &mut report));
        let (mut state, unfinished) = match (recorded, outcome) {
            (Some(recorded), Ok(())) => {
                for warning in promises::broken(attributes, &planned, &recorded) {
                    report.warning(warning);
                }
                (promises::keep(&planned, recorded), None)
            }
            (None, Ok(())) => {
                report.error(Error::new(
                    format!("{} left no state", R::NAME),
                    "The operation succeeded without recording what it reached. This is a defect of the provider.",
                ));
                (prior.clone(), unfinished.cloned())
            }
            (recorded, Err(mut error)) => {
                let mut next = unfinished.cloned().unwrap_or_default();
                let state = match recorded {
                    // A create reached nothing: there is nothing to save, and nothing to go on with.
                    None if prior.is_null() => None,
                    None => {
                        next.attempt(prior::inputs::<R::Model>(&planned), &prior::inputs::<R::Model>(prior));
                        Some(prior.clone())
                    }
                    Some(recorded) => {
                        let all = promises::keep(&planned, recorded);
                        let mut state = if prior.is_null() || is_complete {
                            next = Unfinished { is_create, attempted: Vec::new() };
                            all
                        } else {
                            next.attempt(prior::inputs::<R::Model>(&planned), &prior::inputs::<R::Model>(prior));
                            with_computed(prior, &all, attributes)
                        };
                        Self::mark(&mut state, &error, attributes);
                        Some(state)
                    }
                };
                if is_create && state.is_some() {
                    error.detail = format!("{}\n\n{}", error.detail, Self::way_on());
                }
                report.error(error);
                state.map_or((Value::Null, None), |state| (state, Some(next)))
            }
        };
        write_only::remove(&mut state, attributes);
        Applied { state: without_unknowns(state), unfinished, diagnostics: report.into_diagnostics() }
    }

    async fn read(&self, state: Dynamic, memory: &mut Memory, world: &R::World, cancel: CancellationToken) -> Outcome {
        let mut report = Report::new();
        // The state of a deferred import; the read is deferred as well.
        if state.is_unknown() {
            return Outcome { found: state, diagnostics: report.into_diagnostics(), is_deferred: true };
        }
        let Some((model, spec)) = load_stored(R::NAME, &state, &mut report, parse::<R>) else {
            let cx = cx::<R>(&R::Model::default(), Operation::Read, world, cancel).with_memory(memory.clone()).refreshing();
            let mut outcome = Self::read_by_identity(state, report, cx).await;
            write_only::remove(&mut outcome.found, &self.attributes);
            return outcome;
        };
        let cx = cx::<R>(&model, Operation::Read, world, cancel).with_memory(memory.clone()).refreshing();
        let outcome = R::read(&spec, &cx).await;
        let is_deferred = end(cx, memory, &mut report) || matches!(outcome, Ok(Observed::Deferred));
        let mut found = match outcome {
            Ok(Observed::Found(status)) => Self::record(&status, &model, &mut report),
            Ok(Observed::Gone) => Value::Null,
            Ok(Observed::Deferred | Observed::Unseen) => state,
            Err(error) => {
                report.error(error);
                state
            }
        };
        write_only::remove(&mut found, &self.attributes);
        Outcome { found, diagnostics: report.into_diagnostics(), is_deferred }
    }

    async fn import(&self, name: &str, world: &R::World, cancel: CancellationToken) -> Outcome {
        let mut report = Report::new();
        let cx = cx::<R>(&R::Model::default(), Operation::Read, world, cancel);
        let outcome = R::import(name, &cx).await;
        let is_deferred = conclude(cx, &mut report);
        let mut found = match outcome {
            Ok(model) => with_defaults(encode(&Value::Value(model)), &self.attributes),
            Err(error) => {
                report.error(error);
                Value::Null
            }
        };
        write_only::remove(&mut found, &self.attributes);
        Outcome { found, diagnostics: report.into_diagnostics(), is_deferred }
    }

    fn earlier_attributes(&self, version: i64) -> Option<Vec<Attribute>> {
        Some(earlier::<R>(version)?.attributes())
    }

    fn upgrade(&self, version: i64, state: &Dynamic) -> Result<Dynamic, Error> {
        earlier::<R>(version).map_or_else(|| Ok(state.clone()), |earlier| earlier.upgrade(state))
    }

    fn upgrade_identity(&self, version: i64, identity: Json) -> Result<Json, Error> {
        (version..R::IDENTITY_VERSION).try_fold(identity, |identity, version| R::upgrade_identity(version, identity))
    }

    fn adopt(&self, source: &Foreign<'_>) -> Option<Result<Dynamic, Error>> {
        let state = |model| {
            let mut state = with_defaults(encode(&Value::Value(model)), &self.attributes);
            write_only::remove(&mut state, &self.attributes);
            state
        };
        R::adopt(source).map(|adopted| adopted.map(state))
    }
}

#[cfg(test)]
mod tests;
