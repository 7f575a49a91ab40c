//! A session of a CLI with a provider: plans, applies, refreshes and imports as the CLIs' core does. It fails the test wherever the core
//! would call the provider defective.

use framework::protocol::wire::{
    ClientCapabilities, Diagnostic, DynamicValue, ResourceIdentityData, apply_resource_change, configure_provider, get_provider_schema,
    import_resource_state, plan_resource_change, provider_client::ProviderClient, read_resource, schema::Attribute,
    validate_resource_config,
};
use rmpv::Value;
use tonic::transport::Channel;

use crate::{
    diagnostics::has_errors,
    rules,
    types::Type,
    values::{decode, encode, is_unknown},
};

/// What a CLI can do that can do all.
pub const ABLE: ClientCapabilities = ClientCapabilities { deferral_allowed: true, write_only_attributes_allowed: true };

/// An object as a state file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The attributes; null without an object.
    pub state: Value,
    /// The provider's private bytes.
    pub private: Vec<u8>,
    /// The identity, where there is one.
    pub identity: Option<Value>,
    /// Its creation failed: the next plan replaces it.
    pub is_tainted: bool,
}

impl Object {
    /// Returns what a state file holds before the creation.
    pub fn absent() -> Self {
        Self { state: Value::Nil, private: Vec::new(), identity: None, is_tainted: false }
    }

    /// Returns an object with this state, and nothing beside it.
    pub fn of(state: Value) -> Self {
        Self { state, ..Self::absent() }
    }

    /// Returns the object after `terraform untaint`.
    #[must_use]
    pub fn untainted(self) -> Self {
        Self { is_tainted: false, ..self }
    }
}

/// What a plan does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    NoOp,
    /// Creates the object.
    Create,
    /// Updates the object in place.
    Update,
    /// Destroys the object, and creates another.
    Replace,
    /// Destroys the object.
    Delete,
}

/// A plan that the core accepts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it does.
    pub action: Action,
    /// The state to come.
    pub planned: Value,
    /// The private bytes that go with the apply, and with the delete half of a replacement.
    pub private: Vec<u8>,
    /// The paths whose change replaces the object, such as `parts[0].number`.
    pub replaces: Vec<String>,
    /// Errors and warnings. With errors nothing else counts.
    pub diagnostics: Vec<Diagnostic>,
    /// The provider's answer as it is; that to the creation, if it is a replacement.
    pub response: plan_resource_change::Response,
}

impl Plan {
    fn refused(prior: &Object, diagnostics: Vec<Diagnostic>, response: plan_resource_change::Response) -> Self {
        let planned = prior.state.clone();
        Self { action: Action::NoOp, planned, private: Vec::new(), replaces: Vec::new(), diagnostics, response }
    }
}

/// What is left after an apply, a refresh or an import.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the state file holds then.
    pub object: Object,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// A session with a provider.
pub struct Session {
    /// The client, for calls that need no rules.
    pub provider: ProviderClient<Channel>,
    /// What the provider has.
    pub schema: get_provider_schema::Response,
    /// What the CLI can do.
    pub capabilities: ClientCapabilities,
}

impl Session {
    /// Begins a session with a provider that isn't configured.
    pub async fn begin(mut provider: ProviderClient<Channel>) -> Self {
        let schema = provider.get_provider_schema(get_provider_schema::Request {}).await.expect("a schema").into_inner();
        assert!(!has_errors(&schema.diagnostics), "{:?}", schema.diagnostics);
        Self::with_schema(provider, schema)
    }

    /// Begins a session with a provider whose schema is known from another process of it. A CLI doesn't ask for it again either.
    pub fn with_schema(provider: ProviderClient<Channel>, schema: get_provider_schema::Response) -> Self {
        Self { provider, schema, capabilities: ABLE }
    }

