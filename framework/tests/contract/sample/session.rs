//! A session with the sample provider, about its things.

use std::ops::{Deref, DerefMut};

use framework::protocol::{
    Mask,
    wire::{Diagnostic, apply_resource_change, plan_resource_change, read_resource, schema::Attribute},
};
use rmpv::Value;

use super::Sample;
pub(crate) use plugin_host::ABLE;
use plugin_host::{
    Object, serve,
    values::{encode, object, unknown},
};

pub(crate) const THING: &str = "sample_thing";

/// What is done with things by their state alone; all else is of the harness.
pub(crate) struct Session {
    pub(crate) host: plugin_host::Session,
    pub(crate) mask: Mask,
    pub(crate) sample: Sample,
}

impl Deref for Session {
    type Target = plugin_host::Session;

    fn deref(&self) -> &Self::Target {
        &self.host
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.host
    }
}

/// What is left after an apply.
pub(crate) struct Applied {
    pub(crate) planned: Value,
    pub(crate) state: Value,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Session {
    /// With a configured provider.
    pub(crate) async fn start() -> Self {
        Self::configured("here".into()).await
    }

    /// With a provider whose zone is not known.
    pub(crate) async fn unknown() -> Self {
        Self::configured(unknown()).await
    }

    async fn configured(zone: Value) -> Self {
        let mut session = Self::unconfigured().await;
        let diagnostics = session.configure(&object(&[("zone", zone), ("password", "pass-1234".into())])).await;
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        session
    }

    pub(crate) async fn unconfigured() -> Self {
        let sample = Sample::default();
        let (provider, mask) = serve(sample.clone()).await;
        Self { host: plugin_host::Session::begin(provider).await, mask, sample }
    }

    pub(crate) fn attributes(&self) -> Vec<Attribute> {
        self.host.attributes(THING)
    }

    /// A configuration of a thing.
    pub(crate) fn config(&self, set: &[(&str, Value)]) -> Value {
        self.host.config(THING, set)
    }

    /// One call of a plan, of which a replacement takes two.
    pub(crate) async fn plan(&mut self, prior: &Value, config: &Value) -> plan_resource_change::Response {
        self.host.plan_once(THING, &Object::of(prior.clone()), config).await.response
    }

    pub(crate) async fn apply(&mut self, prior: &Value, config: &Value) -> Applied {
        let prior = Object::of(prior.clone());
        let plan = self.host.plan(THING, &prior, config).await;
        let outcome = self.host.apply_plan(THING, &prior, config, &plan).await;
        Applied { planned: plan.planned, state: outcome.object.state, diagnostics: errors_only(outcome.diagnostics) }
    }

    pub(crate) fn apply_request(prior: &Value, config: &Value, planned: &Value) -> apply_resource_change::Request {
        apply_resource_change::Request {
            type_name: THING.to_owned(),
            prior_state: Some(encode(prior)),
            planned_state: Some(encode(planned)),
            config: Some(encode(config)),
            ..apply_resource_change::Request::default()
        }
    }

    /// Makes a thing; its configuration and its state.
    pub(crate) async fn create(&mut self, set: &[(&str, Value)]) -> (Value, Value) {
        let config = self.config(set);
        let applied = self.apply(&Value::Nil, &config).await;
        assert!(applied.diagnostics.is_empty(), "{:?}", applied.diagnostics);
        (config, applied.state)
    }

    pub(crate) async fn destroy(&mut self, state: &Value) -> Applied {
        self.apply(state, &Value::Nil).await
    }

    /// One call of a read, whose answer is not interpreted.
    pub(crate) async fn read(&mut self, state: &Value) -> read_resource::Response {
        let request = read_resource::Request {
            type_name: THING.to_owned(),
            current_state: Some(encode(state)),
            client_capabilities: Some(ABLE),
            ..read_resource::Request::default()
        };
        self.provider.read_resource(request).await.expect("an answer").into_inner()
    }
}

fn errors_only(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.into_iter().filter(|diagnostic| plugin_host::diagnostics::has_errors(std::slice::from_ref(diagnostic))).collect()
}
