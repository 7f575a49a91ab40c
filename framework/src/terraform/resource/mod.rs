//! The trait that every resource implements. It is shaped so that no implementation can lose state: an apply records what exists as soon as
//! it exists, an error never means "gone", and waiting needs a [`Deadline`](crate::Deadline).

pub(super) mod any;
mod by_identity;
mod earlier;
pub(super) mod erased;
mod foreign;
mod plan;
mod preview;
mod prior;
mod promises;
mod reached;

pub use earlier::Earlier;
pub use foreign::{Foreign, Stored};
pub use plan::{Destruction, Plan};
pub use prior::{Prior, Unfinished};
pub use reached::Reached;

use async_trait::async_trait;

use super::{
    context::{Cx, Observed},
    model::Model,
    parse::{Parse, Parsed},
    report::Error,
    timeouts::{DefaultTimeouts, Timeouts},
    vocabulary::Value,
};

/// A managed resource.
///
/// The model goes through [`parse`](Self::parse) at validate, plan, apply and read alike, so that nothing invalid or unknown gets any
/// further. An attribute named [`DRIFT`](Self::DRIFT) (a computed list, settled at empty) holds the differences from what was applied.
#[async_trait]
pub trait Resource: Send + Sync + 'static {
    /// The world it acts on; see [`Provider::World`](super::Provider::World).
    type World: Send + Sync;
    /// The attributes.
    type Model: Model;
    /// The inputs, valid and known.
    type Spec: Send + Sync;
    /// What is known only from the world: the computed attributes.
    type Status: Send + Sync;

    /// The type's name in HCL.
    const NAME: &'static str;
    /// Times for when `timeouts` sets none.
    const TIMEOUTS: DefaultTimeouts;
    /// Why the resource is deprecated, and what to use instead.
    const DEPRECATION: Option<&'static str> = None;
    /// The attributes that together distinguish the object from all others, in the order in which they make up the import ID; a nested one
    /// is written `gateway.cluster`. A change of one replaces the resource, or an update moves the object.
    const IDENTITY: &'static [&'static str] = &[];
    /// Raised when parts of the identity are renamed, added or removed: both CLIs refuse a stored identity with other parts.
    const IDENTITY_VERSION: i64 = 0;
    /// The computed list that holds the differences from what was applied: one entry makes the next plan an update.
    const DRIFT: &'static str = "drift";

    /// Whether the next apply continues a create that failed halfway. Both CLIs plan to replace such an object. With `true`, the delete half
    /// of that replacement leaves in place what exists, and the create half gets it as `prior`; with `false`, it is deleted.
    const RESUMES: bool = true;

    /// The `timeouts` attribute.
    fn timeouts(model: &Self::Model) -> &Value<Timeouts>;

    /// Reads the attributes that the configuration sets; pure.
    fn parse(model: &Self::Model, parse: &mut Parse<'_>) -> Option<Self::Spec>;

    /// Checks and completes the planned change by rules of the domain that need no cluster. `spec` is parsed from the plan.
    fn plan(_plan: &mut Plan<'_, Self::Model, Self::World>, _spec: &Parsed<Self::Spec>) {}

    /// Looks, while a create is planned, at what exists already. A resource that takes it over warns of what the apply will change, and sets the
    /// computed attributes that are known by it. It is called with a configured provider only, and nothing in it may prevent a plan but an
    /// object that the apply would certainly refuse. The creating half of a replacement is previewed too, and refused by nothing: what it
    /// finds may be the object that is deleted before.
    async fn preview(_planned: &mut Self::Model, _cx: &Cx<'_, Self::World>) -> Result<(), Error> {
        Ok(())
    }

    /// Checks a planned destroy: warns about what it takes along, or refuses it.
    fn plan_destroy(_destruction: &mut Destruction<'_, Self::Model, Self::World>) {}

    /// Creates or updates. Every object is recorded in `reached` before anything that can fail comes after it. `prior` holds all inputs of
    /// which something may be in place, those of failed applies included: what `spec` no longer wants of any of them is removed.
    async fn apply(
        spec: &Self::Spec,
        prior: &Prior<Self::Spec>,
        reached: &mut Reached<Self::Status>,
        cx: &Cx<'_, Self::World>,
    ) -> Result<(), Error>;

    /// Looks at the object. Anything uncertain is an error, and keeps the state.
    async fn read(spec: &Self::Spec, cx: &Cx<'_, Self::World>) -> Result<Observed<Self::Status>, Error>;

    /// Deletes, and returns when nothing is left. What is already gone is not an error. After applies that failed it is called for their
    /// inputs as well.
    async fn delete(spec: &Self::Spec, cx: &Cx<'_, Self::World>) -> Result<(), Error>;

    /// Finds the object of an import ID, and returns the attributes that a configuration would set. Those that are null get their defaults,
    /// and a read follows. [`Error::nothing_to_import`] says that there is no such object. It is also called for the object of a state from
    /// which no inputs can be made.
    async fn import(id: &str, cx: &Cx<'_, Self::World>) -> Result<Self::Model, Error>;

    /// Writes the status to the computed attributes, and to no others.
    fn record(status: &Self::Status, model: &mut Self::Model);

    /// Returns the models that earlier releases stored states by, the oldest first, each with a function from it to today's model. Their
    /// number is the version of the schema: add one whenever a stored state can't be read by the model any more, or means something else.
    fn earlier() -> Vec<Earlier<Self::Model>> {
        Vec::new()
    }

    /// Rewrites a stored identity of `version` as one of `version + 1`; called for each version up to
    /// [`IDENTITY_VERSION`](Self::IDENTITY_VERSION).
    fn upgrade_identity(_version: i64, identity: Json) -> Result<Json, Error> {
        Ok(identity)
    }

    /// Takes over an object that was managed by a resource of another type, where a `moved` block asks for it. `None` for unknown types. A
    /// read follows.
    fn adopt(_source: &Foreign<'_>) -> Option<Result<Self::Model, Error>> {
        None
    }
}

/// A stored identity, before it is read by a schema.
pub type Json = serde_json::Value;
