//! The provider's service: every call is translated, handed on, and its outcome translated back. One file for each kind of subject.

#![allow(clippy::unused_async)] // calls are answered alike, whether they wait for anything or not

mod data_source;
mod ephemeral;
mod function;
mod listing;
mod moved;
mod private;
mod provider;
mod resource;
mod service;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{catalog::Catalog, diagnostics, mask::Mask, value, wire};
use crate::terraform::{Diagnostics, Dynamic, Error, Provider, Report, Schema};

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
    /// What the configuration made; none before it, and with one that was refused.
    world: Mutex<Option<Arc<P::World>>>,
    /// Cancelled by a stop, and then replaced: the process serves on.
    work: Mutex<CancellationToken>,
    calls: TaskTracker,
}

impl<P: Provider> Server<P> {
    /// A server of the provider; builds nothing before it is asked. The mask learns all secrets that pass.
    pub fn new(provider: P, mask: Mask) -> Self {
        let calls = TaskTracker::new();
        // What is closed can be waited for at any time; it tracks calls all the same.
        calls.close();
        Self(Arc::new(Inner { provider, mask, catalog: OnceLock::new(), world: Mutex::default(), work: Mutex::default(), calls }))
    }

    /// Ends the work in flight; what it has reached is still answered.
    pub fn cancel(&self) {
        let mut work = self.0.work.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *work).cancel();
    }

    /// Waits until no call is in flight.
    pub async fn idle(&self) {
        self.0.calls.wait().await;
    }

    fn work(&self) -> CancellationToken {
        self.0.work.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn catalog(&self) -> &Catalog<P::World> {
        self.0.catalog.get_or_init(|| Catalog::of(&self.0.provider))
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

/// All that is wrong with a configuration, by its schema and by what `validate` says.
fn judged(
    schema: &Schema,
    config: &Dynamic,
    knows_write_only: bool,
    validate: impl FnOnce(&Dynamic) -> Diagnostics,
) -> Vec<wire::Diagnostic> {
    let mut report = Report::new();
    super::config_rules::judge(&schema.attributes, config, knows_write_only, &mut report);
    let mut judged = diagnostics::diagnostics(report.into_diagnostics());
    judged.extend(diagnostics::diagnostics(validate(config)));
    judged
}

/// What a CLI that can wait gets instead of an error or a guess.
fn deferred(is_deferred: bool, diagnostics: &mut Diagnostics, client: Option<wire::ClientCapabilities>) -> Option<wire::Deferred> {
    let is_deferred = is_deferred && client.is_some_and(|client| client.deferral_allowed);
    is_deferred.then(|| {
        diagnostics.errors.clear();
        wire::Deferred { reason: wire::deferred::Reason::ProviderConfigUnknown.into() }
    })
}
