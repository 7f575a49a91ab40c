//! The state of a resource of another type, which a `moved` block hands over.

use super::super::{
    dynamic::Dynamic,
    model::{Model, decode},
    report::Error,
    schema::Attribute,
    vocabulary::{AttributePath, Value},
};

/// A state as a CLI stored it.
pub trait Stored {
    /// Reads it by a schema with these attributes. Others are ignored.
    fn read(&self, attributes: &[Attribute]) -> Result<Dynamic, Error>;
}

/// The state of a resource of another type, which may be another provider's.
#[derive(Clone, Copy)]
pub struct Foreign<'a> {
    /// Address of its provider: `registry.terraform.io/hashicorp/kubernetes`. The host differs between CLIs and mirrors.
    pub provider: &'a str,
    /// The type's name in HCL.
    pub type_name: &'a str,
    /// Version of the schema that wrote it.
    pub version: i64,
    state: &'a dyn Stored,
}

impl<'a> Foreign<'a> {
    /// A state of this type and version.
    pub fn new(provider: &'a str, type_name: &'a str, version: i64, state: &'a dyn Stored) -> Self {
        Self { provider, type_name, version, state }
    }

    /// Reads the state by a model of its own, which needs to have those attributes only that are of interest.
    pub fn state<M: Model>(&self) -> Result<M, Error> {
        match decode::<M>(&self.state.read(&M::attributes())?, &AttributePath::root())? {
            Value::Value(model) => Ok(model),
            _ => Err(Error::new("Malformed state", format!("The state of the {} is null.", self.type_name))),
        }
    }
}
