//! How a call is answered: whatever goes wrong in it, a panic included, reaches the user as a diagnostic.

use std::{future::Future, panic::AssertUnwindSafe, time::Instant};

use futures::FutureExt as _;

use super::{diagnostics, wire};
use crate::terraform::{Error, Report, panicked};

/// A response that can say what is wrong.
pub(super) trait Answer: Default {
    /// The response to a call that failed as a whole.
    fn refusal(error: Error) -> Self;
}

macro_rules! answers {
    ($($rpc:ident),* $(,)?) => {
        $(#[allow(clippy::needless_update)] // some have no other field
        impl Answer for wire::$rpc::Response {
            fn refusal(error: Error) -> Self {
                Self { diagnostics: refused(error), ..Self::default() }
            }
        })*
    };
}

answers! {
    apply_resource_change, close_ephemeral_resource, configure_provider, generate_resource_config, get_functions, get_metadata,
    get_provider_schema, get_resource_identity_schemas, import_resource_state, move_resource_state, open_ephemeral_resource,
    plan_resource_change, read_data_source, read_resource, renew_ephemeral_resource, upgrade_resource_identity, upgrade_resource_state,
    validate_data_resource_config, validate_ephemeral_resource_config, validate_list_resource_config, validate_provider_config,
    validate_resource_config,
}

impl Answer for wire::call_function::Response {
    fn refusal(error: Error) -> Self {
        let text = format!("{}: {}", error.summary, error.detail);
        Self { result: None, error: Some(wire::FunctionError { text, function_argument: None }) }
    }
}

impl Answer for wire::stop_provider::Response {
    fn refusal(error: Error) -> Self {
        Self { error: error.detail }
    }
}

impl Answer for Vec<wire::list_resource::Event> {
    fn refusal(error: Error) -> Self {
        vec![wire::list_resource::Event { diagnostic: refused(error), ..wire::list_resource::Event::default() }]
    }
}

fn refused(error: Error) -> Vec<wire::Diagnostic> {
    let mut report = Report::new();
    report.error(error);
    diagnostics::diagnostics(report.into_diagnostics())
}

/// Answers a call. Values are not logged: they hold secrets.
pub(super) async fn answer<T: Answer>(call: &'static str, subject: &str, work: impl Future<Output = Result<T, Error>>) -> T {
    let begin = Instant::now();
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    let (response, outcome) = match outcome {
        Ok(Ok(response)) => (response, "answered"),
        Ok(Err(error)) => (T::refusal(error), "refused"),
        Err(panic) => (T::refusal(panicked(&format!("{call} of {subject}"), panic.as_ref())), "panicked"),
    };
    tracing::debug!(call, subject, took = ?begin.elapsed(), outcome);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_diagnostic() {
        let response: wire::read_resource::Response = answer("ReadResource", "mesh_thing", async { panic!("at the {}", "disco") }).await;
        let diagnostics = response.diagnostics;
        assert!(diagnostics[0].detail.contains("ReadResource of mesh_thing: at the disco"), "{diagnostics:?}");
    }
}
