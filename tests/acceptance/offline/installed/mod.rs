//! The built provider, installed by `init` from a mirror in several versions, with a state that earlier builds have stored.

mod lock;
mod mirror;
mod pipelines;
pub(crate) mod readme;
mod server;
pub(crate) mod state;
mod upgrade;
