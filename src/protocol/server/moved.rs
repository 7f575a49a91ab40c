//! A `moved` block that hands an object over from a resource of another type.

use super::Server;
use crate::{
    protocol::{value, wire},
    terraform::{Error, Foreign, Provider},
};

impl<P: Provider> Server<P> {
    pub(super) async fn move_resource_state(
        &self,
        request: wire::move_resource_state::Request,
    ) -> Result<wire::move_resource_state::Response, Error> {
        let (from, to) = (&request.source_type_name, &request.target_type_name);
        let target = self.catalog().resources.find(to)?;
        let state = serde_json::from_slice(&request.source_state.unwrap_or_default().json)
            .map_err(|error| Error::new("Malformed state", format!("The state of the {from} is no JSON: {error}.")))?;
        let (provider, version) = (request.source_provider_address.as_str(), request.source_schema_version);
        let adopted = target.of.adopt(&Foreign { provider, type_name: from, version, state: &state }).unwrap_or_else(|| {
            let instead = format!("A {to} can't take over a {from}. Import the object instead, and remove the {from} from the state.");
            Err(Error::new("Can't be moved", instead))
        })?;
        self.0.mask.learn(&target.schema.attributes, &adopted);
        Ok(wire::move_resource_state::Response {
            target_identity: self.identify(to, &adopted),
            target_state: Some(value::write(&adopted, &target.schema)),
            // What another resource has noted for itself means nothing here.
            target_private: Vec::new(),
            diagnostics: Vec::new(),
        })
    }
}
