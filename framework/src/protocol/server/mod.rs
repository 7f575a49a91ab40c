//! The provider's service: each call is translated, passed on, and its outcome translated back. One file for each kind of subject.

#![allow(clippy::unused_async)] // calls are answered alike, whether they wait for anything or not

mod action;
mod creation;
mod data_source;
mod ephemeral;
mod function;
mod listing;
mod moved;
mod private;
mod provider;
mod resource;
mod service;
mod stored;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use super::{catalog::Catalog, diagnostics, mask::Mask, value, wire};
use crate::terraform::{Diagnostics, Dynamic, Error, KNOWN_AFTER_APPLY, Provider, Report, Schema};

tokio::task_local! {
    /// Cancelled when this call is to end, or all.
    static CALL: CancellationToken;
}

/// Serves a provider.
pub struct Server<P: Provider>(Arc<Inner<P>>);

impl<P: Provider> Clone for Server<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<P: Provider> {
    provider: P,
    mask: Mask,
    catalog: OnceLock<Catalog<P::World>>,
    /// Made by the configuration; absent before it, and after one that was refused.
    world: Mutex<Option<Arc<P::World>>>,
    /// Cancelled by a stop, and then replaced: the process serves on.
    work: Mutex<CancellationToken>,
    calls: TaskTracker,
    creations: creation::Creations,
}

impl<P: Provider> Server<P> {
    /// A server of the provider; builds nothing before it is asked. The mask learns all secrets that pass.
    pub fn new(provider: P, mask: Mask) -> Self {
        let calls = TaskTracker::new();
        // What is closed can be waited for at any time; it tracks calls all the same.
        calls.close();
        Self(Arc::new(Inner {
            provider,
            mask,
            catalog: OnceLock::new(),
            world: Mutex::default(),
            work: Mutex::default(),
            calls,
            creations: creation::Creations::default(),
        }))
    }

    /// Ends the work in flight; what it has reached is still answered.
    pub fn cancel(&self) {
        let mut work = self.0.work.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *work).cancel();
    }

    /// Lets go of what the configuration gave access to, so that it is dropped although the process ends: it may have files to remove.
    pub fn close(&self) {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits until no call is in flight.
    pub async fn idle(&self) {
        self.0.calls.wait().await;
    }

    /// Returns the signal to end the work of this call.
    fn work(&self) -> CancellationToken {
        CALL.try_with(Clone::clone).unwrap_or_else(|_| self.all_work())
    }

    fn all_work(&self) -> CancellationToken {
        self.0.work.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does the work of a call in a task of its own: if the CLI cancels the call or is gone, it isn't dropped in the middle, but told to end.
    async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Status> {
        let cancel = self.all_work().child_token();
        let hung_up = cancel.clone().drop_guard();
        let work = tokio::spawn(CALL.scope(cancel, self.0.calls.track_future(work)));
        let answer = work.await.map_err(|error| Status::internal(error.to_string()));
        hung_up.disarm();
        answer
    }

    /// Does work that is told to end, but not dropped, once `hung_up` is ready.
    async fn run_until<T>(&self, work: impl Future<Output = T>, hung_up: impl Future<Output = ()>) -> T {
        let cancel = self.all_work().child_token();
        let work = CALL.scope(cancel.clone(), self.0.calls.track_future(work));
        tokio::pin!(work);
        tokio::select! {
            answer = &mut work => answer,
            () = hung_up => {
                cancel.cancel();
                work.await
            }
        }
    }

    fn catalog(&self) -> &Catalog<P::World> {
        self.0.catalog.get_or_init(|| {
            if cfg!(debug_assertions) {
                for mistake in crate::protocol::check(&self.0.provider) {
                    tracing::error!(mistake, "the provider's declarations are wrong");
                }
            }
            Catalog::of(&self.0.provider)
        })
    }

    fn world(&self) -> Option<Arc<P::World>> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn configured(&self) -> Result<Arc<P::World>, Error> {
        self.world().ok_or_else(|| {
            Error::new(
                "Provider not configured",
                format!("The configuration of the provider `{}` is missing or was refused.", self.0.provider.name()),
            )
        })
    }

    /// Reads a value of the schema's attributes, and learns what is secret in it.
    fn read(&self, value: Option<wire::DynamicValue>, schema: &Schema) -> Result<Dynamic, Error> {
        let value = value::read(value, schema)?;
        self.0.mask.learn(&schema.attributes, &value);
        Ok(value)
    }
}

/// Returns what is wrong with a configuration, by its schema and by `validate`.
fn judged(
    schema: &Schema,
    config: &Dynamic,
    knows_write_only: bool,
    validate: impl FnOnce(&Dynamic) -> Diagnostics,
) -> Vec<wire::Diagnostic> {
    let mut report = Report::new();
    super::config_rules::judge(schema, config, knows_write_only, &mut report);
    let by_schema = report.into_diagnostics();
    let mut by_type = validate(config);
    // What breaks a declared rule may be refused by the type that it is parsed to as well: one error is enough.
    by_type.errors.retain(|error| by_schema.errors.iter().all(|known| known.attribute != error.attribute));
    let mut judged = diagnostics::diagnostics(by_schema);
    judged.extend(diagnostics::diagnostics(by_type));
    judged
}

/// The answer to a CLI that can wait, instead of a guess or of the error that it isn't known yet. Any other error stays.
fn deferred(is_deferred: bool, diagnostics: &mut Diagnostics, client: Option<wire::ClientCapabilities>) -> Option<wire::Deferred> {
    let is_deferred = is_deferred && client.is_some_and(|client| client.deferral_allowed);
    is_deferred.then(|| {
        diagnostics.errors.retain(|error| error.summary != KNOWN_AFTER_APPLY);
        wire::Deferred { reason: wire::deferred::Reason::ProviderConfigUnknown.into() }
    })
}
