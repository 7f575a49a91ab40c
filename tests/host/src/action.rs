//! Actions, as the CLIs' core invokes them.

use framework::protocol::wire::{
    Diagnostic, invoke_action,
    invoke_action::event::{Completed, Progress, Type},
    plan_action, validate_action_config,
};
use rmpv::Value;

use crate::{Session, diagnostics::has_errors, values::encode};

/// What an invocation shows.
#[derive(Debug, Default)]
pub struct Invoked {
    /// The messages on the way.
    pub messages: Vec<String>,
    /// Errors and warnings of the check, the plan and the end.
    pub diagnostics: Vec<Diagnostic>,
}

impl Session {
    /// Checks, plans and invokes an action. Fails the test unless its stream has one end, and that last.
    pub async fn invoke(&mut self, name: &str, config: &Value) -> Invoked {
        let (config, capabilities) = (Some(encode(config)), Some(self.capabilities));
        let request = validate_action_config::Request { type_name: name.to_owned(), config: config.clone() };
        let mut diagnostics = self.provider.validate_action_config(request).await.expect("an answer").into_inner().diagnostics;
        if has_errors(&diagnostics) {
            return Invoked { diagnostics, ..Invoked::default() };
        }
        let request = plan_action::Request { action_type: name.to_owned(), config: config.clone(), client_capabilities: capabilities };
        diagnostics.extend(self.provider.plan_action(request).await.expect("an answer").into_inner().diagnostics);
        let mut invoked = Invoked { diagnostics, ..Invoked::default() };
        if has_errors(&invoked.diagnostics) {
            return invoked;
        }
        let request = invoke_action::Request { action_type: name.to_owned(), config, client_capabilities: capabilities };
        let mut stream = self.provider.invoke_action(request).await.expect("a stream").into_inner();
        let mut has_ended = false;
        while let Some(event) = stream.message().await.expect("an event") {
            assert!(!has_ended, "{name} goes on after its end");
            match event.r#type.expect("a type") {
                Type::Progress(Progress { message }) => invoked.messages.push(message),
                Type::Completed(Completed { diagnostics }) => {
                    invoked.diagnostics.extend(diagnostics);
                    has_ended = true;
                }
            }
        }
        assert!(has_ended, "{name} has no end");
        invoked
    }
}
