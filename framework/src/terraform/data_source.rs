//! What a data source is: a look at the world, whose result the state keeps.

use std::{marker::PhantomData, time::Duration};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    call::{Outcome, conclude, load, validate},
    context::{Cx, Observed},
    dynamic::Dynamic,
    model::{Model, encode},
    parse::Parse,
    report::{Error, Report},
    schema::Schema,
    vocabulary::{Diagnostics, Value},
};
use crate::deadline::Deadline;

/// A data source.
#[async_trait]
pub trait DataSource: Send + Sync + 'static {
    /// What it looks at; see [`Provider::World`](super::Provider::World).
    type World: Send + Sync;
    /// The attributes.
    type Model: Model;
    /// Valid and known.
    type Spec: Send + Sync;
    /// What was found: the computed attributes.
    type Status: Send + Sync;

    /// The name in HCL.
    const NAME: &'static str;
    /// How long a look may take.
    const TIMEOUT: Duration;
    /// Why not to use it any more, and what to use.
    const DEPRECATION: Option<&'static str> = None;

    /// Reads the attributes that the configuration sets; pure.
    fn parse(model: &Self::Model, parse: &mut Parse<'_>) -> Option<Self::Spec>;

    /// Looks. That there is nothing is an error to the user.
    async fn read(spec: &Self::Spec, cx: &Cx<'_, Self::World>) -> Result<Observed<Self::Status>, Error>;

    /// Puts what was found to the computed attributes.
    fn record(status: &Self::Status, model: &mut Self::Model);
}

/// A data source of any type.
#[async_trait]
pub trait AnyDataSource<W>: Send + Sync {
    /// The name in HCL.
    fn name(&self) -> &'static str;
    /// The schema.
    fn schema(&self) -> Schema;
    /// Checks a configuration, in which anything may be unknown.
    fn validate(&self, config: &Dynamic) -> Diagnostics;
    /// The configuration with what was found; null with errors.
    async fn read(&self, config: &Dynamic, world: &W, cancel: CancellationToken) -> Outcome;
}

struct Erased<D>(PhantomData<fn() -> D>);

/// Makes a data source callable by the protocol.
pub fn erase_data_source<D: DataSource>() -> Box<dyn AnyDataSource<D::World>> {
    Box::new(Erased::<D>(PhantomData))
}

#[async_trait]
impl<D: DataSource> AnyDataSource<D::World> for Erased<D> {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn schema(&self) -> Schema {
        Schema { deprecation: D::DEPRECATION, ..Schema::of::<D::Model>() }
    }

    fn validate(&self, config: &Dynamic) -> Diagnostics {
        validate(config, D::parse)
    }

    async fn read(&self, config: &Dynamic, world: &D::World, cancel: CancellationToken) -> Outcome {
        let mut report = Report::new();
        let mut outcome = Outcome { found: Value::Null, diagnostics: Diagnostics::default(), is_deferred: false };
        if let Some((mut model, spec)) = load(D::NAME, config, &mut report, D::parse) {
            let cx = Cx::new(world, Deadline::after(D::TIMEOUT, cancel));
            let found = match D::read(&spec, &cx).await {
                Ok(Observed::Found(status)) => Ok(status),
                Ok(Observed::Gone | Observed::Unseen) => Err(Error::new("Not found", format!("What {} asks for doesn't exist.", D::NAME))),
                Ok(Observed::Deferred) => Err(cx.defer("Something")),
                Err(error) => Err(error),
            };
            outcome.is_deferred = conclude(cx, &mut report);
            match found {
                Ok(status) => {
                    D::record(&status, &mut model);
                    outcome.found = encode(&Value::Value(model));
                }
                Err(error) => report.error(error),
            }
        }
        outcome.diagnostics = report.into_diagnostics();
        outcome
    }
}
