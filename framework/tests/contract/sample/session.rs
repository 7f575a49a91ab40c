//! A session of the core with the sample provider.

use framework::protocol::{
    Mask,
    wire::{
        ClientCapabilities, Diagnostic, apply_resource_change, configure_provider, get_provider_schema, plan_resource_change,
        provider_client::ProviderClient, read_resource, schema::Attribute,
    },
};
use rmpv::Value;
use tonic::transport::Channel;

use super::Sample;
use plugin_host::{
    rules,
    values::{decode, encode, object, unknown},
};

pub(crate) const THING: &str = "sample_thing";

/// What a CLI can do that can do all.
pub(crate) const ABLE: ClientCapabilities = ClientCapabilities { deferral_allowed: true, write_only_attributes_allowed: true };

pub(crate) struct Session {
    pub(crate) provider: ProviderClient<Channel>,
    pub(crate) schema: get_provider_schema::Response,
    pub(crate) mask: Mask,
    pub(crate) sample: Sample,
}

/// What came of an apply.
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

    /// With a provider of which the zone isn't known.
    pub(crate) async fn unknown() -> Self {
        Self::configured(unknown()).await
    }

    async fn configured(zone: Value) -> Self {
        let mut session = Self::unconfigured().await;
        let config = encode(&object(&[("zone", zone), ("password", "pass-1234".into())]));
        let request = configure_provider::Request { config: Some(config), ..configure_provider::Request::default() };
        let diagnostics = session.provider.configure_provider(request).await.expect("an answer").into_inner().diagnostics;
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        session
    }

    pub(crate) async fn unconfigured() -> Self {
        let sample = Sample::default();
        let (mut provider, mask) = super::serve(sample.clone()).await;
        let schema = provider.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema").into_inner();
        Self { provider, schema, mask, sample }
    }

    pub(crate) fn attributes(&self) -> Vec<Attribute> {
        self.schema.resource_schemas[THING].block.clone().expect("a block").attributes
    }

    /// A configuration of a thing.
    pub(crate) fn config(&self, set: &[(&str, Value)]) -> Value {
        rules::config(&self.attributes(), set)
    }

    pub(crate) async fn plan(&mut self, prior: &Value, config: &Value) -> plan_resource_change::Response {
        let proposed = rules::proposed(&self.attributes(), prior, config);
        let request = plan_resource_change::Request {
            type_name: THING.to_owned(),
            prior_state: Some(encode(prior)),
            proposed_new_state: Some(encode(&proposed)),
            config: Some(encode(config)),
            prior_private: b"private".to_vec(),
            client_capabilities: Some(ABLE),
            ..plan_resource_change::Request::default()
        };
        let response = self.provider.plan_resource_change(request).await.expect("an answer").into_inner();
        if !config.is_nil() && response.diagnostics.is_empty() {
            let faults = rules::plan_faults(&self.attributes(), prior, config, &decode(response.planned_state.as_ref()));
            assert!(faults.is_empty(), "{faults:?}");
        }
        response
    }

    /// Plans and applies, as the core does: a replacement is planned once more, as a creation.
    pub(crate) async fn apply(&mut self, prior: &Value, config: &Value) -> Applied {
        let mut prior = prior.clone();
        let mut plan = self.plan(&prior, config).await;
        if !plan.requires_replace.is_empty() {
            let destroyed = self.applied(&prior, &Value::Nil, &Value::Nil).await;
            assert!(destroyed.diagnostics.is_empty(), "{:?}", destroyed.diagnostics);
            prior = Value::Nil;
            plan = self.plan(&prior, config).await;
        }
        assert!(plan.diagnostics.is_empty(), "{:?}", plan.diagnostics);
        let planned = decode(plan.planned_state.as_ref());
        if planned == prior {
            // What doesn't change isn't applied.
            return Applied { state: prior, planned, diagnostics: Vec::new() };
        }
        self.applied(&prior, config, &planned).await
    }

    async fn applied(&mut self, prior: &Value, config: &Value, planned: &Value) -> Applied {
        let response =
            self.provider.apply_resource_change(Self::apply_request(prior, config, planned)).await.expect("an answer").into_inner();
        assert_eq!(response.private, b"private");
        let state = decode(response.new_state.as_ref());
        let faults = rules::apply_faults("", planned, &state);
        assert!(faults.is_empty() || !response.diagnostics.is_empty(), "{faults:?}");
        Applied { planned: planned.clone(), state, diagnostics: response.diagnostics }
    }

    pub(crate) fn apply_request(prior: &Value, config: &Value, planned: &Value) -> apply_resource_change::Request {
        apply_resource_change::Request {
            type_name: THING.to_owned(),
            prior_state: Some(encode(prior)),
            planned_state: Some(encode(planned)),
            config: Some(encode(config)),
            planned_private: b"private".to_vec(),
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
        self.applied(state, &Value::Nil, &Value::Nil).await
    }

    pub(crate) async fn read(&mut self, state: &Value) -> read_resource::Response {
        let request = read_resource::Request {
            type_name: THING.to_owned(),
            current_state: Some(encode(state)),
            private: b"private".to_vec(),
            client_capabilities: Some(ABLE),
            ..read_resource::Request::default()
        };
        let response = self.provider.read_resource(request).await.expect("an answer").into_inner();
        assert_eq!(response.private, b"private");
        response
    }
}
