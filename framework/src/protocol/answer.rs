//! How a call is answered: whatever fails in it, a panic included, reaches the user as a diagnostic without secrets.

use std::{future::Future, panic::AssertUnwindSafe, time::Instant};

use futures::FutureExt as _;

use super::{diagnostics, mask::Mask, wire};
use crate::terraform::{Error, Report, panicked};

/// A response that can carry what is wrong.
pub(super) trait Answer: Default {
    /// Returns the response to a call that failed as a whole.
    fn refusal(error: Error) -> Self;

    /// Passes each text that the user will see to `change`.
    fn for_each_text(&mut self, change: impl Fn(&mut String));
}

macro_rules! answers {
    ($($rpc:ident),* $(,)?) => {
        $(#[allow(clippy::needless_update)] // some have no other field
        impl Answer for wire::$rpc::Response {
            fn refusal(error: Error) -> Self {
                Self { diagnostics: refused(error), ..Self::default() }
            }

            fn for_each_text(&mut self, change: impl Fn(&mut String)) {
                texts(&mut self.diagnostics, change);
            }
        })*
    };
}

answers! {
    apply_resource_change, close_ephemeral_resource, configure_provider, generate_resource_config, get_functions, get_metadata,
    get_provider_schema, get_resource_identity_schemas, import_resource_state, move_resource_state, open_ephemeral_resource,
    plan_action, plan_resource_change, read_data_source, read_resource, renew_ephemeral_resource, upgrade_resource_identity, upgrade_resource_state,
    validate_action_config, validate_data_resource_config, validate_ephemeral_resource_config, validate_list_resource_config, validate_provider_config,
    validate_resource_config,
}

impl Answer for wire::call_function::Response {
    fn refusal(error: Error) -> Self {
        let text = format!("{}: {}", error.summary, error.detail);
        Self { result: None, error: Some(wire::FunctionError { text, function_argument: None }) }
    }

    fn for_each_text(&mut self, change: impl Fn(&mut String)) {
        self.error.iter_mut().for_each(|error| change(&mut error.text));
    }
}

impl Answer for wire::stop_provider::Response {
    fn refusal(error: Error) -> Self {
        Self { error: error.detail }
    }

    fn for_each_text(&mut self, change: impl Fn(&mut String)) {
        change(&mut self.error);
    }
}

/// The diagnostics at the end of a stream of events.
impl Answer for Vec<wire::Diagnostic> {
    fn refusal(error: Error) -> Self {
        refused(error)
    }

    fn for_each_text(&mut self, change: impl Fn(&mut String)) {
        texts(self, change);
    }
}

fn refused(error: Error) -> Vec<wire::Diagnostic> {
    let mut report = Report::new();
    report.error(error);
    diagnostics::diagnostics(report.into_diagnostics())
}

fn texts(diagnostics: &mut [wire::Diagnostic], change: impl Fn(&mut String)) {
    for diagnostic in diagnostics {
        change(&mut diagnostic.summary);
        change(&mut diagnostic.detail);
    }
}

/// Removes the secrets from all that the user will see of a response.
pub(super) fn masked<T: Answer>(mut response: T, mask: &Mask) -> T {
    response.for_each_text(|text| {
        if let std::borrow::Cow::Owned(masked) = mask.apply(text) {
            *text = masked;
        }
    });
    response
}

/// Answers a call. Values are not logged: they hold secrets.
pub(super) async fn answer<T: Answer>(call: &'static str, subject: &str, mask: &Mask, work: impl Future<Output = Result<T, Error>>) -> T {
    let begin = Instant::now();
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    let (response, outcome) = match outcome {
        Ok(Ok(response)) => (response, "answered"),
        Ok(Err(error)) => (T::refusal(error), "refused"),
        Err(panic) => (T::refusal(panicked(&format!("{call} of {subject}"), panic.as_ref())), "panicked"),
    };
    tracing::debug!(call, subject, took = ?begin.elapsed(), outcome, "{outcome} {call}");
    masked(response, mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model,
        terraform::{Model as _, Value, encode, optional},
    };

    model! {
        /// Access.
        pub struct Access {
            /// Token.
            token: String => optional().sensitive(),
        }
    }

    #[tokio::test]
    async fn a_panic_becomes_a_diagnostic_without_secrets() {
        let mask = Mask::new();
        mask.learn(&Access::attributes(), &encode(&Value::Value(Access { token: Value::Value("top-secret".to_owned()) })));
        let work = async { panic!("at the {} of top-secret", "disco") };
        let response: wire::read_resource::Response = answer("ReadResource", "mesh_thing", &mask, work).await;
        let diagnostics = response.diagnostics;
        assert!(diagnostics[0].detail.contains("ReadResource of mesh_thing: at the disco of ***"), "{diagnostics:?}");
    }
}
