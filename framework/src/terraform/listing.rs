//! What a listing is: the search for the objects of a resource type, managed or not, that `list` blocks of query files make.

use std::marker::PhantomData;

use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{
    call::{conclude, model, validate},
    context::{Cx, KNOWN_AFTER_APPLY, Memory},
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

/// Finds the objects of a resource. A listing only finds them: the resource's import and read report the rest.
#[async_trait]
pub trait Listing: Send + Sync + 'static {
    /// The resource whose objects are listed.
    type Of: Resource;
    /// The attributes that narrow the list down.
    type Filter: Model;

    /// How many of the found objects are read at once, where the query asks for their attributes.
    const READERS: usize = 16;

    /// Checks the filter; pure.
    fn check(_filter: &Self::Filter, _parse: &mut Parse<'_>) {}

    /// Puts the import ID of each object to `results`, as soon as it is found, and the reason where a part can't be searched. It is dropped
    /// once enough objects are found. An error that it returns is a warning if anything was found, and the error of the query if not.
    async fn list(filter: &Self::Filter, results: &mut Results, cx: &Cx<'_, WorldOf<Self>>) -> Result<(), Error>;
}

/// The world of the resource, which the listing searches.
type WorldOf<L> = <<L as Listing>::Of as Resource>::World;

/// Takes what a listing finds, and passes it on at once.
pub struct Results {
    /// Absent once enough is found.
    sender: Option<mpsc::Sender<Result<String, Error>>>,
    wanted: usize,
}

impl Results {
    /// How many results wait to be read by the CLI before the search does.
    const AHEAD: usize = 64;

    fn new(wanted: usize) -> (Self, mpsc::Receiver<Result<String, Error>>) {
        let (sender, receiver) = mpsc::channel(Self::AHEAD);
        (Self { sender: Some(sender).filter(|_| wanted > 0), wanted }, receiver)
    }

    /// Returns how many more objects the query wants: a limit for the requests of the search.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Adds the object with this import ID. Doesn't return once enough is found: the search ends there.
    pub async fn add(&mut self, id: impl Into<String>) {
        self.send(Ok(id.into())).await;
        self.wanted = self.wanted.saturating_sub(1);
        if self.wanted == 0 {
            self.sender = None;
        }
    }

    /// Reports a part that can't be searched, while the search of the others goes on.
    pub async fn failed(&mut self, error: Error) {
        self.send(Err(error)).await;
    }

    async fn send(&mut self, result: Result<String, Error>) {
        let is_wanted = match &self.sender {
            Some(sender) => sender.send(result).await.is_ok(),
            None => false,
        };
        if !is_wanted {
            self.sender = None;
            std::future::pending::<()>().await;
        }
    }
}

/// One result of a listing.
pub enum Listed {
    /// An object.
    Object(Found),
    /// The reason why a part couldn't be searched.
    Failed(Error),
}

/// An object that a listing found.
pub struct Found {
    /// The import ID.
    pub id: String,
    /// Its state; null when it wasn't asked for, or can't be read.
    pub state: Dynamic,
    /// What is wrong with it alone.
    pub diagnostics: Diagnostics,
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
    /// Sends the objects as they are found, at most `limit`; with their states if `whole`. Returns what is wrong with the search itself.
    async fn list(
        &self,
        filter: &Dynamic,
        limit: usize,
        whole: bool,
        world: &W,
        cancel: CancellationToken,
        listed: mpsc::Sender<Listed>,
    ) -> Diagnostics;
}

struct Erased<L>(PhantomData<fn() -> L>);

/// Makes a listing callable by the protocol.
pub fn erase_listing<L: Listing>() -> Box<dyn AnyListing<WorldOf<L>>> {
    Box::new(Erased::<L>(PhantomData))
}

/// Returns the object of this import ID as an import and the read after it describe it; nothing if it is gone meanwhile.
async fn read<L: Listing>(id: String, world: &WorldOf<L>, cancel: CancellationToken) -> Option<Listed> {
    let resource = erase::<L::Of>();
    let mut outcome = resource.import(&id, world, cancel.clone()).await;
    if !outcome.found.is_null() {
        let read = resource.read(outcome.found, &mut Memory::new(), world, cancel).await;
        outcome.found = read.found;
        outcome.is_deferred |= read.is_deferred;
        outcome.diagnostics.errors.extend(read.diagnostics.errors);
        outcome.diagnostics.warnings.extend(read.diagnostics.warnings);
        if outcome.found.is_null() && outcome.diagnostics.errors.is_empty() {
            return None;
        }
    }
    if outcome.is_deferred {
        // The state is only what the import ID holds: not the object.
        outcome.found = Value::Null;
        if outcome.diagnostics.errors.is_empty() {
            let mut report = Report::new();
            report.error(Error::new(KNOWN_AFTER_APPLY, format!("`{id}` can't be read before the provider's configuration is known.")));
            outcome.diagnostics.errors = report.into_diagnostics().errors;
        }
    }
    Some(Listed::Object(Found { id, state: outcome.found, diagnostics: outcome.diagnostics }))
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
        listed: mpsc::Sender<Listed>,
    ) -> Diagnostics {
        let mut report = Report::new();
        let filter = model::<L::Filter>(filter, &mut report).unwrap_or_default();
        if report.has_errors() {
            return report.into_diagnostics();
        }
        let cx = Cx::new(world, Deadline::after(L::Of::TIMEOUTS.read, cancel.clone()));
        let (mut results, found) = Results::new(limit);
        let search = async {
            let outcome = L::list(&filter, &mut results, &cx).await;
            drop(results);
            outcome
        };
        let look = |result| {
            let cancel = cancel.clone();
            async move {
                match result {
                    Ok(id) if whole => read::<L>(id, world, cancel).await,
                    Ok(id) => Some(Listed::Object(Found { id, state: Value::Null, diagnostics: Diagnostics::default() })),
                    Err(error) => Some(Listed::Failed(error)),
                }
            }
        };
        let deliver = async {
            let mut found = ReceiverStream::new(found).map(look).buffered(L::READERS);
            while let Some(result) = found.next().await {
                if let Some(result) = result
                    && listed.send(result).await.is_err()
                {
                    break;
                }
            }
        };
        tokio::pin!(deliver);
        let outcome = tokio::select! {
            biased;
            outcome = search => {
                deliver.await;
                outcome
            }
            // Enough is found, or nobody reads on.
            () = &mut deliver => Ok(()),
        };
        if let Err(error) = outcome {
            report.error(error);
        }
        conclude(cx, &mut report);
        report.into_diagnostics()
    }
}
