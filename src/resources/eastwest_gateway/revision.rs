//! The revision of istiod that a gateway asks for: there must be one, or the pods would wait for their proxy for ever.

use std::collections::BTreeSet;

use super::EastwestGateway;
use crate::{
    data::Kind,
    mesh::{
        inventory::INJECTORS,
        names::{REVISION_LABEL, TAG_LABEL},
    },
    world::World,
};
use framework::{AttributePath, Cx, Error};

impl EastwestGateway {
    /// Refuses a revision that no istiod of the cluster has, neither by its name nor by a tag.
    pub(super) async fn check_revision(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        let Some(wanted) = &self.gateway.revision else { return Ok(()) };
        let injectors = self.on(cx).list_metadata(Kind::MUTATING_WEBHOOK, None, INJECTORS).await?;
        let labels =
            injectors.iter().flat_map(|injector| [REVISION_LABEL, TAG_LABEL].map(|label| injector["metadata"]["labels"][label].as_str()));
        let found: BTreeSet<_> = labels.flatten().collect();
        if found.contains(wanted.as_str()) {
            return Ok(());
        }
        let found = if found.is_empty() {
            "No istiod was found.".to_owned()
        } else {
            format!("There are: {}.", found.into_iter().collect::<Vec<_>>().join(", "))
        };
        let detail = format!(
            "Cluster \"{}\" has no istiod of the revision {wanted}, so nothing would inject the proxy into the gateway's pods. {found} Apply the \
             mesh_cluster with this revision as its `canary` first.",
            self.cluster
        );
        Err(Error::new("Unknown revision of istiod", detail).at(AttributePath::new("revision")))
    }
}
