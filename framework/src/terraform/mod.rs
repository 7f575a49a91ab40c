//! What a provider is written against: models, the lifecycle of a resource, diagnostics by path. Knows no wire format and no mesh.

mod action;
mod call;
mod context;
mod data_source;
mod dynamic;
mod ephemeral;
mod function;
mod identity;
mod limit;
mod listing;
mod model;
mod number;
mod parse;
mod provider;
mod report;
mod resource;
mod schema;
mod set;
mod timeouts;
mod vocabulary;
mod write_only;

pub use action::{Action, AnyAction, Progress, erase_action};
pub use call::Outcome;
pub use context::{Cx, KNOWN_AFTER_APPLY, Memory, Observed};
pub use data_source::{AnyDataSource, DataSource, erase_data_source};
pub use dynamic::{Datum, Dynamic, Number, attribute, is_wholly_known, set_attribute, without_unknowns};
pub use ephemeral::{AnyEphemeral, Ephemeral, Lease, Opened, erase_ephemeral};
pub use function::{ArgumentError, Function, Parameter};
pub use identity::{Identity, IdentityAttribute};
pub(crate) use identity::{find_attribute, names as identity_names};
pub use limit::{Limit, Relation};
pub use listing::{AnyListing, Found, Listed, Listing, Results, erase_listing};
pub use model::{Field, Model, attribute_name, decode, decode_attribute, docs, encode, object_type, plain_type};
pub use parse::{IntoElements, Parse, Parsed};
pub use provider::{Provider, Setup};
pub use report::{Error, Report};
pub use resource::any::{AnyResource, Applied, Change, Planned};
pub use resource::erased::{erase, panicked};
pub use resource::{Destruction, Earlier, Foreign, Json, Plan, Prior, Reached, Resource, Stored, Unfinished};
pub use schema::{Attribute, Equivalence, Forecast, Nesting, Rules, Schema, Type, computed, optional, required, with_defaults};
pub use set::Set;
pub(crate) use set::same_elements;
pub use timeouts::{DefaultTimeouts, Operation, Timeouts, parse_duration};
pub use vocabulary::{
    AttributeConstraint, AttributePath, AttributePathStep, AttributeType, Description, Diagnostic, Diagnostics, StringKind, Value,
};
pub use write_only::remove as remove_write_only;