    /// Configures the provider; returns errors and warnings.
    pub async fn configure(&mut self, config: &Value) -> Vec<Diagnostic> {
        let request = configure_provider::Request {
            config: Some(encode(config)),
            client_capabilities: Some(self.capabilities),
            ..configure_provider::Request::default()
        };
        self.provider.configure_provider(request).await.expect("an answer").into_inner().diagnostics
    }

    /// Returns the attributes of a resource type.
    pub fn attributes(&self, name: &str) -> Vec<Attribute> {
        self.schema.resource_schemas[name].block.clone().expect("a block").attributes
    }

    /// Returns a configuration of a resource: null for all that isn't set.
    pub fn config(&self, name: &str, set: &[(&str, Value)]) -> Value {
        rules::config(&self.attributes(name), set)
    }

    /// Checks a configuration; returns errors and warnings.
    pub async fn validate(&mut self, name: &str, config: &Value) -> Vec<Diagnostic> {
        let request = validate_resource_config::Request {
            type_name: name.to_owned(),
            config: Some(encode(config)),
            client_capabilities: Some(self.capabilities),
        };
        self.provider.validate_resource_config(request).await.expect("an answer").into_inner().diagnostics
    }

    /// Plans the change of an object to a configuration; null destroys it.
    pub async fn plan(&mut self, name: &str, prior: &Object, config: &Value) -> Plan {
        // What is tainted is planned as a creation, without its private bytes, and then made a replacement.
        let absent = Object::absent();
        let before = if prior.is_tainted && !config.is_nil() { &absent } else { prior };
        let mut plan = self.plan_once(name, before, config).await;
        if plan.action == Action::Create && !prior.state.is_nil() {
            plan.action = Action::Replace;
        }
        if plan.action == Action::Replace && !prior.is_tainted {
            // The creation of a replacement gets the private bytes of the first plan.
            let creation = self.plan_once(name, &Object { private: plan.private.clone(), ..absent }, config).await;
            plan = Plan { action: Action::Replace, replaces: plan.replaces, ..creation };
        }
        plan
    }

    /// Makes one call of a plan, of which the core makes two for a replacement. The configuration is checked first.
    pub async fn plan_once(&mut self, name: &str, prior: &Object, config: &Value) -> Plan {
        let attributes = self.attributes(name);
        let mut diagnostics = if config.is_nil() { Vec::new() } else { self.validate(name, config).await };
        if has_errors(&diagnostics) {
            let response = plan_resource_change::Response { diagnostics: diagnostics.clone(), ..plan_resource_change::Response::default() };
            return Plan::refused(prior, diagnostics, response);
        }
        let request = plan_resource_change::Request {
            type_name: name.to_owned(),
            prior_state: Some(encode(&prior.state)),
            proposed_new_state: Some(encode(&rules::proposed(&attributes, &prior.state, config))),
            config: Some(encode(config)),
            prior_private: prior.private.clone(),
            prior_identity: prior.identity.as_ref().map(identity_data),
            client_capabilities: Some(self.capabilities),
            ..plan_resource_change::Request::default()
        };
        let response = self.provider.plan_resource_change(request).await.expect("an answer").into_inner();
        diagnostics.extend(response.diagnostics.clone());
        if has_errors(&diagnostics) {
            return Plan::refused(prior, diagnostics, response);
        }
        let ty = Type::of_all(&attributes);
        let planned = decode(response.planned_state.as_ref());
        ty.check("", &planned);
        let faults = rules::plan_faults(&attributes, &prior.state, config, &planned);
        assert!(faults.is_empty(), "Provider produced invalid plan for {name}: {faults:#?}");
        let replaces = rules::required_replaces(&attributes, &prior.state, &planned, &response.requires_replace);
        let identity = identity(response.planned_identity.as_ref());
        if replaces.is_empty() && !prior.state.is_nil() {
            same_identity(name, prior.identity.as_ref(), identity.as_ref());
        }
        let action = match (prior.state.is_nil(), planned.is_nil()) {
            (true, true) => Action::NoOp,
            (false, true) => Action::Delete,
            (true, false) => Action::Create,
            (false, false) if !replaces.is_empty() => Action::Replace,
            (false, false) if ty.equals(&prior.state, &planned) => Action::NoOp,
            (false, false) => Action::Update,
        };
        Plan { action, planned, private: response.planned_private.clone(), replaces, diagnostics, response }
    }

