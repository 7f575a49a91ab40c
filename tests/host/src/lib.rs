//! The framework's test harness: the other end of the plugin protocol, as strict as the CLIs' core.
//!
//! A provider's tests begin a [`Session`] with a provider in their own process ([`serve()`]), or with its built program ([`Plugin`]), and plan,
//! apply, refresh and import with it. A session fails the test wherever Terraform or OpenTofu would report "Provider produced invalid plan",
//! "inconsistent final plan", "inconsistent result after apply" or "different identity", drops what they drop and taints what they taint:
//!
//! - [`rules`]: what a plan and an apply must keep to, set elements without identity included; which changes really replace.
//! - [`types`]: when the core takes two values for equal.
//! - [`query`]: listings, of which an error drops all.
//! - [`log`]: log lines as go-plugin parses them.
//!
//! Whatever isn't valid is passed on to the provider as the core does: null for a required attribute, a value for a read-only one.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, clippy::new_without_default, clippy::disallowed_methods)] // a test that fails must stop

mod action;
pub mod diagnostics;
pub mod log;
pub mod plugin;
pub mod query;
pub mod rules;
mod serve;
mod session;
pub mod types;
pub mod values;

pub use action::Invoked;
pub use plugin::{Certificate, Plugin};
pub use serve::{MESSAGE_LIMIT, serve};
pub use session::{ABLE, Action, Object, Outcome, Plan, Session};
