//! The provider's service: every call is translated, handed on, and its outcome translated back.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{convert, json, msgpack, plan, types::Shape, wire};
use crate::terraform::{AnyResource, AttributePath, Dynamic, Error, Model, Parse, Provider, Report, Schema, Value, decode, panicked};

/// Serves a provider.
pub struct Server<P: Provider>(Arc<Inner<P>>);

impl<P: Provider> Clone for Server<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<P: Provider> {
    provider: P,
    schema: OnceLock<Schema>,
    resources: OnceLock<BTreeMap<&'static str, Entry<P::World>>>,
    world: Mutex<Option<Arc<P::World>>>,
    /// Cancelled by a stop, and then replaced: the process serves on.
    work: Mutex<CancellationToken>,
}

/// A resource with its schema, which is built once.
struct Entry<W> {
    resource: Box<dyn AnyResource<W>>,
    schema: Schema,
}

/// A response that can say what is wrong.
trait Answer: Default {
    fn refusal(diagnostics: Vec<wire::Diagnostic>) -> Self;
}

macro_rules! answers {
    ($($rpc:ident),* $(,)?) => {
        $(#[allow(clippy::needless_update)] // some have no other field
        impl Answer for wire::$rpc::Response {
            fn refusal(diagnostics: Vec<wire::Diagnostic>) -> Self {
                Self { diagnostics, ..Self::default() }
            }
        })*
    };
}

answers! {
    apply_resource_change, configure_provider, get_functions, get_metadata, get_provider_schema, get_resource_identity_schemas, import_resource_state,
    plan_resource_change, read_resource, upgrade_resource_state, validate_provider_config, validate_resource_config,
}

fn refusal<T: Answer>(error: Error) -> T {
    let mut report = Report::new();
    report.error(error);
    T::refusal(convert::diagnostics(report.into_diagnostics()))
}

/// Answers a call. What goes wrong in it, a panic included, becomes a diagnostic.
async fn answer<T: Answer>(
    call: &'static str,
    subject: &str,
    work: impl Future<Output = Result<T, Error>> + Send,
) -> Result<Response<T>, Status> {
    let begin = Instant::now();
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    let took = begin.elapsed();
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => refusal(error),
        Err(panic) => refusal(panicked(&format!("{call} of {subject}"), panic.as_ref())),
    };
    tracing::debug!(call, subject, ?took, "answered");
    Ok(Response::new(response))
}

impl<P: Provider> Server<P> {
    /// A server of the provider; builds nothing before it is asked.
    pub fn new(provider: P) -> Self {
        Self(Arc::new(Inner {
            provider,
            schema: OnceLock::new(),
            resources: OnceLock::new(),
            world: Mutex::new(None),
            work: Mutex::new(CancellationToken::new()),
        }))
    }

    /// Ends the work in flight; what it has reached is still answered.
    pub fn cancel(&self) {
        let mut work = self.0.work.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *work).cancel();
    }

    fn work(&self) -> CancellationToken {
        self.0.work.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn schema(&self) -> &Schema {
        self.0.schema.get_or_init(|| Schema { version: 0, description: P::Model::description(), attributes: P::Model::attributes() })
    }

    fn resources(&self) -> &BTreeMap<&'static str, Entry<P::World>> {
        self.0.resources.get_or_init(|| {
            let entry = |resource: Box<dyn AnyResource<P::World>>| (resource.name(), Entry { schema: resource.schema(), resource });
            self.0.provider.resources().into_iter().map(entry).collect()
        })
    }

    fn resource(&self, name: &str) -> Result<&Entry<P::World>, Error> {
        self.resources().get(name).ok_or_else(|| {
            let known: Vec<_> = self.resources().keys().copied().collect();
            Error::new("Unknown resource type", format!("This provider has no `{name}`. It has {}.", known.join(", ")))
        })
    }

    fn function_signatures(&self) -> std::collections::HashMap<String, wire::Function> {
        let functions = self.0.provider.functions();
        functions.iter().map(|function| (function.name().to_owned(), convert::function(function.as_ref()))).collect()
    }

    fn world(&self) -> Option<Arc<P::World>> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn configured(&self) -> Result<Arc<P::World>, Error> {
        self.world().ok_or_else(|| {
            Error::new(
                "Provider not configured",
                format!("The configuration of the provider `{}` is missing or was refused.", self.0.provider.name()),
            )
        })
    }

    /// Parses the provider's configuration; what is unknown in it is none of its faults.
    fn parse(&self, config: &Dynamic, report: &mut Report) -> Option<P::Spec> {
        let model = match decode::<P::Model>(config, &AttributePath::root()) {
            Ok(Value::Value(model)) => model,
            Ok(_) => P::Model::default(),
            Err(error) => {
                report.error(error);
                return None;
            }
        };
        let mut parse = Parse::new(report);
        let spec = self.0.provider.parse(&model, &mut parse);
        let is_invalid = parse.is_invalid();
        spec.filter(|_| !is_invalid)
    }
}