    /// Plans and applies a configuration; null destroys the object.
    pub async fn apply(&mut self, name: &str, prior: &Object, config: &Value) -> Outcome {
        let plan = self.plan(name, prior, config).await;
        if has_errors(&plan.diagnostics) {
            return Outcome { object: prior.clone(), diagnostics: plan.diagnostics };
        }
        assert!(plan.response.deferred.is_none(), "what is deferred can't be applied");
        self.apply_plan(name, prior, config, &plan).await
    }

    /// Applies a plan, whose configuration may be known by now where it wasn't then.
    pub async fn apply_plan(&mut self, name: &str, prior: &Object, config: &Value, plan: &Plan) -> Outcome {
        let mut diagnostics = plan.diagnostics.clone();
        let mut before = prior.clone();
        if plan.action == Action::NoOp {
            return Outcome { object: before, diagnostics };
        }
        if plan.action == Action::Delete || plan.action == Action::Replace {
            // The delete half has the private bytes of the plan.
            let deleted = self.change(name, &before, &Value::Nil, &Value::Nil, &plan.private).await;
            diagnostics.extend(deleted.diagnostics);
            before = deleted.object;
            if plan.action == Action::Delete || !before.state.is_nil() {
                return Outcome { object: before, diagnostics };
            }
        }
        // The core plans once more with what is known by now.
        let attributes = self.attributes(name);
        let last = self.plan_once(name, &before, config).await;
        if has_errors(&last.diagnostics) {
            diagnostics.extend(last.diagnostics);
            return Outcome { object: before, diagnostics };
        }
        let faults = rules::apply_faults(&attributes, &plan.planned, &last.planned, false);
        assert!(faults.is_empty(), "Provider produced inconsistent final plan for {name}: {faults:#?}");
        if last.action == Action::NoOp {
            return Outcome { object: before, diagnostics };
        }
        assert!(last.action != Action::Replace, "the final plan of {name} replaces it: {:?}", last.replaces);
        let applied = self.change(name, &before, config, &last.planned, &last.private).await;
        diagnostics.extend(applied.diagnostics);
        Outcome { object: applied.object, diagnostics }
    }

    async fn change(&mut self, name: &str, prior: &Object, config: &Value, planned: &Value, private: &[u8]) -> Outcome {
        let request = apply_resource_change::Request {
            type_name: name.to_owned(),
            prior_state: Some(encode(&prior.state)),
            planned_state: Some(encode(planned)),
            config: Some(encode(config)),
            planned_private: private.to_vec(),
            ..apply_resource_change::Request::default()
        };
        let response = self.provider.apply_resource_change(request).await.expect("an answer").into_inner();
        let attributes = self.attributes(name);
        let state = decode(response.new_state.as_ref());
        self.check_state(name, &state);
        let has_errors = has_errors(&response.diagnostics);
        if !has_errors {
            let faults = rules::apply_faults(&attributes, planned, &state, true);
            assert!(faults.is_empty(), "Provider produced inconsistent result after apply of {name}: {faults:#?}");
        }
        // With an error, null is taken for "nothing to report", and the prior object is kept.
        let object = if has_errors && state.is_nil() {
            prior.clone()
        } else {
            // Without an error what is left is as good as new.
            let is_tainted = has_errors && (prior.is_tainted || prior.state.is_nil());
            Object { state, private: response.private, identity: identity(response.new_identity.as_ref()), is_tainted }
        };
        Outcome { object, diagnostics: response.diagnostics }
    }

