//! What a listing is: the objects of a resource's type that exist, managed or not, for `list` blocks of query files.

use std::marker::PhantomData;

use async_trait::async_trait;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    call::{Outcome, conclude, model, validate},
    context::Cx,
    dynamic::Dynamic,
    model::Model,
    parse::Parse,
    report::{Error, Report},
    resource::Resource,
    resource::erased::erase,
    schema::Schema,
    vocabulary::{Diagnostics, Value},
};
use crate::deadline::Deadline;

/// How many of the found objects are read at once.
const READERS: usize = 16;

/// Finds the objects of a resource. A listing only finds them: the resource's import and read report the rest.
#[async_trait]
pub trait Listing: Send + Sync + 'static {
    /// The resource whose objects are listed.
    type Of: Resource;
    /// What narrows the list down.
    type Filter: Model;

    /// Checks the filter; pure.
    fn check(_filter: &Self::Filter, _parse: &mut Parse<'_>) {}

    /// Puts the names by which an import finds the objects to `found`. What was found stands beside an error.
    async fn list(filter: &Self::Filter, found: &mut Vec<String>, cx: &Cx<'_, WorldOf<Self>>) -> Result<(), Error>;
}

/// What a listing acts on: the world of its resource.
type WorldOf<L> = <<L as Listing>::Of as Resource>::World;

/// A listing of any type.
#[async_trait]
pub trait AnyListing<W>: Send + Sync {
    /// The name in HCL, which is the resource's.
    fn name(&self) -> &'static str;
    /// The schema of the filter.
    fn schema(&self) -> Schema;
    /// Checks a filter, in which anything may be unknown.
    fn validate(&self, filter: &Dynamic) -> Diagnostics;
    /// Finds the objects, at most `limit`; with their states if `whole`.
    async fn list(&self, filter: &Dynamic, limit: usize, whole: bool, world: &W, cancel: CancellationToken) -> Outcome<Vec<Found>>;
}

/// An object that a listing found.
pub struct Found {
    /// The name by which an import finds it.
    pub name: String,
    /// Its state; null when it wasn't asked for, or can't be told.
    pub state: Dynamic,
    /// What is wrong with it alone.
    pub diagnostics: Diagnostics,
}

struct Erased<L>(PhantomData<fn() -> L>);

/// Makes a listing callable by the protocol.
pub fn erase_listing<L: Listing>() -> Box<dyn AnyListing<WorldOf<L>>> {
    Box::new(Erased::<L>(PhantomData))
}

/// The object of this name, as an import and the read after it tell it.
async fn read<L: Listing>(name: String, world: &WorldOf<L>, cancel: CancellationToken) -> Found {
    let resource = erase::<L::Of>();
    let mut outcome = resource.import(&name, world, cancel.clone()).await;
    if !outcome.found.is_null() {
        let read = resource.read(outcome.found, world, cancel).await;
        outcome.found = read.found;
        outcome.diagnostics.errors.extend(read.diagnostics.errors);
        outcome.diagnostics.warnings.extend(read.diagnostics.warnings);
    }
    Found { name, state: outcome.found, diagnostics: outcome.diagnostics }
}

#[async_trait]
impl<L: Listing> AnyListing<WorldOf<L>> for Erased<L> {
    fn name(&self) -> &'static str {
        L::Of::NAME
    }

    fn schema(&self) -> Schema {
        Schema::of::<L::Filter>()
    }

    fn validate(&self, filter: &Dynamic) -> Diagnostics {
        validate(filter, |filter, parse| {
            L::check(filter, parse);
            Some(())
        })
    }

    async fn list(
        &self,
        filter: &Dynamic,
        limit: usize,
        whole: bool,
        world: &WorldOf<L>,
        cancel: CancellationToken,
    ) -> Outcome<Vec<Found>> {
        let mut report = Report::new();
        let filter = model::<L::Filter>(filter, &mut report).unwrap_or_default();
        if report.has_errors() {
            return Outcome { found: Vec::new(), diagnostics: report.into_diagnostics(), is_deferred: false };
        }
        let cx = Cx::new(world, Deadline::after(L::Of::TIMEOUTS.read, cancel.clone()));
        let mut names = Vec::new();
        if let Err(error) = L::list(&filter, &mut names, &cx).await {
            report.error(error);
        }
        let is_deferred = conclude(cx, &mut report);
        let names = names.into_iter().take(limit);
        let found = if whole {
            let reads = names.map(|name| read::<L>(name, world, cancel.clone())).collect::<Vec<_>>();
            futures::stream::iter(reads).buffered(READERS).collect().await
        } else {
            names.map(|name| Found { name, state: Value::Null, diagnostics: Diagnostics::default() }).collect()
        };
        Outcome { found, diagnostics: report.into_diagnostics(), is_deferred }
    }
}
