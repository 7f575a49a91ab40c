//! The trait that every resource implements. It is shaped so that losing state can't be written: what was reached is handed over as soon
//! as it is reached, an error never means "gone", and waiting needs a [`Deadline`](crate::Deadline).

pub(super) mod erased;

use async_trait::async_trait;

use super::{
    context::{Cx, Observed},
    model::Model,
    parse::{Parse, Parsed},
    report::{Error, Report},
    timeouts::{DefaultTimeouts, Timeouts},
    vocabulary::{AttributePath, Value},
};

/// Where an operation leaves what it has reached; it is saved with the error, if there is one.
#[derive(Debug)]
pub struct Reached<S>(Option<S>);

impl<S> Reached<S> {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self(None)
    }

    /// From here on the object exists, in this state.
    pub fn set(&mut self, status: S) {
        self.0 = Some(status);
    }

    /// What was reached last.
    pub fn get(self) -> Option<S> {
        self.0
    }
}

/// A planned change, while it is being planned.
pub struct Plan<'a, M, W> {
    /// The state so far; none on creation.
    pub prior: Option<M>,
    /// As in the configuration.
    pub config: M,
    /// What will be; the resource may change what it computes.
    pub planned: M,
    /// None while the provider's configuration is not known.
    pub world: Option<&'a W>,
    /// Errors and warnings.
    pub report: &'a mut Report,
    pub(super) replace: Vec<AttributePath>,
    pub(super) is_deferred: bool,
}

impl<M, W> Plan<'_, M, W> {
    /// The change of the attribute at `path` replaces the resource.
    pub fn replace(&mut self, path: AttributePath) {
        self.replace.push(path);
    }

    /// Reads a part of the planned values, although another part isn't known yet: `read` gets all attributes, and returns what it needs of
    /// them. Violations aren't reported, as validation has reported them.
    pub fn known<T>(&self, read: impl FnOnce(&M, &mut Parse<'_>) -> Option<T>) -> Option<T> {
        read(&self.planned, &mut Parse::new(&mut Report::new()))
    }

    /// What the plan needs of the provider's configuration isn't known yet. A CLI that can put the change off does so; for all others
    /// the plan stands as it is.
    pub fn defer(&mut self) {
        self.is_deferred = true;
    }
}

/// A managed resource.
///
/// The model goes through [`parse`](Self::parse) at validate, plan, apply and read alike, so that nothing invalid or unknown gets any
/// further. An attribute named `drift` (a computed list, settled at empty) holds what differs from what was applied.
#[async_trait]
pub trait Resource: Send + Sync + 'static {
    /// What it acts on; see [`Provider::World`](super::Provider::World).
    type World: Send + Sync;
    /// The attributes.
    type Model: Model;
    /// Valid and known.
    type Spec: Send + Sync;
    /// What is known only from the world: the computed attributes.
    type Status: Send + Sync;

    /// The type's name in HCL.
    const NAME: &'static str;
    /// Times for when `timeouts` says nothing.
    const TIMEOUTS: DefaultTimeouts;
    /// Raised when a stored state must be rewritten to be read.
    const VERSION: i64 = 0;
    /// Why not to use the resource any more, and what to use.
    const DEPRECATION: Option<&'static str> = None;
    /// The attributes that together tell the object from all others, in the order in which they make up the name for an import; a nested
    /// one is written `gateway.cluster`. A change of one replaces the resource, or an update moves the object.
    const IDENTITY: &'static [&'static str] = &[];

    /// The `timeouts` attribute.
    fn timeouts(model: &Self::Model) -> &Value<Timeouts>;

    /// Reads the attributes that the configuration sets; pure.
    fn parse(model: &Self::Model, parse: &mut Parse<'_>) -> Option<Self::Spec>;

    /// Looks at the planned change with the eyes of the domain: only what needs no cluster. `spec` as parsed from the configuration.
    fn plan(_plan: &mut Plan<'_, Self::Model, Self::World>, _spec: &Parsed<Self::Spec>) {}

    /// Creates (`prior` is none) or updates. What exists in the world is put to `reached` before anything that can fail comes after it.
    async fn apply(
        spec: &Self::Spec,
        prior: Option<&Self::Spec>,
        reached: &mut Reached<Self::Status>,
        cx: &Cx<'_, Self::World>,
    ) -> Result<(), Error>;

    /// Looks at what is there. Whatever can't be told is an error, and keeps the state.
    async fn read(spec: &Self::Spec, cx: &Cx<'_, Self::World>) -> Result<Observed<Self::Status>, Error>;

    /// Deletes, and returns when nothing is left. What is gone already is no error.
    async fn delete(spec: &Self::Spec, cx: &Cx<'_, Self::World>) -> Result<(), Error>;

    /// Finds what an import ID names, and returns the attributes that the configuration would set. Those that are null get their defaults,
    /// and a read follows.
    async fn import(id: &str, cx: &Cx<'_, Self::World>) -> Result<Self::Model, Error>;

    /// Puts the status to the computed attributes.
    fn record(status: &Self::Status, model: &mut Self::Model);

    /// Rewrites a stored state of `version` as one of `version + 1`; called for each version up to [`VERSION`](Self::VERSION).
    fn upgrade(_version: i64, state: Json) -> Result<Json, Error> {
        Ok(state)
    }

    /// Takes over an object that was managed by a resource of another type, where a `moved` block says so. None for types it knows nothing
    /// of. A read follows.
    fn adopt(_source: &Foreign<'_>) -> Option<Result<Self::Model, Error>> {
        None
    }
}

/// A stored state, before it is read by a schema.
pub type Json = serde_json::Value;

/// The state of a resource of another type, which may be another provider's.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    /// Address of its provider: `registry.terraform.io/hashicorp/kubernetes`. The host differs between CLIs and mirrors.
    pub provider: &'a str,
    /// The type's name in HCL.
    pub type_name: &'a str,
    /// Version of the schema that wrote it.
    pub version: i64,
    /// Its attributes.
    pub state: &'a Json,
}
