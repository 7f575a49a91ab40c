//! The words shared with tf-provider. No other module names that crate, so it can be exchanged here.

pub use tf_provider::{
    AttributePath, AttributePathStep, Diagnostic, Diagnostics,
    schema::{AttributeConstraint, AttributeType, Description, StringKind},
    value::Value,
};
