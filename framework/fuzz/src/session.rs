//! A session of a CLI with a provider, of which nothing outside of the process is reached, by the rules of the CLIs' core.

use std::{collections::HashMap, future::Future};

use framework::{
    Provider,
    protocol::{
        Mask, Server,
        wire::{
            Diagnostic, DynamicValue, RawState, Schema, apply_resource_change, call_function, configure_provider, generate_resource_config,
            get_metadata, get_provider_schema, get_resource_identity_schemas, plan_resource_change, provider_server::Provider as _,
            read_resource, schema::Attribute, upgrade_resource_identity, upgrade_resource_state, validate_resource_config,
        },
    },
};
use plugin_host::{
    ABLE,
    diagnostics::has_errors,
    rules,
    types::{Type, entry, has_unknown},
    values::{decode, encode},
};
use rmpv::Value;
use tokio::runtime::{Builder, Runtime};
use tonic::{Request, Response, Status};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime");
}

/// A value in msgpack; none is null.
pub fn msgpack(bytes: &[u8]) -> DynamicValue {
    DynamicValue { msgpack: bytes.to_vec(), json: Vec::new() }
}

/// A value in JSON; none is null.
pub fn json(bytes: &[u8]) -> DynamicValue {
    DynamicValue { msgpack: Vec::new(), json: bytes.to_vec() }
}

fn raw(json: &[u8]) -> Option<RawState> {
    Some(RawState { json: json.to_vec(), ..RawState::default() })
}

/// A provider that serves, and the names of what it has.
pub struct Session<P: Provider> {
    server: Server<P>,
    is_configured: bool,
    schemas: HashMap<String, Vec<Attribute>>,
    /// Its resource types.
    pub resources: Vec<String>,
    /// Those of them that have an identity.
    pub identities: Vec<String>,
    /// Its functions.
    pub functions: Vec<String>,
}

impl<P: Provider> Session<P> {
    /// Serves the provider, and configures it with this if it reaches nothing outside of the process. The mask doesn't learn: it would keep
    /// something of every input.
    pub fn new(provider: P, config: Option<Value>) -> Self {
        let server = Server::new(provider, Mask::idle());
        let metadata = answered(server.get_metadata(Request::new(get_metadata::Request {})));
        let is_configured = config.is_some();
        if let Some(config) = config {
            let request = configure_provider::Request { config: Some(encode(&config)), ..configure_provider::Request::default() };
            let diagnostics = answered(server.configure_provider(Request::new(request))).diagnostics;
            assert!(diagnostics.is_empty(), "{diagnostics:?}");
        }
        let provider = answered(server.get_provider_schema(Request::new(get_provider_schema::Request {})));
        let attributes = |schema: Schema| schema.block.map(|block| block.attributes).unwrap_or_default();
        let schemas_of = provider.resource_schemas.into_iter().map(|(name, schema)| (name, attributes(schema))).collect();
        let schemas = answered(server.get_resource_identity_schemas(Request::new(get_resource_identity_schemas::Request {})));
        let mut identities: Vec<_> = schemas.identity_schemas.into_keys().collect();
        identities.sort();
        Self {
            server,
            is_configured,
            schemas: schemas_of,
            resources: metadata.resources.into_iter().map(|resource| resource.type_name).collect(),
            identities,
            functions: metadata.functions.into_iter().map(|function| function.name).collect(),
        }
    }

    /// Checks a configuration.
    pub fn validate(&self, type_name: &str, config: DynamicValue) {
        let request =
            validate_resource_config::Request { type_name: type_name.to_owned(), config: Some(config), client_capabilities: None };
        heed(&answered(self.server.validate_resource_config(Request::new(request))).diagnostics);
    }

