//! Calls about what exists of a resource's type.

use super::{Server, judged, resource::identity_data};
use crate::{
    protocol::{diagnostics::diagnostics, value, wire},
    terraform::{Error, Found, Provider},
};

impl<P: Provider> Server<P> {
    pub(super) async fn validate_list_resource_config(
        &self,
        request: wire::validate_list_resource_config::Request,
    ) -> Result<wire::validate_list_resource_config::Response, Error> {
        let entry = self.catalog().listings.find(&request.type_name)?;
        let filter = self.read(request.config, &entry.schema)?;
        let diagnostics = judged(&entry.schema, &filter, true, |filter| entry.of.validate(filter));
        Ok(wire::validate_list_resource_config::Response { diagnostics })
    }

    pub(super) async fn list_resource(&self, request: wire::list_resource::Request) -> Result<Vec<wire::list_resource::Event>, Error> {
        let listing = self.catalog().listings.find(&request.type_name)?;
        let resource = self.catalog().resources.find(&request.type_name)?;
        let world = self.configured()?;
        let filter = self.read(request.config, &listing.schema)?;
        // No limit is written as zero.
        let limit = usize::try_from(request.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let whole = request.include_resource_object;
        let outcome = listing.of.list(&filter, limit, whole, &world, self.work()).await;
        let identity = self.catalog().identities.get(request.type_name.as_str());
        let event = |found: Found| {
            self.0.mask.learn(&resource.schema.attributes, &found.state);
            wire::list_resource::Event {
                identity: identity.and_then(|identity| Some(identity_data(identity, &identity.of_import_name(&found.name)?))),
                display_name: found.name,
                resource_object: (!found.state.is_null()).then(|| value::write(&found.state, &resource.schema)),
                diagnostic: diagnostics(found.diagnostics),
            }
        };
        let mut events: Vec<_> = outcome.found.into_iter().map(event).collect();
        let diagnostic = diagnostics(outcome.diagnostics);
        if !diagnostic.is_empty() {
            events.push(wire::list_resource::Event { diagnostic, ..wire::list_resource::Event::default() });
        }
        Ok(events)
    }
}
