//! A session of a CLI with a provider that isn't configured, so that nothing outside of the process is reached.

use std::future::Future;

use framework::{protocol::{
        Mask, Server,
        wire::{
            Diagnostic, DynamicValue, RawState, call_function, get_metadata, get_resource_identity_schemas, plan_resource_change,
            provider_server::Provider as _, upgrade_resource_identity, upgrade_resource_state, validate_resource_config,
        },
    }, Provider};
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
    /// Its resource types.
    pub resources: Vec<String>,
    /// Those of them that have an identity.
    pub identities: Vec<String>,
    /// Its functions.
    pub functions: Vec<String>,
}

impl<P: Provider> Session<P> {
    /// Serves the provider. The mask doesn't learn: it would keep something of every input.
    pub fn new(provider: P) -> Self {
        let server = Server::new(provider, Mask::idle());
        let metadata = answered(server.get_metadata(Request::new(get_metadata::Request {})));
        let schemas = answered(server.get_resource_identity_schemas(Request::new(get_resource_identity_schemas::Request {})));
        let mut identities: Vec<_> = schemas.identity_schemas.into_keys().collect();
        identities.sort();
        Self {
            server,
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

    /// Plans a change, and checks what is planned: what the provider wrote, it must be able to read.
    pub fn plan(&self, type_name: &str, prior: DynamicValue, config: DynamicValue, proposed: DynamicValue) {
        let request = plan_resource_change::Request {
            type_name: type_name.to_owned(),
            prior_state: Some(prior),
            config: Some(config),
            proposed_new_state: Some(proposed),
            ..plan_resource_change::Request::default()
        };
        let response = answered(self.server.plan_resource_change(Request::new(request)));
        heed(&response.diagnostics);
        if let Some(planned) = response.planned_state {
            self.read_again(type_name, planned);
        }
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
