//! Tests of the CLIs with the built provider that contact no cluster. They run beside those on the lab.

mod examples;
mod functions;
mod input;
mod module;
mod public;
