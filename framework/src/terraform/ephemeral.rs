//! What an ephemeral resource is: something opened for one run of the CLI and closed after it, that no state and no plan ever holds.

use std::{marker::PhantomData, time::Duration};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::{
    call::{Outcome, conclude, load, validate},
    context::Cx,
    dynamic::Dynamic,
    model::{Model, encode},
    parse::Parse,
    report::{Error, Report},
    schema::Schema,
    vocabulary::{Diagnostics, Value},
};
use crate::deadline::Deadline;

/// An ephemeral resource.
#[async_trait]
pub trait Ephemeral: Send + Sync + 'static {
    /// What it acts on; see [`Provider::World`](super::Provider::World).
    type World: Send + Sync;
    /// The attributes.
    type Model: Model;
    /// Valid and known.
    type Spec: Send + Sync;
    /// What was opened: the computed attributes.
    type Status: Send + Sync;
    /// What a renewal and the closing need; the CLI holds it in memory meanwhile. `()` where there is nothing to do.
    type Handle: Serialize + DeserializeOwned + Send + Sync;

    /// The name in HCL.
    const NAME: &'static str;
    /// How long each call may take.
    const TIMEOUT: Duration;
    /// Why it is deprecated, and what to use instead.
    const DEPRECATION: Option<&'static str> = None;

    /// Reads the attributes that the configuration sets; pure.
    fn parse(model: &Self::Model, parse: &mut Parse<'_>) -> Option<Self::Spec>;

    /// Opens it.
    async fn open(spec: &Self::Spec, cx: &Cx<'_, Self::World>) -> Result<(Self::Status, Lease<Self::Handle>), Error>;

    /// Extends it; called at the time that the lease names. The attributes stay as they are. After an error the CLI goes on with the handle
    /// of before.
    async fn renew(handle: Self::Handle, _cx: &Cx<'_, Self::World>) -> Result<Lease<Self::Handle>, Error> {
        Ok(Lease { handle, renew_at: None })
    }

    /// Ends it. Terraform passes the handle of the opening, OpenTofu that of the last renewal: either must be enough to close what was opened.
    async fn close(_handle: Self::Handle, _cx: &Cx<'_, Self::World>) -> Result<(), Error> {
        Ok(())
    }

    /// Puts what was opened to the computed attributes.
    fn record(status: &Self::Status, model: &mut Self::Model);
}

/// How long something is open, and the handle by which it is renewed and closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease<H> {
    /// What the next renewal needs, and OpenTofu's closing. Terraform closes with the handle of the opening, so a renewal must not exchange what
    /// the closing needs.
    pub handle: H,
    /// When to renew it; never if absent.
    pub renew_at: Option<OffsetDateTime>,
}

/// What was opened.
pub struct Opened {
    /// The configuration with the computed attributes.
    pub result: Dynamic,
    /// With the handle as the CLI holds it.
    pub lease: Lease<Vec<u8>>,
}

/// An ephemeral resource of any type.
#[async_trait]
pub trait AnyEphemeral<W>: Send + Sync {
    /// The name in HCL.
    fn name(&self) -> &'static str;
    /// The schema.
    fn schema(&self) -> Schema;
    /// Checks a configuration, in which anything may be unknown.
    fn validate(&self, config: &Dynamic) -> Diagnostics;
    /// Opens it; nothing with errors.
    async fn open(&self, config: &Dynamic, world: &W, cancel: CancellationToken) -> Outcome<Option<Opened>>;
    /// Renews it; nothing with errors.
    async fn renew(&self, handle: &[u8], world: &W, cancel: CancellationToken) -> Outcome<Option<Lease<Vec<u8>>>>;
    /// Closes it.
    async fn close(&self, handle: &[u8], world: &W, cancel: CancellationToken) -> Diagnostics;
}

struct Erased<E>(PhantomData<fn() -> E>);

/// Makes an ephemeral resource callable by the protocol.
pub fn erase_ephemeral<E: Ephemeral>() -> Box<dyn AnyEphemeral<E::World>> {
    Box::new(Erased::<E>(PhantomData))
}

fn seal<H: Serialize>(lease: Lease<H>) -> Result<Lease<Vec<u8>>, Error> {
    let handle = serde_json::to_vec(&lease.handle).map_err(|error| Error::new("Handle can't be kept", error.to_string()))?;
    Ok(Lease { handle, renew_at: lease.renew_at })
}

fn unseal<H: DeserializeOwned>(handle: &[u8]) -> Result<H, Error> {
    serde_json::from_slice(handle).map_err(|error| {
        Error::new("Handle can't be read", format!("The handle that was kept since the opening isn't one of this provider: {error}."))
    })
}

impl<E: Ephemeral> Erased<E> {
    fn cx(world: &E::World, cancel: CancellationToken) -> Cx<'_, E::World> {
        Cx::new(world, Deadline::after(E::TIMEOUT, cancel))
    }

    async fn opened(mut model: E::Model, spec: &E::Spec, cx: &Cx<'_, E::World>) -> Result<Opened, Error> {
        let (status, lease) = E::open(spec, cx).await?;
        E::record(&status, &mut model);
        Ok(Opened { result: encode(&Value::Value(model)), lease: seal(lease)? })
    }

    async fn renewed(handle: &[u8], cx: &Cx<'_, E::World>) -> Result<Lease<Vec<u8>>, Error> {
        seal(E::renew(unseal(handle)?, cx).await?)
    }

    async fn closed(handle: &[u8], cx: &Cx<'_, E::World>) -> Result<(), Error> {
        E::close(unseal(handle)?, cx).await
    }
}

/// Returns the outcome of a call, with its warnings.
fn outcome<T, W>(result: Result<T, Error>, cx: Cx<'_, W>, mut report: Report) -> Outcome<Option<T>> {
    let is_deferred = conclude(cx, &mut report);
    let found = result.map_err(|error| report.error(error)).ok();
    Outcome { found, diagnostics: report.into_diagnostics(), is_deferred }
}

#[async_trait]
impl<E: Ephemeral> AnyEphemeral<E::World> for Erased<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn schema(&self) -> Schema {
        Schema { deprecation: E::DEPRECATION, ..Schema::of::<E::Model>() }
    }

    fn validate(&self, config: &Dynamic) -> Diagnostics {
        validate(config, E::parse)
    }

    async fn open(&self, config: &Dynamic, world: &E::World, cancel: CancellationToken) -> Outcome<Option<Opened>> {
        let mut report = Report::new();
        let Some((model, spec)) = load(E::NAME, config, &mut report, E::parse) else {
            return Outcome { found: None, diagnostics: report.into_diagnostics(), is_deferred: false };
        };
        let cx = Self::cx(world, cancel);
        let opened = Self::opened(model, &spec, &cx).await;
        outcome(opened, cx, report)
    }

    async fn renew(&self, handle: &[u8], world: &E::World, cancel: CancellationToken) -> Outcome<Option<Lease<Vec<u8>>>> {
        let cx = Self::cx(world, cancel);
        let renewed = Self::renewed(handle, &cx).await;
        outcome(renewed, cx, Report::new())
    }

    async fn close(&self, handle: &[u8], world: &E::World, cancel: CancellationToken) -> Diagnostics {
        let cx = Self::cx(world, cancel);
        let closed = Self::closed(handle, &cx).await;
        outcome(closed, cx, Report::new()).diagnostics
    }
}