    /// Plans a change by the core's rules: with the state that the core proposes, and a plan that it accepts.
    pub fn plan(&self, type_name: &str, prior: &[u8], config: &[u8]) {
        let schema = &self.schemas[type_name];
        // What the provider itself wrote is what it must keep to: the core sends values of the type only.
        let (Some(prior), Some(config)) = (self.normal(type_name, prior), self.normal(type_name, config)) else { return };
        let request = plan_resource_change::Request {
            type_name: type_name.to_owned(),
            prior_state: Some(encode(&prior)),
            config: Some(encode(&config)),
            proposed_new_state: Some(encode(&rules::proposed(schema, &prior, &config))),
            ..plan_resource_change::Request::default()
        };
        let response = answered(self.server.plan_resource_change(Request::new(request)));
        heed(&response.diagnostics);
        if has_errors(&response.diagnostics) {
            return;
        }
        let planned = decode(response.planned_state.as_ref());
        let faults = rules::plan_faults(schema, &prior, &config, &planned);
        assert!(faults.is_empty(), "{prior} to {config} is planned as {planned}: {faults:#?}");
        rules::required_replaces(schema, &prior, &planned, &response.requires_replace);
        if self.is_configured {
            self.apply(type_name, &prior, &config, &planned, response.planned_private);
        }
    }

    /// Applies a plan whose configuration is known, and checks the state by the core's rules; then reads it and writes its configuration.
    fn apply(&self, type_name: &str, prior: &Value, config: &Value, planned: &Value, planned_private: Vec<u8>) {
        if has_unknown(config) || has_unknown(prior) {
            return;
        }
        let schema = &self.schemas[type_name];
        let request = apply_resource_change::Request {
            type_name: type_name.to_owned(),
            prior_state: Some(encode(prior)),
            config: Some(encode(config)),
            planned_state: Some(encode(planned)),
            planned_private,
            ..apply_resource_change::Request::default()
        };
        let response = answered(self.server.apply_resource_change(Request::new(request)));
        heed(&response.diagnostics);
        let state = decode(response.new_state.as_ref());
        if has_errors(&response.diagnostics) || state.is_nil() {
            return;
        }
        let faults = rules::apply_faults(schema, planned, &state, true);
        assert!(faults.is_empty(), "{planned} became {state}: {faults:#?}");
        assert_eq!(rules::state_faults(schema, &state), [""; 0], "{state}");
        let request = read_resource::Request {
            type_name: type_name.to_owned(),
            current_state: response.new_state.clone(),
            private: response.private,
            ..read_resource::Request::default()
        };
        heed(&answered(self.server.read_resource(Request::new(request))).diagnostics);
        let request = generate_resource_config::Request { type_name: type_name.to_owned(), state: response.new_state };
        heed(&answered(self.server.generate_resource_config(Request::new(request))).diagnostics);
    }

    /// Returns a value as the core would send it, if it is one of the type at all: what the provider reads of it, written again, and without
    /// what the type doesn't have.
    fn normal(&self, type_name: &str, bytes: &[u8]) -> Option<Value> {
        if bytes.is_empty() {
            return Some(Value::Nil);
        }
        let value = rmpv::decode::read_value(&mut &*bytes).ok()?;
        let request = validate_resource_config::Request {
            type_name: type_name.to_owned(),
            config: Some(encode(&value)),
            client_capabilities: Some(ABLE),
        };
        let diagnostics = answered(self.server.validate_resource_config(Request::new(request))).diagnostics;
        heed(&diagnostics);
        (!has_errors(&diagnostics)).then(|| complete(&Type::of_all(&self.schemas[type_name]), &value)).flatten()
    }

    /// Calls a function; none where it has no result.
    pub fn call(&self, name: &str, arguments: Vec<DynamicValue>) -> Option<DynamicValue> {
        let request = call_function::Request { name: name.to_owned(), arguments };
        let response = answered(self.server.call_function(Request::new(request)));
        if let Some(error) = response.error {
            assert!(!error.text.contains(PANICKED), "{}", error.text);
        }
        response.result
    }

    /// Reads a stored state of any version, and what it became once more; none where it can't be read.
    pub fn upgrade_state(&self, type_name: &str, version: i64, state: &[u8]) -> Option<DynamicValue> {
        let request = upgrade_resource_state::Request { type_name: type_name.to_owned(), version, raw_state: raw(state) };
        let response = answered(self.server.upgrade_resource_state(Request::new(request)));
        heed(&response.diagnostics);
        let upgraded = response.upgraded_state?;
        self.read_again(type_name, upgraded.clone());
        Some(upgraded)
    }

