//! The other end of the plugin protocol: starts a provider's program and drives it as the CLIs' core does.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, clippy::new_without_default, clippy::disallowed_methods)] // a test that goes wrong is to stop

pub mod log;
pub mod plugin;
pub mod query;
pub mod rules;
pub mod values;

pub use plugin::{Certificate, Plugin};
