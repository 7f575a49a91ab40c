//! What a listing is: the objects of a resource's type that exist, managed or not, for `list` blocks of query files.

use std::marker::PhantomData;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    dynamic::Dynamic,
    erased::erase,
    lifecycle::{Cx, Resource},
    model::{Model, encode},
    outcome::{Outcome, conclude, model, validate},
    parse::Parse,
    report::{Error, Report},
    schema::Schema,
    vocabulary::{Diagnostics, Value},
};
use crate::deadline::Deadline;

/// A resource whose objects can be listed.
#[async_trait]
pub trait Listing: Resource {
    /// What narrows the list down.
    type Filter: Model;

    /// Checks the filter; pure.
    fn check(_filter: &Self::Filter, _parse: &mut Parse<'_>) {}

    /// Finds the objects, at most `limit`.
    async fn list(filter: &Self::Filter, limit: usize, cx: &Cx<'_, Self::World>) -> Result<Vec<Listed<Self::Model>>, Error>;
}

/// An object that exists.
#[derive(Clone, Debug)]
pub struct Listed<M> {
    /// What a person knows it by.
    pub display_name: String,
    /// Its attributes, as an import tells them.
    pub model: M,
}

/// A listing of any type.
#[async_trait]
pub trait AnyListing<W>: Send + Sync {
    /// The name in HCL, which is the resource's.
    fn name(&self) -> &'static str;
    /// The schema of the filter.
    fn schema(&self) -> Schema;
    /// Checks a filter, in which anything may be unknown.
    fn validate(&self, filter: &Dynamic) -> Diagnostics;
    /// Finds the objects, at most `limit`: name and state, which is read in full if `whole`, and else as an import tells it.
    async fn list(&self, filter: &Dynamic, limit: usize, whole: bool, world: &W, cancel: CancellationToken) -> Outcome<Vec<Found>>;
}

/// An object that a listing found.
pub struct Found {
    /// What a person knows it by.
    pub display_name: String,
    /// Its state.
    pub state: Dynamic,
    /// What is wrong with it alone.
    pub diagnostics: Diagnostics,
}

struct Erased<L>(PhantomData<fn() -> L>);

/// Makes a listing callable by the protocol.
pub fn erase_listing<L: Listing>() -> Box<dyn AnyListing<L::World>> {
    Box::new(Erased::<L>(PhantomData))
}

#[async_trait]
impl<L: Listing> AnyListing<L::World> for Erased<L> {
    fn name(&self) -> &'static str {
        L::NAME
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

    async fn list(&self, filter: &Dynamic, limit: usize, whole: bool, world: &L::World, cancel: CancellationToken) -> Outcome<Vec<Found>> {
        let mut report = Report::new();
        let filter = model::<L::Filter>(filter, &mut report).unwrap_or_default();
        if report.has_errors() {
            return Outcome { found: Vec::new(), diagnostics: report.into_diagnostics(), is_unseen: false };
        }
        let cx = Cx::new(world, Deadline::after(L::TIMEOUTS.read, cancel.clone()));
        let listed = L::list(&filter, limit, &cx).await;
        let is_unseen = conclude(cx, &mut report);
        let listed = listed.map_err(|error| report.error(error)).unwrap_or_default();
        let mut found = Vec::new();
        for Listed { display_name, model } in listed.into_iter().take(limit) {
            let state = encode(&Value::Value(model));
            found.push(if whole {
                let read = erase::<L>().read(state.clone(), world, cancel.clone()).await;
                // Gone since it was listed: what was known of it is still an answer.
                let state = if read.found.is_null() { state } else { read.found };
                Found { display_name, state, diagnostics: read.diagnostics }
            } else {
                Found { display_name, state, diagnostics: Diagnostics::default() }
            });
        }
        Outcome { found, diagnostics: report.into_diagnostics(), is_unseen }
    }
}
