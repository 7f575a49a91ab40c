//! Calls about the objects that exist of a resource type.

use tokio::sync::mpsc;
use tonic::Status;

use super::{Server, judged, resource::identity_data};
use crate::{
    protocol::{answer::masked, diagnostics::diagnostics, mask::Mask, value, wire},
    terraform::{Error, Found, Listed, Provider, Report},
};

/// How many events wait to be sent.
const AHEAD: usize = 16;

/// The events of a listing, by the one rule for its diagnostics: as Terraform drops all that was listed at the first error, one is sent
/// only if nothing was found. What is wrong beside something found, or with one object alone, is a warning.
pub(super) struct Events {
    sender: mpsc::Sender<Result<wire::list_resource::Event, Status>>,
    mask: Mask,
    has_found: bool,
    /// What is wrong so far, until something is found beside it.
    held: Vec<wire::Diagnostic>,
}

impl Events {
    pub(super) fn new(mask: Mask) -> (Self, mpsc::Receiver<Result<wire::list_resource::Event, Status>>) {
        let (sender, receiver) = mpsc::channel(AHEAD);
        (Self { sender, mask, has_found: false, held: Vec::new() }, receiver)
    }

    /// Returns what ends when the CLI hangs up.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + use<> {
        let sender = self.sender.clone();
        async move { sender.closed().await }
    }

    async fn found(&mut self, event: wire::list_resource::Event) -> bool {
        self.has_found = true;
        self.failed(Vec::new()).await;
        self.send(event).await
    }

    async fn failed(&mut self, diagnostics: Vec<wire::Diagnostic>) {
        self.held.extend(diagnostics);
        if self.has_found && !self.held.is_empty() {
            let diagnostic = warnings(std::mem::take(&mut self.held));
            self.send(wire::list_resource::Event { diagnostic, ..Default::default() }).await;
        }
    }

    /// Sends what is wrong with the search itself, once all is found.
    pub(super) async fn finish(mut self, diagnostics: Vec<wire::Diagnostic>) {
        self.failed(diagnostics).await;
        let diagnostic = std::mem::take(&mut self.held);
        if !diagnostic.is_empty() {
            self.send(wire::list_resource::Event { diagnostic, ..Default::default() }).await;
        }
    }

    /// Returns whether the CLI still reads.
    async fn send(&self, mut event: wire::list_resource::Event) -> bool {
        event.diagnostic = masked(event.diagnostic, &self.mask);
        self.sender.send(Ok(event)).await.is_ok()
    }
}

fn warnings(mut diagnostics: Vec<wire::Diagnostic>) -> Vec<wire::Diagnostic> {
    for diagnostic in &mut diagnostics {
        diagnostic.set_severity(wire::diagnostic::Severity::Warning);
    }
    diagnostics
}

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

    /// Sends the events of the objects, and returns what is wrong with the search itself.
    pub(super) async fn list_resource(
        &self,
        request: wire::list_resource::Request,
        events: &mut Events,
    ) -> Result<Vec<wire::Diagnostic>, Error> {
        let listing = self.catalog().listings.find(&request.type_name)?;
        let world = self.configured()?;
        let filter = self.read(request.config, &listing.schema)?;
        // Zero stands for no limit.
        let limit = usize::try_from(request.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let (sender, mut listed) = mpsc::channel(AHEAD);
        let search = listing.of.list(&filter, limit, request.include_resource_object, &world, self.work(), sender);
        let deliver = async {
            while let Some(result) = listed.recv().await {
                match result {
                    Listed::Object(found) => {
                        if !events.found(self.listed(&request.type_name, found)?).await {
                            break;
                        }
                    }
                    Listed::Failed(error) => {
                        let mut report = Report::new();
                        report.error(error);
                        events.failed(diagnostics(report.into_diagnostics())).await;
                    }
                }
            }
            // The end of the search, too, where the CLI hung up or an object can't be written.
            drop(listed);
            Ok(())
        };
        let (ended, delivered) = tokio::join!(search, deliver);
        delivered.map(|()| diagnostics(ended))
    }

    fn listed(&self, type_name: &str, found: Found) -> Result<wire::list_resource::Event, Error> {
        let resource = self.catalog().resources.find(type_name)?;
        self.0.mask.learn(&resource.schema.attributes, &found.state);
        let identity = self.catalog().identities.get(type_name);
        let identity = identity.and_then(|identity| Some(identity_data(identity, &identity.of_import_name(&found.id)?)));
        let mut diagnostic = warnings(diagnostics(found.diagnostics));
        if identity.is_none() {
            // Terraform takes an event with neither an identity nor a warning for an error.
            diagnostic.extend(warnings(diagnostics(without_identity(type_name, &found.id).into_diagnostics())));
        }
        Ok(wire::list_resource::Event {
            identity,
            display_name: found.id,
            resource_object: (!found.state.is_null()).then(|| value::write(&found.state, &resource.schema)),
            diagnostic,
        })
    }
}

fn without_identity(type_name: &str, id: &str) -> Report {
    let mut report = Report::new();
    let detail = format!("The import ID `{id}` of a {type_name} has no identity. This is a defect of the provider: please report it.");
    report.warning(Error::new("Listed without an identity", detail));
    report
}
