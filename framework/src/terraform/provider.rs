//! What a provider is: its configuration, and the world and the resources that come of it.

use async_trait::async_trait;

use super::{
    data_source::AnyDataSource, ephemeral::AnyEphemeral, function::Function, listing::AnyListing, model::Model, parse::Parse,
    resource::erased::AnyResource,
};

/// A provider.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What the resources act on, made from the configuration.
    type World: Send + Sync + 'static;
    /// The configuration's attributes.
    type Model: Model;
    /// The configuration, valid; what is unknown in it stays unknown.
    type Spec: Send + Sync;

    /// The provider's name: `mesh` for `terraform-provider-mesh`.
    fn name(&self) -> &'static str;

    /// Reads the configuration; pure. Unlike a resource's, a provider's configuration can be used while parts of it are unknown.
    fn parse(&self, model: &Self::Model, parse: &mut Parse<'_>) -> Option<Self::Spec>;

    /// Makes the world; connects to nothing.
    fn configure(&self, spec: Self::Spec) -> Self::World;

    /// The resources.
    fn resources(&self) -> Vec<Box<dyn AnyResource<Self::World>>>;

    /// The data sources.
    fn data_sources(&self) -> Vec<Box<dyn AnyDataSource<Self::World>>> {
        Vec::new()
    }

    /// The ephemeral resources.
    fn ephemerals(&self) -> Vec<Box<dyn AnyEphemeral<Self::World>>> {
        Vec::new()
    }

    /// The listings, each of a resource.
    fn listings(&self) -> Vec<Box<dyn AnyListing<Self::World>>> {
        Vec::new()
    }

    /// The functions.
    fn functions(&self) -> Vec<Box<dyn Function>> {
        Vec::new()
    }
}