    /// Destroys an object.
    pub async fn destroy(&mut self, name: &str, object: &Object) -> Outcome {
        self.apply(name, object, &Value::Nil).await
    }

    /// Refreshes an object.
    pub async fn refresh(&mut self, name: &str, object: &Object) -> Outcome {
        let request = read_resource::Request {
            type_name: name.to_owned(),
            current_state: Some(encode(&object.state)),
            private: object.private.clone(),
            current_identity: object.identity.as_ref().map(identity_data),
            client_capabilities: Some(self.capabilities),
            ..read_resource::Request::default()
        };
        let response = self.provider.read_resource(request).await.expect("an answer").into_inner();
        if has_errors(&response.diagnostics) {
            return Outcome { object: object.clone(), diagnostics: response.diagnostics };
        }
        let state = decode(response.new_state.as_ref());
        self.check_state(name, &state);
        let identity = identity(response.new_identity.as_ref());
        if !state.is_nil() {
            same_identity(name, object.identity.as_ref(), identity.as_ref());
        }
        let object = if state.is_nil() {
            Object::absent()
        } else {
            Object { state, private: response.private, identity, is_tainted: object.is_tainted }
        };
        Outcome { object, diagnostics: response.diagnostics }
    }

    /// Imports an object by its import ID, and refreshes it, as the core does.
    pub async fn import(&mut self, name: &str, id: &str) -> Outcome {
        let request = import_resource_state::Request {
            type_name: name.to_owned(),
            id: id.to_owned(),
            client_capabilities: Some(self.capabilities),
            ..import_resource_state::Request::default()
        };
        self.imported(request).await
    }

    /// Imports an object by its identity, and refreshes it.
    pub async fn import_by_identity(&mut self, name: &str, identity: &Value) -> Outcome {
        let request = import_resource_state::Request {
            type_name: name.to_owned(),
            identity: Some(identity_data(identity)),
            client_capabilities: Some(self.capabilities),
            ..import_resource_state::Request::default()
        };
        self.imported(request).await
    }

    async fn imported(&mut self, request: import_resource_state::Request) -> Outcome {
        let name = request.type_name.clone();
        let response = self.provider.import_resource_state(request).await.expect("an answer").into_inner();
        let Some(imported) = response.imported_resources.into_iter().next() else {
            assert!(has_errors(&response.diagnostics), "the import of {name} returned neither an object nor an error");
            return Outcome { object: Object::absent(), diagnostics: response.diagnostics };
        };
        let state = decode(imported.state.as_ref());
        assert!(!state.is_nil(), "the import of {name} returned null");
        if !is_unknown(&state) {
            self.check_state(&name, &state);
        }
        let object = Object { state, private: imported.private, identity: identity(imported.identity.as_ref()), is_tainted: false };
        let mut refreshed = self.refresh(&name, &object).await;
        refreshed.diagnostics.splice(0..0, response.diagnostics);
        refreshed
    }

    /// Fails the test if a state is not one that the core can keep.
    fn check_state(&self, name: &str, state: &Value) {
        let attributes = self.attributes(name);
        Type::of_all(&attributes).check("", state);
        let faults = rules::state_faults(&attributes, state);
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }
}

fn identity_data(identity: &Value) -> ResourceIdentityData {
    ResourceIdentityData { identity_data: Some(encode(identity)) }
}

fn identity(data: Option<&ResourceIdentityData>) -> Option<Value> {
    let data: &DynamicValue = data?.identity_data.as_ref()?;
    Some(decode(Some(data))).filter(|identity| !identity.is_nil())
}

/// An identity never changes while the object is the same; one that was stored before there were identities is null.
fn same_identity(name: &str, before: Option<&Value>, after: Option<&Value>) {
    let (Some(before), Some(after)) = (before, after) else { return };
    assert!(before == after, "Provider produced different identity for {name}: {before} became {after}");
}