/// Reads a value; neither msgpack nor JSON is null.
fn read(value: Option<wire::DynamicValue>, schema: &Schema) -> Result<Dynamic, Error> {
    read_as(value, &Shape::Object(&schema.attributes))
}

fn read_as(value: Option<wire::DynamicValue>, shape: &Shape<'_>) -> Result<Dynamic, Error> {
    match value {
        Some(value) if !value.msgpack.is_empty() => msgpack::read(&value.msgpack, shape),
        Some(value) if !value.json.is_empty() => json::read(&value.json, shape),
        _ => Ok(Value::Null),
    }
}

fn write(value: &Dynamic, schema: &Schema) -> wire::DynamicValue {
    wire::DynamicValue { msgpack: msgpack::write(value, &Shape::Object(&schema.attributes)), json: Vec::new() }
}

fn capabilities() -> wire::ServerCapabilities {
    wire::ServerCapabilities { plan_destroy: true, get_provider_schema_optional: true, ..wire::ServerCapabilities::default() }
}

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<P: Provider> wire::provider_server::Provider for Server<P> {
    async fn get_metadata(&self, _: Request<wire::get_metadata::Request>) -> Answered<wire::get_metadata::Response> {
        answer("GetMetadata", "the provider", async {
            let metadata = |name: &&str| wire::get_metadata::ResourceMetadata { type_name: (*name).to_owned() };
            Ok(wire::get_metadata::Response {
                server_capabilities: Some(capabilities()),
                resources: self.resources().keys().map(metadata).collect(),
                functions: self.function_signatures().into_keys().map(|name| wire::get_metadata::FunctionMetadata { name }).collect(),
                ..wire::get_metadata::Response::default()
            })
        })
        .await
    }

    async fn get_provider_schema(&self, _: Request<wire::get_provider_schema::Request>) -> Answered<wire::get_provider_schema::Response> {
        answer("GetProviderSchema", "the provider", async {
            Ok(wire::get_provider_schema::Response {
                provider: Some(convert::schema(self.schema())),
                resource_schemas: self
                    .resources()
                    .iter()
                    .map(|(name, entry)| ((*name).to_owned(), convert::schema(&entry.schema)))
                    .collect(),
                server_capabilities: Some(capabilities()),
                functions: self.function_signatures(),
                ..wire::get_provider_schema::Response::default()
            })
        })
        .await
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<wire::get_resource_identity_schemas::Request>,
    ) -> Answered<wire::get_resource_identity_schemas::Response> {
        answer("GetResourceIdentitySchemas", "the provider", async { Ok(wire::get_resource_identity_schemas::Response::default()) }).await
    }

    async fn validate_provider_config(
        &self,
        request: Request<wire::validate_provider_config::Request>,
    ) -> Answered<wire::validate_provider_config::Response> {
        answer("ValidateProviderConfig", "the provider", async {
            let config = read(request.into_inner().config, self.schema())?;
            let mut report = Report::new();
            self.parse(&config, &mut report);
            Ok(wire::validate_provider_config::Response { diagnostics: convert::diagnostics(report.into_diagnostics()) })
        })
        .await
    }

    async fn validate_resource_config(
        &self,
        request: Request<wire::validate_resource_config::Request>,
    ) -> Answered<wire::validate_resource_config::Response> {
        let request = request.into_inner();
        answer("ValidateResourceConfig", &request.type_name.clone(), async {
            let entry = self.resource(&request.type_name)?;
            let config = read(request.config, &entry.schema)?;
            let mut report = Report::new();
            if !request.client_capabilities.is_some_and(|client| client.write_only_attributes_allowed) {
                refuse_write_only(&entry.schema, &config, &mut report);
            }
            let mut diagnostics = convert::diagnostics(report.into_diagnostics());
            diagnostics.extend(convert::diagnostics(entry.resource.validate(&config)));
            Ok(wire::validate_resource_config::Response { diagnostics })
        })
        .await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<wire::upgrade_resource_state::Request>,
    ) -> Answered<wire::upgrade_resource_state::Response> {
        let request = request.into_inner();
        answer("UpgradeResourceState", &request.type_name.clone(), async {
            let entry = self.resource(&request.type_name)?;
            if request.version > entry.schema.version {
                return Err(Error::new(
                    "State of a newer provider",
                    format!(
                        "The state of this {} has version {}, and this provider knows versions up to {}. Use the newer provider that wrote it.",
                        request.type_name, request.version, entry.schema.version
                    ),
                ));
            }
            let raw = request.raw_state.unwrap_or_default();
            let state = json::read(&raw.json, &Shape::Object(&entry.schema.attributes))?;
            Ok(wire::upgrade_resource_state::Response { upgraded_state: Some(write(&state, &entry.schema)), diagnostics: Vec::new() })
        })
        .await
    }

    async fn configure_provider(
        &self,
        request: Request<wire::configure_provider::Request>,
    ) -> Answered<wire::configure_provider::Response> {
        answer("ConfigureProvider", "the provider", async {
            let config = read(request.into_inner().config, self.schema())?;
            let mut report = Report::new();
            let world = self.parse(&config, &mut report).map(|spec| Arc::new(self.0.provider.configure(spec)));
            *self.0.world.lock().unwrap_or_else(PoisonError::into_inner) = world;
            Ok(wire::configure_provider::Response { diagnostics: convert::diagnostics(report.into_diagnostics()) })
        })
        .await
    }

    async fn read_resource(&self, request: Request<wire::read_resource::Request>) -> Answered<wire::read_resource::Response> {
        let request = request.into_inner();
        answer("ReadResource", &request.type_name.clone(), async {
            let entry = self.resource(&request.type_name)?;
            let world = self.configured()?;
            let state = read(request.current_state, &entry.schema)?;
            let (state, diagnostics) = entry.resource.read(state, &world, self.work()).await;
            Ok(wire::read_resource::Response {
                new_state: Some(write(&state, &entry.schema)),
                diagnostics: convert::diagnostics(diagnostics),
                private: request.private,
                ..wire::read_resource::Response::default()
            })
        })
        .await
    }

    async fn plan_resource_change(
        &self,
        request: Request<wire::plan_resource_change::Request>,
    ) -> Answered<wire::plan_resource_change::Response> {
        let request = request.into_inner();
        answer("PlanResourceChange", &request.type_name.clone(), async {
            let entry = self.resource(&request.type_name)?;
            let prior = read(request.prior_state, &entry.schema)?;
            let config = read(request.config, &entry.schema)?;
            let proposed = read(request.proposed_new_state, &entry.schema)?;
            if proposed.is_null() {
                return Ok(wire::plan_resource_change::Response {
                    planned_state: Some(write(&proposed, &entry.schema)),
                    planned_private: request.prior_private,
                    ..wire::plan_resource_change::Response::default()
                });
            }
            let draft = plan::draft(&entry.schema.attributes, &prior, &config, proposed);
            let planned = entry.resource.plan(&prior, &config, draft.planned, self.world().as_deref());
            let mut replace: Vec<_> = draft.replace.into_iter().chain(planned.replace).collect();
            replace.sort_by_key(ToString::to_string);
            replace.dedup();
            Ok(wire::plan_resource_change::Response {
                planned_state: Some(write(&planned.state, &entry.schema)),
                requires_replace: replace.into_iter().map(convert::path).collect(),
                planned_private: request.prior_private,
                diagnostics: convert::diagnostics(planned.diagnostics),
                ..wire::plan_resource_change::Response::default()
            })
        })
        .await
    }

    async fn apply_resource_change(
        &self,
        request: Request<wire::apply_resource_change::Request>,
    ) -> Answered<wire::apply_resource_change::Response> {
        let request = request.into_inner();
        // An error before the resource's own work leaves the state as it was.
        let unchanged = request.prior_state.clone();
        let mut answered = answer("ApplyResourceChange", &request.type_name.clone(), async {
            let entry = self.resource(&request.type_name)?;
            let world = self.configured()?;
            let prior = read(request.prior_state, &entry.schema)?;
            let config = read(request.config, &entry.schema)?;
            let planned = read(request.planned_state, &entry.schema)?;
            let (state, diagnostics) = entry.resource.apply(&prior, &config, planned, &world, self.work()).await;
            Ok(wire::apply_resource_change::Response {
                new_state: Some(write(&state, &entry.schema)),
                private: request.planned_private,
                diagnostics: convert::diagnostics(diagnostics),
                ..wire::apply_resource_change::Response::default()
            })
        })
        .await?;
        answered.get_mut().new_state = answered.get_mut().new_state.take().or(unchanged);
        Ok(answered)
    }

    async fn import_resource_state(
        &self,
        request: Request<wire::import_resource_state::Request>,
    ) -> Answered<wire::import_resource_state::Response> {
        let request = request.into_inner();
        answer("ImportResourceState", &request.type_name.clone(), async {
            let entry = self.resource(&request.type_name)?;
            let world = self.configured()?;
            let (state, diagnostics) = entry.resource.import(&request.id, &world, self.work()).await;
            let imported = (!state.is_null()).then(|| wire::import_resource_state::ImportedResource {
                type_name: request.type_name.clone(),
                state: Some(write(&state, &entry.schema)),
                ..wire::import_resource_state::ImportedResource::default()
            });
            Ok(wire::import_resource_state::Response {
                imported_resources: imported.into_iter().collect(),
                diagnostics: convert::diagnostics(diagnostics),
                ..wire::import_resource_state::Response::default()
            })
        })
        .await
    }

    async fn get_functions(&self, _: Request<wire::get_functions::Request>) -> Answered<wire::get_functions::Response> {
        answer("GetFunctions", "the provider", async {
            Ok(wire::get_functions::Response { functions: self.function_signatures(), diagnostics: Vec::new() })
        })
        .await
    }

    async fn call_function(&self, request: Request<wire::call_function::Request>) -> Answered<wire::call_function::Response> {
        let request = request.into_inner();
        // Its own kind of error has no diagnostics.
        let failed = |text: String, argument: Option<usize>| wire::call_function::Response {
            result: None,
            error: Some(wire::FunctionError { text, function_argument: argument.and_then(|position| i64::try_from(position).ok()) }),
        };
        let functions = self.0.provider.functions();
        let Some(function) = functions.iter().find(|function| function.name() == request.name) else {
            return Ok(Response::new(failed(format!("This provider has no function `{}`.", request.name), None)));
        };
        let mut arguments = Vec::new();
        for (position, (parameter, argument)) in function.parameters().iter().zip(request.arguments).enumerate() {
            match read_as(Some(argument), &Shape::of(&parameter.ty)) {
                Ok(argument) => arguments.push(argument),
                Err(error) => return Ok(Response::new(failed(error.detail, Some(position)))),
            }
        }
        let called = std::panic::catch_unwind(AssertUnwindSafe(|| function.call(&arguments)));
        Ok(Response::new(match called {
            Ok(Ok(result)) => {
                let msgpack = msgpack::write(&Value::Value(result), &Shape::of(&function.returns()));
                wire::call_function::Response { result: Some(wire::DynamicValue { msgpack, json: Vec::new() }), error: None }
            }
            Ok(Err(error)) => failed(error.problem, Some(error.argument)),
            Err(panic) => failed(panicked(&format!("the function {}", request.name), panic.as_ref()).detail, None),
        }))
    }

    async fn stop_provider(&self, _: Request<wire::stop_provider::Request>) -> Answered<wire::stop_provider::Response> {
        tracing::info!("interrupted: ending the work in flight");
        self.cancel();
        Ok(Response::new(wire::stop_provider::Response::default()))
    }
}

/// A CLI that doesn't know write-only attributes would keep them in plan and state.
fn refuse_write_only(schema: &Schema, config: &Dynamic, report: &mut Report) {
    for attribute in schema.attributes.iter().filter(|attribute| attribute.rules.write_only) {
        if !crate::terraform::attribute(config, attribute.name).is_null() {
            report.error(
                Error::new(
                    "Write-only attribute not supported",
                    format!("`{}` needs Terraform 1.11, OpenTofu 1.11 or newer: older ones would save the value.", attribute.name),
                )
                .at(AttributePath::new(attribute.name)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_diagnostic() {
        let work = async { panic!("at the {}", "disco") };
        let answered: Answered<wire::read_resource::Response> = answer("ReadResource", "mesh_thing", work).await;
        let diagnostics = answered.expect("an answer").into_inner().diagnostics;
        assert!(diagnostics[0].detail.contains("ReadResource of mesh_thing: at the disco"), "{diagnostics:?}");
    }
}
