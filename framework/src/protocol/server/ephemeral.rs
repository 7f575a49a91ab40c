//! Calls about an ephemeral resource.

use super::{Server, deferred, judged};
use crate::{
    protocol::{answer::Answer, diagnostics::diagnostics, value, wire},
    terraform::{Error, Provider, Value},
};

impl<P: Provider> Server<P> {
    pub(super) async fn validate_ephemeral_resource_config(
        &self,
        request: wire::validate_ephemeral_resource_config::Request,
    ) -> Result<wire::validate_ephemeral_resource_config::Response, Error> {
        let entry = self.catalog().ephemerals.find(&request.type_name)?;
        let config = self.read(request.config, &entry.schema)?;
        let diagnostics = judged(&entry.schema, &config, true, |config| entry.of.validate(config));
        Ok(wire::validate_ephemeral_resource_config::Response { diagnostics })
    }

    pub(super) async fn open_ephemeral_resource(
        &self,
        request: wire::open_ephemeral_resource::Request,
    ) -> Result<wire::open_ephemeral_resource::Response, Error> {
        let entry = self.catalog().ephemerals.find(&request.type_name)?;
        let world = self.configured()?;
        let config = self.read(request.config, &entry.schema)?;
        let mut outcome = entry.of.open(&config, &world, self.work()).await;
        let deferred = deferred(outcome.is_deferred, &mut outcome.diagnostics, request.client_capabilities);
        let mut response = wire::open_ephemeral_resource::Response {
            result: deferred.map(|_| value::write(&Value::Unknown, &entry.schema)),
            diagnostics: diagnostics(outcome.diagnostics),
            deferred,
            ..wire::open_ephemeral_resource::Response::default()
        };
        if let Some(opened) = outcome.found {
            self.0.mask.learn(&entry.schema.attributes, &opened.result);
            response.result = Some(value::write(&opened.result, &entry.schema));
            response.renew_at = opened.lease.renew_at.map(timestamp);
            response.private = Some(opened.lease.handle);
        }
        Ok(response)
    }

    pub(super) async fn renew_ephemeral_resource(
        &self,
        request: wire::renew_ephemeral_resource::Request,
    ) -> Result<wire::renew_ephemeral_resource::Response, Error> {
        let private = request.private.clone();
        Ok(match self.renew(request).await {
            Ok(response) => response,
            Err(error) => wire::renew_ephemeral_resource::Response { private, ..Answer::refusal(error) },
        })
    }

    async fn renew(&self, request: wire::renew_ephemeral_resource::Request) -> Result<wire::renew_ephemeral_resource::Response, Error> {
        let entry = self.catalog().ephemerals.find(&request.type_name)?;
        let world = self.configured()?;
        let outcome = entry.of.renew(request.private.as_deref().unwrap_or_default(), &world, self.work()).await;
        let (renew_at, private) = match outcome.found {
            Some(lease) => (lease.renew_at.map(timestamp), Some(lease.handle)),
            // OpenTofu closes with what it gets here: without the handle, what was opened would stay open.
            None => (None, request.private),
        };
        Ok(wire::renew_ephemeral_resource::Response { diagnostics: diagnostics(outcome.diagnostics), renew_at, private })
    }

    pub(super) async fn close_ephemeral_resource(
        &self,
        request: wire::close_ephemeral_resource::Request,
    ) -> Result<wire::close_ephemeral_resource::Response, Error> {
        let entry = self.catalog().ephemerals.find(&request.type_name)?;
        let world = self.configured()?;
        let closed = entry.of.close(&request.private.unwrap_or_default(), &world, self.work()).await;
        Ok(wire::close_ephemeral_resource::Response { diagnostics: diagnostics(closed) })
    }
}

fn timestamp(time: time::OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.unix_timestamp(), nanos: i32::try_from(time.nanosecond()).unwrap_or_default() }
}
