//! Tests that begin with bare clusters: what the first apply does, and what is left after the last.

mod adoption;
mod article;
mod charts;
mod examples;
mod helm_settings;
mod helm_values;
mod least_privilege;
mod listing;
mod mission;
mod module;
mod own_ca;
mod precheck;
mod readme;
mod rotation;
mod trust;
