//! A resource without its types: the interface that the protocol calls.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        call::Outcome,
        context::Memory,
        dynamic::Dynamic,
        identity::Identity,
        report::Error,
        schema::{Attribute, Schema},
        vocabulary::{AttributePath, Diagnostics, Value},
    },
    Foreign, Json, Unfinished,
};

/// A planned change with the resource's own part.
pub struct Planned {
    /// The state after the apply.
    pub state: Dynamic,
    /// The attributes whose change replaces the resource.
    pub replace: Vec<AttributePath>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
    /// The plan needs a part of the provider's configuration that is not known yet: a CLI that supports deferral asks again later.
    pub is_deferred: bool,
}

/// A change to apply.
pub struct Change<'a> {
    /// The state so far; null on creation.
    pub prior: &'a Dynamic,
    /// The configuration; null on destroy.
    pub config: &'a Dynamic,
    /// The state after the apply, unknown in parts; null on destroy.
    pub planned: Dynamic,
    /// What is known of applies that failed.
    pub unfinished: Option<&'a Unfinished>,
    /// The CLI creates, and the prior state is what an unfinished create has left.
    pub is_resumed: bool,
}

/// The result of an apply.
pub struct Applied {
    /// The new state, also with errors.
    pub state: Dynamic,
    /// Set where the next plan must go on with this apply.
    pub unfinished: Option<Unfinished>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

impl Applied {
    /// Nothing is left.
    pub fn deleted() -> Self {
        Self { state: Value::Null, unfinished: None, diagnostics: Diagnostics::default() }
    }
}

/// A resource of any type.
#[async_trait]
pub trait AnyResource<W>: Send + Sync {
    /// The type's name in HCL.
    fn name(&self) -> &'static str;
    /// The schema.
    fn schema(&self) -> Schema;
    /// The attributes that distinguish its objects; `None` without any such attributes.
    fn identity(&self) -> Option<Identity>;
    /// Whether the replacement of an object whose create failed keeps what exists; see [`Resource::RESUMES`](super::Resource::RESUMES).
    fn resumes(&self) -> bool;
    /// The paths of the attributes that make up the identity, as declared.
    fn identity_paths(&self) -> &'static [&'static str];
    /// Checks a configuration, in which anything may be unknown.
    fn validate(&self, config: &Dynamic) -> Diagnostics;
    /// The resource's own part of a plan that creates or updates; `planned` has gone through the rules of the attributes.
    fn plan(&self, prior: &Dynamic, config: &Dynamic, planned: Dynamic, world: Option<&W>) -> Planned;
    /// Looks at what exists already while a create is planned. Returns the plan with what is known by it.
    async fn preview(&self, planned: Dynamic, world: &W, cancel: CancellationToken) -> (Dynamic, Diagnostics);
    /// The resource's own part of a plan that destroys.
    fn plan_destroy(&self, prior: &Dynamic, world: Option<&W>) -> Planned;
    /// Creates (`prior` is null), updates, or deletes (`planned` is null).
    async fn apply(&self, change: Change<'_>, memory: &mut Memory, world: &W, cancel: CancellationToken) -> Applied;
    /// The state as it is now; null when the object is gone.
    async fn read(&self, state: Dynamic, memory: &mut Memory, world: &W, cancel: CancellationToken) -> Outcome;
    /// The state of the object with this import ID; null with errors.
    async fn import(&self, name: &str, world: &W, cancel: CancellationToken) -> Outcome;
    /// The attributes by which an earlier version stored its states; `None` for a version that is not an earlier one.
    fn earlier_attributes(&self, version: i64) -> Option<Vec<Attribute>>;
    /// A state that an earlier version stored, by today's attributes.
    fn upgrade(&self, version: i64, state: &Dynamic) -> Result<Dynamic, Error>;
    /// A stored identity of an older version, as this version stores it.
    fn upgrade_identity(&self, version: i64, identity: Json) -> Result<Json, Error>;
    /// The state of another resource's object that a `moved` block hands over; `None` where that is not possible.
    fn adopt(&self, source: &Foreign<'_>) -> Option<Result<Dynamic, Error>>;
}
