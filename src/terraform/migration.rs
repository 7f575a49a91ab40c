//! States that this version of the resource didn't write: those of older versions, and those of other resources.

/// A stored state, before it is read by a schema.
pub type Json = serde_json::Value;

/// The state of a resource of another type, which may be another provider's.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    /// Address of its provider: `registry.terraform.io/hashicorp/kubernetes`. The host differs between CLIs and mirrors.
    pub provider: &'a str,
    /// The type's name in HCL.
    pub type_name: &'a str,
    /// Version of the schema that wrote it.
    pub version: i64,
    /// Its attributes.
    pub state: &'a Json,
}
