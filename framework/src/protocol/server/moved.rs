//! A `moved` block that hands an object over from a resource of another type, or of another provider.

use super::{Server, stored};
use crate::{
    protocol::{value, wire},
    terraform::{Attribute, Dynamic, Error, Foreign, Provider},
};

impl<P: Provider> Server<P> {
    pub(super) async fn move_resource_state(
        &self,
        request: wire::move_resource_state::Request,
    ) -> Result<wire::move_resource_state::Response, Error> {
        let to = request.target_type_name.clone();
        let target = self.catalog().resources.find(&to)?;
        let moved = self.moved(request)?;
        Ok(wire::move_resource_state::Response {
            target_identity: self.identify(&to, &moved),
            target_state: Some(value::write(&moved, &target.schema)),
            // What another resource has noted for itself means nothing here.
            target_private: Vec::new(),
            diagnostics: Vec::new(),
        })
    }

    fn moved(&self, request: wire::move_resource_state::Request) -> Result<Dynamic, Error> {
        let (from, to, version) = (&request.source_type_name, &request.target_type_name, request.source_schema_version);
        let provider = request.source_provider_address.as_str();
        // The same type of the same provider, under another address: a fork, or a registry that has moved.
        if from == to && provider.rsplit('/').next() == Some(self.0.provider.name()) {
            return self.stored(to, version, request.source_state);
        }
        let json = stored::json_of(from, request.source_state)?;
        let state = stored::State { json: &json, learn: |attributes: &[Attribute], state: &Dynamic| self.0.mask.learn(attributes, state) };
        let source = Foreign::new(provider, from, version, &state);
        let target = self.catalog().resources.find(to)?;
        let adopted = target.of.adopt(&source).unwrap_or_else(|| {
            let instead = format!("A {to} can't take over a {from}. Import the object instead, and remove the {from} from the state.");
            Err(Error::new("Can't be moved", instead))
        })?;
        self.0.mask.learn(&target.schema.attributes, &adopted);
        Ok(adopted)
    }
}
