//! What an action is: something that is done once, by an `action` block and what triggers it, and leaves no state.

use std::{marker::PhantomData, time::Duration};

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    call::{Outcome, conclude, load, model, validate},
    context::Cx,
    dynamic::Dynamic,
    model::Model,
    parse::{Parse, Parsed},
    report::{Error, Report},
    schema::Schema,
    vocabulary::Diagnostics,
};
use crate::deadline::Deadline;

/// An action.
#[async_trait]
pub trait Action: Send + Sync + 'static {
    /// What it acts on; see [`Provider::World`](super::Provider::World).
    type World: Send + Sync;
    /// The attributes of its `config` block.
    type Model: Model;
    /// The configuration, valid and known.
    type Spec: Send + Sync;

    /// The name in HCL.
    const NAME: &'static str;
    /// How long it may take.
    const TIMEOUT: Duration;
    /// Why it is deprecated, and what to use instead.
    const DEPRECATION: Option<&'static str> = None;

    /// Reads the attributes; pure.
    fn parse(model: &Self::Model, parse: &mut Parse<'_>) -> Option<Self::Spec>;

    /// Checks while planning whether it could be done, once all of the configuration is known. Must change nothing.
    async fn plan(_spec: &Self::Spec, _cx: &Cx<'_, Self::World>) -> Result<(), Error> {
        Ok(())
    }

    /// Does it, and reports what takes long to `progress`.
    async fn invoke(spec: &Self::Spec, progress: &Progress, cx: &Cx<'_, Self::World>) -> Result<(), Error>;
}

/// Shows the user how far an action is.
pub struct Progress(mpsc::Sender<String>);

impl Progress {
    /// Prints a message.
    pub async fn report(&self, message: impl Into<String>) {
        // Fails if the CLI has hung up: the action is told to end then.
        let _ = self.0.send(message.into()).await;
    }
}

/// An action of any type.
#[async_trait]
pub trait AnyAction<W>: Send + Sync {
    /// The name in HCL.
    fn name(&self) -> &'static str;
    /// The schema of the `config` block.
    fn schema(&self) -> Schema;
    /// Checks a configuration, in which anything may be unknown.
    fn validate(&self, config: &Dynamic) -> Diagnostics;
    /// Checks a planned invocation, whose configuration may be unknown.
    async fn plan(&self, config: &Dynamic, world: &W, cancel: CancellationToken) -> Outcome<()>;
    /// Does it, and sends the messages for the user on the way.
    async fn invoke(&self, config: &Dynamic, world: &W, cancel: CancellationToken, progress: mpsc::Sender<String>) -> Diagnostics;
}

struct Erased<A>(PhantomData<fn() -> A>);

/// Makes an action callable by the protocol.
pub fn erase_action<A: Action>() -> Box<dyn AnyAction<A::World>> {
    Box::new(Erased::<A>(PhantomData))
}

#[async_trait]
impl<A: Action> AnyAction<A::World> for Erased<A> {
    fn name(&self) -> &'static str {
        A::NAME
    }

    fn schema(&self) -> Schema {
        Schema { deprecation: A::DEPRECATION, ..Schema::of::<A::Model>() }
    }

    fn validate(&self, config: &Dynamic) -> Diagnostics {
        validate(config, A::parse)
    }

    async fn plan(&self, config: &Dynamic, world: &A::World, cancel: CancellationToken) -> Outcome<()> {
        let mut report = Report::new();
        let mut is_deferred = false;
        if let Some(model) = model::<A::Model>(config, &mut report) {
            let mut parse = Parse::new(&mut report);
            let spec = A::parse(&model, &mut parse);
            if let Parsed::Ready(spec) = parse.finish(spec) {
                let cx = Cx::new(world, Deadline::after(A::TIMEOUT, cancel));
                let planned = A::plan(&spec, &cx).await;
                is_deferred = conclude(cx, &mut report);
                if let Err(error) = planned {
                    report.error(error);
                }
            }
        }
        Outcome { found: (), diagnostics: report.into_diagnostics(), is_deferred }
    }

    async fn invoke(&self, config: &Dynamic, world: &A::World, cancel: CancellationToken, progress: mpsc::Sender<String>) -> Diagnostics {
        let mut report = Report::new();
        if let Some((_, spec)) = load(A::NAME, config, &mut report, A::parse) {
            let cx = Cx::new(world, Deadline::after(A::TIMEOUT, cancel));
            let invoked = A::invoke(&spec, &Progress(progress), &cx).await;
            conclude(cx, &mut report);
            if let Err(error) = invoked {
                report.error(error);
            }
        }
        report.into_diagnostics()
    }
}
