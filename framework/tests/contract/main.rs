//! The protocol, driven over gRPC as the CLIs drive it, with a sample provider in this process that has everything a provider can have.

#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // a test that goes wrong is to stop

mod action;
mod any_config;
mod configuration;
mod conformance;
mod data_source;
mod deferral;
mod ephemeral;
mod function;
mod identity;
mod listing;
mod migration;
mod partial_update;
mod resume;
mod sample;
mod schema;
mod taint;
