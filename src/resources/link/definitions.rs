//! The definitions of the Gateway API, without which a cluster can't have a link: those that it has, or those that the configuration gives.

use futures::future::try_join_all;
use serde_json::Value as Json;

use super::NetworkLink;
use crate::{
    mesh::gateway_api::{Definitions, VERSION, definition_of_links, is_established, serves_v1},
    ports::{Failure, FailureKind},
    world::World,
};
use framework::{AttributePath, Cx, Error};

impl NetworkLink {
    /// Fails if the cluster doesn't know the Gateway API and the configuration doesn't give its definitions. Without the permission to see
    /// definitions, the write of the link shows it.
    pub(super) async fn ensure_definitions(&self, cx: &Cx<'_, World>) -> Result<(), Error> {
        match self.on(cx).get(&definition_of_links()).await {
            Ok(Some(live)) if serves_v1(&live) => Ok(()),
            Ok(Some(_)) => Err(self.outdated()),
            Err(failure) if failure.kind == FailureKind::Denied && self.definitions.is_none() => Ok(()),
            Err(failure) => Err(failure.into()),
            Ok(None) => match &self.definitions {
                Some(definitions) => self.install(definitions, cx).await.map_err(Error::from),
                None => Err(self.missing()),
            },
        }
    }

    /// Creates the definitions that are missing. Those that are there stay as they are: another controller may need their version.
    async fn install(&self, definitions: &Definitions, cx: &Cx<'_, World>) -> Result<(), Failure> {
        let cluster = self.on(cx);
        try_join_all(definitions.others.iter().map(|definition| cluster.create(definition))).await?;
        cluster.create(&definitions.of_links).await?;
        let is_there = |live: Option<&Json>| live.is_some_and(is_established);
        cluster.wait(&definition_of_links(), "the API server to take up the definitions of the Gateway API", &is_there).await.map(drop)
    }

    fn missing(&self) -> Error {
        Error::new(
            "The Gateway API is not installed",
            format!(
                "Cluster \"{0}\" has no {1}, so it can't have the Gateway that leads to network \"{2}\". Set `gateway_api_crds_wo` to the \
                 definitions of the Gateway API, which Istio's charts don't bring, or install them, and apply again; istiod need not be \
                 restarted:\n\n\
                 kubectl apply -f https://github.com/kubernetes-sigs/gateway-api/releases/download/{VERSION}/standard-install.yaml\n\n\
                 Without them, leave the mesh_link out, and let the exports have the gateway's addresses: \
                 `gateway = mesh_eastwest_gateway.<name>`, and no `network`.",
                self.cluster,
                definition_of_links(),
                self.link.network
            ),
        )
        .at(AttributePath::new("cluster"))
    }

    fn outdated(&self) -> Error {
        Error::new(
            "The Gateway API is too old",
            format!(
                "{} of cluster \"{}\" doesn't serve the version v1, with which the Gateway that leads to network \"{}\" is written. Update the \
                 definitions to {VERSION} where they come from: other controllers of the cluster may depend on them.",
                definition_of_links(),
                self.cluster,
                self.link.network
            ),
        )
        .at(AttributePath::new("cluster"))
    }
}
