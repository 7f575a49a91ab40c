//! Calls about a data source.

use super::{Server, deferred, judged};
use crate::{
    protocol::{diagnostics::diagnostics, value, wire},
    terraform::{Error, Provider, Value},
};

impl<P: Provider> Server<P> {
    pub(super) async fn validate_data_resource_config(
        &self,
        request: wire::validate_data_resource_config::Request,
    ) -> Result<wire::validate_data_resource_config::Response, Error> {
        let entry = self.catalog().data_sources.find(&request.type_name)?;
        let config = self.read(request.config, &entry.schema)?;
        let diagnostics = judged(&entry.schema, &config, true, |config| entry.of.validate(config));
        Ok(wire::validate_data_resource_config::Response { diagnostics })
    }

    pub(super) async fn read_data_source(
        &self,
        request: wire::read_data_source::Request,
    ) -> Result<wire::read_data_source::Response, Error> {
        let entry = self.catalog().data_sources.find(&request.type_name)?;
        let world = self.configured()?;
        let config = self.read(request.config, &entry.schema)?;
        let mut outcome = entry.of.read(&config, &world, self.work()).await;
        let deferred = deferred(outcome.is_deferred, &mut outcome.diagnostics, request.client_capabilities);
        if deferred.is_some() {
            outcome.found = Value::Unknown;
        }
        self.0.mask.learn(&entry.schema.attributes, &outcome.found);
        Ok(wire::read_data_source::Response {
            state: Some(value::write(&outcome.found, &entry.schema)),
            diagnostics: diagnostics(outcome.diagnostics),
            deferred,
        })
    }
}
