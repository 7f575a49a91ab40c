//! Tests of the CLIs with the built provider that contact no cluster. They run beside those on the lab.

mod documents;
mod ephemeral;
mod functions;
mod input;
pub(crate) mod installed;
mod managed_clusters;
mod module;
mod public;
mod warnings;
