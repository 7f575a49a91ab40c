//! What a provider is: its configuration, the world that it makes of it, and its resources.

use std::time::Duration;

use async_trait::async_trait;

use tokio_util::sync::CancellationToken;

use super::{
    action::AnyAction,
    data_source::AnyDataSource,
    ephemeral::AnyEphemeral,
    function::Function,
    listing::AnyListing,
    model::Model,
    parse::Parse,
    report::{Error, Report},
    resource::any::AnyResource,
};
use crate::deadline::Deadline;

/// What a provider learns of the CLI when it is configured, and what it reports to it.
pub struct Setup {
    /// The CLI's version, such as `1.11.4`, for the user agent of requests. Terraform and OpenTofu count their versions apart.
    pub cli_version: String,
    /// Until when, and the user's interrupt.
    pub deadline: Deadline,
    report: Report,
}

impl Setup {
    /// How long a configuration may take.
    const TIMEOUT: Duration = Duration::from_mins(1);

    pub(crate) fn new(cli_version: String, cancel: CancellationToken) -> Self {
        Self { cli_version, deadline: Deadline::after(Self::TIMEOUT, cancel), report: Report::new() }
    }

    /// Warns the user.
    pub fn warn(&mut self, warning: Error) {
        self.report.warning(warning);
    }

    /// Reports an error beside the one that the configuration returns.
    pub fn error(&mut self, error: Error) {
        self.report.error(error);
    }

    pub(crate) fn into_report(self) -> Report {
        self.report
    }
}

/// A provider.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What the resources act on; made from the configuration.
    type World: Send + Sync + 'static;
    /// The configuration's attributes.
    type Model: Model;
    /// The valid configuration; what is unknown in it stays unknown.
    type Spec: Send + Sync;

    /// The provider's name: `mesh` for `terraform-provider-mesh`.
    fn name(&self) -> &'static str;

    /// Reads the configuration; pure. Unlike a resource's, a provider's configuration can be used while parts of it are unknown.
    fn parse(&self, model: &Self::Model, parse: &mut Parse<'_>) -> Option<Self::Spec>;

    /// Makes the world. Each plan and each apply begins with this, also while its clusters can't be reached: it should connect to nothing.
    async fn configure(&self, spec: Self::Spec, setup: &mut Setup) -> Result<Self::World, Error>;

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

    /// The actions.
    fn actions(&self) -> Vec<Box<dyn AnyAction<Self::World>>> {
        Vec::new()
    }

    /// The functions.
    fn functions(&self) -> Vec<Box<dyn Function>> {
        Vec::new()
    }
}
