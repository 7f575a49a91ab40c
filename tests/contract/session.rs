//! The built provider, configured with two clusters that don't answer, and what the tests of resources ask of it.

use framework::protocol::wire::{
    Diagnostic, configure_provider, get_provider_schema, plan_resource_change,
    provider_client::ProviderClient,
    schema::{Attribute, object::NestingMode},
};
use plugin_host::{
    Plugin, rules,
    values::{encode, get, is_unknown, object, unknown},
};
use rmpv::Value;
use tonic::transport::Channel;

/// A plugin with a configured provider.
pub(crate) struct Session {
    pub(crate) provider: ProviderClient<Channel>,
    pub(crate) schema: get_provider_schema::Response,
    _plugin: Plugin,
}

impl Session {
    /// Starts a plugin and configures two clusters, of which none answers.
    pub(crate) async fn start() -> Self {
        let access = object(&[("host", "https://127.0.0.1:1".into()), ("token", "t".into())]);
        // A plan only looks whether the program exists.
        let helm = object(&[("binary", crate::PROGRAM.into())]);
        let config = object(&[("clusters", object(&[("us", access.clone()), ("eu", access)])), ("helm", helm)]);
        let (session, diagnostics) = Self::configured(&config).await;
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        session
    }

    /// Starts a plugin with a configuration.
    pub(crate) async fn configured(config: &Value) -> (Self, Vec<Diagnostic>) {
        let plugin = Plugin::start(crate::PROGRAM);
        let mut provider = plugin.provider().await;
        let schema = provider.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema").into_inner();
        let request = configure_provider::Request { config: Some(encode(config)), ..configure_provider::Request::default() };
        let diagnostics = provider.configure_provider(request).await.expect("an answer").into_inner().diagnostics;
        (Self { provider, schema, _plugin: plugin }, diagnostics)
    }

    pub(crate) fn attributes(&self, name: &str) -> Vec<Attribute> {
        self.schema.resource_schemas[name].block.clone().expect("a block").attributes
    }

    pub(crate) fn config(&self, name: &str, set: &[(&str, Value)]) -> Value {
        rules::config(&self.attributes(name), set)
    }

    pub(crate) async fn plan(&mut self, name: &str, prior: &Value, config: &Value) -> plan_resource_change::Response {
        let request = plan_resource_change::Request {
            type_name: name.to_owned(),
            prior_state: Some(encode(prior)),
            proposed_new_state: Some(encode(&rules::proposed(&self.attributes(name), prior, config))),
            config: Some(encode(config)),
            prior_private: b"private".to_vec(),
            ..plan_resource_change::Request::default()
        };
        self.provider.plan_resource_change(request).await.expect("an answer").into_inner()
    }

    /// Returns the state that an apply would leave: the planned values, and a sample for each unknown one.
    pub(crate) fn applied(&self, name: &str, planned: &Value) -> Value {
        sampled(&self.attributes(name), planned)
    }
}

/// Returns an object with a sample for each unknown value, those in nested objects included.
fn sampled(attributes: &[Attribute], planned: &Value) -> Value {
    let value = |attribute: &Attribute| {
        let planned = get(planned, &attribute.name);
        match &attribute.nested_type {
            Some(nested) if planned.is_map() && nested.nesting() == NestingMode::Map => {
                let entries = planned.as_map().expect("a map").iter();
                return Value::Map(entries.map(|(key, entry)| (key.clone(), sampled(&nested.attributes, entry))).collect());
            }
            Some(nested) if planned.is_map() => return sampled(&nested.attributes, planned),
            Some(nested) if is_unknown(planned) && nested.nesting() == NestingMode::Single => {
                let open: Vec<_> = nested.attributes.iter().map(|attribute| (attribute.name.as_str(), unknown())).collect();
                return sampled(&nested.attributes, &object(&open));
            }
            _ if !is_unknown(planned) => return planned.clone(),
            _ => {}
        }
        match attribute.r#type.as_slice() {
            b"\"string\"" => "2030-01-01T00:00:00Z".into(),
            b"\"number\"" => 15443.into(),
            _ => Value::Array(Vec::new()),
        }
    };
    let pairs: Vec<_> = attributes.iter().map(|attribute| (attribute.name.as_str(), value(attribute))).collect();
    object(&pairs)
}
