//! What a provider is written against: models, the lifecycle of a resource, diagnostics by path. Knows no wire format and no mesh.

mod data_source;
mod dynamic;
mod ephemeral;
mod erased;
mod function;
mod identity;
mod lifecycle;
mod listing;
mod migration;
mod model;
mod outcome;
mod parse;
mod provider;
mod report;
mod schema;
mod timeouts;
mod vocabulary;
mod write_only;

pub use data_source::{AnyDataSource, DataSource, erase_data_source};
pub use dynamic::{Datum, Dynamic, Number, attribute, set_attribute, without_unknowns};
pub use ephemeral::{AnyEphemeral, Ephemeral, Lease, Opened, erase_ephemeral};
pub use erased::{AnyResource, DRIFT, Planned, erase, panicked};
pub use function::{ArgumentError, Function, Parameter};
pub use identity::{Identity, IdentityAttribute};
pub use lifecycle::{Cx, Observed, Plan, Reached, Resource};
pub use listing::{AnyListing, Found, Listing, erase_listing};
pub use migration::{Foreign, Json};
pub use model::{Field, Model, decode, decode_attribute, docs, encode, object_type, plain_type};
pub use outcome::Outcome;
pub use parse::{IntoElements, Parse, Parsed};
pub use provider::Provider;
pub use report::{Error, Report};
pub use schema::{Attribute, Equivalence, Forecast, Nesting, Rules, Schema, Type, computed, optional, required};
pub use timeouts::{DefaultTimeouts, Operation, Timeouts, parse_duration};
pub use vocabulary::{
    AttributeConstraint, AttributePath, AttributePathStep, AttributeType, Description, Diagnostic, Diagnostics, StringKind, Value,
};
