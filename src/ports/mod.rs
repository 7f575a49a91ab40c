//! What the domain needs of the world, as traits: `adapters` implements them, and `fakes` does for unit tests.

mod api_servers;
mod authority;
mod capabilities;
mod commands;
mod failure;
#[cfg(test)]
#[allow(clippy::missing_panics_doc)]
pub mod fakes;
mod handshakes;
mod namespaces;
mod objects;
mod pods;
mod releases;
mod runs;
mod tokens;
mod waiting;

pub use api_servers::{ApiServer, ApiServers};
pub use authority::Authority;
pub use capabilities::Capabilities;
pub use commands::Commands;
pub use failure::{Failure, FailureKind};
pub use handshakes::{Handshakes, Hello};
pub use namespaces::Namespaces;
pub use objects::Objects;
pub use pods::Pods;
pub use releases::Releases;
pub use runs::{Run, Runs};
pub use tokens::{Token, TokenRequest, Tokens};
pub use waiting::Waiting;

/// The time, as a port so that tests can set it.
pub trait Clock: Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> time::OffsetDateTime;
}
