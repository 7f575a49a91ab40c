//! Calls about an action.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tonic::Status;

use super::{Server, deferred, judged};
use crate::{
    protocol::{
        diagnostics::diagnostics,
        mask::Mask,
        wire::{
            self,
            invoke_action::event::{Completed, Progress, Type},
        },
    },
    terraform::{Error, Provider},
};

/// How many messages wait to be sent.
const AHEAD: usize = 16;

/// The stream of an invocation: messages, and then the end.
pub(super) type Events = mpsc::Sender<Result<wire::invoke_action::Event, Status>>;

pub(super) fn events() -> (Events, mpsc::Receiver<Result<wire::invoke_action::Event, Status>>) {
    mpsc::channel(AHEAD)
}

pub(super) fn completed(diagnostics: Vec<wire::Diagnostic>) -> wire::invoke_action::Event {
    wire::invoke_action::Event { r#type: Some(Type::Completed(Completed { diagnostics })) }
}

fn message(text: &str, mask: &Mask) -> wire::invoke_action::Event {
    wire::invoke_action::Event { r#type: Some(Type::Progress(Progress { message: mask.apply(text).into_owned() })) }
}

impl<P: Provider> Server<P> {
    pub(super) async fn validate_action_config(
        &self,
        request: wire::validate_action_config::Request,
    ) -> Result<wire::validate_action_config::Response, Error> {
        let entry = self.catalog().actions.find(&request.type_name)?;
        let config = self.read(request.config, &entry.schema)?;
        let diagnostics = judged(&entry.schema, &config, true, |config| entry.of.validate(config));
        Ok(wire::validate_action_config::Response { diagnostics })
    }

    pub(super) async fn plan_action(&self, request: wire::plan_action::Request) -> Result<wire::plan_action::Response, Error> {
        let entry = self.catalog().actions.find(&request.action_type)?;
        let world = self.configured()?;
        let config = self.read(request.config, &entry.schema)?;
        let mut outcome = entry.of.plan(&config, &world, self.work()).await;
        let deferred = deferred(outcome.is_deferred, &mut outcome.diagnostics, request.client_capabilities);
        Ok(wire::plan_action::Response { diagnostics: diagnostics(outcome.diagnostics), deferred })
    }

    /// Sends the messages of an invocation, and returns the diagnostics of its end.
    pub(super) async fn invoke_action(
        &self,
        request: wire::invoke_action::Request,
        events: &Events,
    ) -> Result<Vec<wire::Diagnostic>, Error> {
        let entry = self.catalog().actions.find(&request.action_type)?;
        let world = self.configured()?;
        let config = self.read(request.config, &entry.schema)?;
        let (progress, mut messages) = mpsc::channel::<String>(AHEAD);
        let invoke = entry.of.invoke(&config, &world, self.work(), progress);
        let deliver = async {
            while let Some(text) = messages.recv().await {
                // A CLI that hung up reads no more; the action ends by its signal.
                let _ = events.send(Ok(message(&text, &self.0.mask))).await;
            }
        };
        // A panic is passed on only after the messages before it.
        let (ended, ()) = tokio::join!(AssertUnwindSafe(invoke).catch_unwind(), deliver);
        Ok(diagnostics(ended.unwrap_or_else(|panic| resume_unwind(panic))))
    }
}
