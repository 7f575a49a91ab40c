//! States as the CLIs stored them, by the schema of any version.

use super::Server;
use crate::{
    protocol::{json, shape::Shape, wire},
    terraform::{AnyResource, Attribute, Dynamic, Error, Provider, Schema, Stored, remove_write_only},
};

/// A state in JSON, whose secrets are learned as soon as its attributes are known.
pub(super) struct State<'a, F> {
    pub(super) json: &'a [u8],
    pub(super) learn: F,
}

impl<F: Fn(&[Attribute], &Dynamic)> Stored for State<'_, F> {
    fn read(&self, attributes: &[Attribute]) -> Result<Dynamic, Error> {
        let state = json::read(self.json, &Shape::Object(attributes))?;
        (self.learn)(attributes, &state);
        Ok(state)
    }
}

/// Reads a state of a resource that the schema of `version` stored, as today's schema stores it. No number loses a digit on the way.
pub(super) fn read<W>(of: &dyn AnyResource<W>, schema: &Schema, version: i64, stored: &dyn Stored) -> Result<Dynamic, Error> {
    match of.earlier_attributes(version) {
        Some(earlier) => of.upgrade(version, &stored.read(&earlier)?),
        None => stored.read(&schema.attributes),
    }
}

/// The JSON of a stored state. The CLIs send the states of Terraform 0.11 and older in another notation.
pub(super) fn json_of(name: &str, raw: Option<wire::RawState>) -> Result<Vec<u8>, Error> {
    let wire::RawState { json, flatmap } = raw.unwrap_or_default();
    if json.is_empty() && !flatmap.is_empty() {
        return Err(Error::new(
            "State of an old format",
            format!(
                "This {name} was stored in the format of Terraform 0.11 and older, which this provider has never written. Remove it from the \
                 state with `terraform state rm` and import the object."
            ),
        ));
    }
    Ok(json)
}

impl<P: Provider> Server<P> {
    /// A state of this type as it was stored, maybe by an older version.
    pub(super) fn stored(&self, name: &str, version: i64, raw: Option<wire::RawState>) -> Result<Dynamic, Error> {
        let entry = self.catalog().resources.find(name)?;
        super::resource::refuse_newer("State", name, version, entry.schema.version)?;
        let json = json_of(name, raw)?;
        let learn = |attributes: &[Attribute], state: &Dynamic| self.0.mask.learn(attributes, state);
        let mut state = read(&*entry.of, &entry.schema, version, &State { json: &json, learn })?;
        learn(&entry.schema.attributes, &state);
        // An attribute may have become write-only since.
        remove_write_only(&mut state, &entry.schema.attributes);
        Ok(state)
    }
}