    /// Reads a stored identity of any version.
    pub fn upgrade_identity(&self, type_name: &str, version: i64, identity: &[u8]) {
        let request = upgrade_resource_identity::Request { type_name: type_name.to_owned(), version, raw_identity: raw(identity) };
        heed(&answered(self.server.upgrade_resource_identity(Request::new(request))).diagnostics);
    }

    fn read_again(&self, type_name: &str, written: DynamicValue) {
        let request =
            validate_resource_config::Request { type_name: type_name.to_owned(), config: Some(written), client_capabilities: None };
        let diagnostics = answered(self.server.validate_resource_config(Request::new(request))).diagnostics;
        heed(&diagnostics);
        let is_read = |diagnostic: &Diagnostic| !diagnostic.summary.starts_with("Malformed");
        assert!(diagnostics.iter().all(is_read), "what was written can't be read: {diagnostics:?}");
    }
}

/// The title of a diagnostic that a panic was turned to.
const PANICKED: &str = "The provider panicked";

fn answered<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(call)).expect("an answer").into_inner()
}

/// Anything may be wrong with an input, but no panic hides among what is.
fn heed(diagnostics: &[Diagnostic]) {
    assert!(diagnostics.iter().all(|diagnostic| diagnostic.summary != PANICKED), "{diagnostics:?}");
}

/// Returns the value as cty would hold it: null for missing attributes, each known element of a set once. Nothing where it can't be one of the
/// type, such as a map of two equal keys.
fn complete(ty: &Type, value: &Value) -> Option<Value> {
    Some(match (ty, value) {
        (_, Value::Nil | Value::Ext(..)) => value.clone(),
        (Type::Object(attributes), Value::Map(entries)) => {
            let known = |(key, _): &(Value, Value)| key.as_str().is_some_and(|key| attributes.contains_key(key));
            if !entries.iter().all(known) || has_duplicates(entries) {
                return None;
            }
            let attribute = |(name, ty): (&String, &Type)| {
                let key = Value::from(name.as_str());
                Some((key.clone(), complete(ty, entry(value, &key).unwrap_or(&Value::Nil))?))
            };
            Value::Map(attributes.iter().map(attribute).collect::<Option<_>>()?)
        }
        (Type::Map(inner), Value::Map(entries)) if !has_duplicates(entries) => {
            let of_entry = |(key, value): &(Value, Value)| Some((key.as_str()?.into(), complete(inner, value)?));
            Value::Map(entries.iter().map(of_entry).collect::<Option<_>>()?)
        }
        (Type::Set(inner), Value::Array(_)) => {
            let elements = value.as_array()?.iter().map(|element| complete(inner, element)).collect::<Option<_>>()?;
            Value::Array(inner.distinct(&Value::Array(elements)).into_iter().cloned().collect())
        }
        (Type::List(_), Value::Array(elements)) => {
            Value::Array(elements.iter().enumerate().map(|(index, element)| complete(ty.at(index), element)).collect::<Option<_>>()?)
        }
        (Type::Tuple(types), Value::Array(elements)) if types.len() == elements.len() => {
            Value::Array(types.iter().zip(elements).map(|(ty, element)| complete(ty, element)).collect::<Option<_>>()?)
        }
        (Type::String, text) if text.as_str().is_some() => value.clone(),
        (Type::Bool, Value::Boolean(_)) | (Type::Number, Value::Integer(_) | Value::F64(_)) => value.clone(),
        (Type::Number, digits) if digits.as_str().is_some_and(|text| text.bytes().all(|byte| b"+-.eE0123456789".contains(&byte))) => {
            value.clone()
        }
        (Type::Dynamic, Value::Array(pair)) => match &pair[..] {
            [described, value] => Value::Array(vec![described.clone(), complete(&Type::described(described), value)?]),
            _ => return None,
        },
        _ => return None,
    })
}

fn has_duplicates(entries: &[(Value, Value)]) -> bool {
    entries.iter().enumerate().any(|(index, (key, _))| entries[..index].iter().any(|(other, _)| other == key))
}
