//! Calls about the provider as a whole.

use std::sync::{Arc, PoisonError};

use super::{Server, judged};
use crate::{
    protocol::{config_rules, diagnostics::diagnostics, schema, wire},
    terraform::{AttributePath, Dynamic, Error, Parse, Provider, Report, Schema, Setup, Value, decode},
};

fn capabilities() -> wire::ServerCapabilities {
    wire::ServerCapabilities {
        plan_destroy: true,
        get_provider_schema_optional: true,
        move_resource_state: true,
        generate_resource_config: true,
    }
}

fn action_schema(of: &Schema) -> wire::ActionSchema {
    wire::ActionSchema { schema: Some(schema::schema(of)) }
}

impl<P: Provider> Server<P> {
    pub(super) async fn get_metadata(&self, _: wire::get_metadata::Request) -> Result<wire::get_metadata::Response, Error> {
        let catalog = self.catalog();
        let resource = |type_name| wire::get_metadata::ResourceMetadata { type_name };
        let data_source = |type_name| wire::get_metadata::DataSourceMetadata { type_name };
        let ephemeral = |type_name| wire::get_metadata::EphemeralResourceMetadata { type_name };
        let listing = |type_name| wire::get_metadata::ListResourceMetadata { type_name };
        Ok(wire::get_metadata::Response {
            server_capabilities: Some(capabilities()),
            diagnostics: Vec::new(),
            resources: catalog.resources.names().map(resource).collect(),
            data_sources: catalog.data_sources.names().map(data_source).collect(),
            ephemeral_resources: catalog.ephemerals.names().map(ephemeral).collect(),
            list_resources: catalog.listings.names().map(listing).collect(),
            actions: catalog.actions.names().map(|type_name| wire::get_metadata::ActionMetadata { type_name }).collect(),
            functions: catalog.functions.names().map(|name| wire::get_metadata::FunctionMetadata { name }).collect(),
        })
    }

    pub(super) async fn get_provider_schema(
        &self,
        _: wire::get_provider_schema::Request,
    ) -> Result<wire::get_provider_schema::Response, Error> {
        let catalog = self.catalog();
        Ok(wire::get_provider_schema::Response {
            provider: Some(schema::schema(&catalog.provider)),
            provider_meta: None,
            server_capabilities: Some(capabilities()),
            diagnostics: Vec::new(),
            resource_schemas: catalog.resources.iter().map(|(name, entry)| (name, schema::schema(&entry.schema))).collect(),
            data_source_schemas: catalog.data_sources.iter().map(|(name, entry)| (name, schema::schema(&entry.schema))).collect(),
            ephemeral_resource_schemas: catalog.ephemerals.iter().map(|(name, entry)| (name, schema::schema(&entry.schema))).collect(),
            list_resource_schemas: catalog.listings.iter().map(|(name, entry)| (name, schema::schema(&entry.schema))).collect(),
            action_schemas: catalog.actions.iter().map(|(name, entry)| (name, action_schema(&entry.schema))).collect(),
            functions: catalog.functions.iter().map(|(name, function)| (name, schema::function(function.as_ref()))).collect(),
        })
    }

    pub(super) async fn get_resource_identity_schemas(
        &self,
        _: wire::get_resource_identity_schemas::Request,
    ) -> Result<wire::get_resource_identity_schemas::Response, Error> {
        let identities = &self.catalog().identities;
        Ok(wire::get_resource_identity_schemas::Response {
            identity_schemas: identities.iter().map(|(name, identity)| ((*name).to_owned(), schema::identity(identity))).collect(),
            diagnostics: Vec::new(),
        })
    }

    pub(super) async fn validate_provider_config(
        &self,
        request: wire::validate_provider_config::Request,
    ) -> Result<wire::validate_provider_config::Response, Error> {
        let schema = &self.catalog().provider;
        let config = self.read(request.config, schema)?;
        let validate = |config: &Dynamic| {
            let mut report = Report::new();
            self.parse(config, &mut report);
            report.into_diagnostics()
        };
        Ok(wire::validate_provider_config::Response { diagnostics: judged(schema, &config, true, validate) })
    }

    pub(super) async fn configure_provider(
        &self,
        request: wire::configure_provider::Request,
    ) -> Result<wire::configure_provider::Response, Error> {
        let schema = &self.catalog().provider;
        let config = self.read(request.config, schema)?;
        let mut report = Report::new();
        config_rules::judge_again(&schema.attributes, &config, &mut report);
        let mut world = None;
        if let Some(spec) = self.parse(&config, &mut report).filter(|_| !report.has_errors()) {
            let mut setup = Setup::new(request.terraform_version, self.work());
            let made = self.0.provider.configure(spec, &mut setup).await;
            report.extend(setup.into_report());
            match made {
                Ok(made) => world = Some(Arc::new(made)),
                Err(error) => report.error(error),
            }
        }
        // With an error, nothing is served, whatever was made.
        let world = world.filter(|_| !report.has_errors());
        *self.0.world.lock().unwrap_or_else(PoisonError::into_inner) = world;
        Ok(wire::configure_provider::Response { diagnostics: diagnostics(report.into_diagnostics()) })
    }

    pub(super) async fn stop_provider(&self, _: wire::stop_provider::Request) -> Result<wire::stop_provider::Response, Error> {
        tracing::info!("interrupted: ending the work in flight");
        self.cancel();
        Ok(wire::stop_provider::Response::default())
    }

    /// Parses the provider's configuration, in which anything may be unknown.
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
