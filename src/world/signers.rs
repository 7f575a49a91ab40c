//! Looks at the CA that each pod of istiod signs with.

use futures::future::join_all;
use serde_json::Value as Json;

use super::LiveCluster;
use crate::{
    data::CertificateFacts,
    mesh::{pod, signer},
    ports::{Failure, Hello},
};

/// What a pod of istiod signs with.
pub(crate) struct Signer {
    /// The pod's name.
    pub(crate) pod: String,
    /// The certificate of its CA; `None` if it isn't among those that istiod presents, and no root that it serves.
    pub(crate) certificate: Result<Option<CertificateFacts>, Failure>,
}

impl LiveCluster<'_> {
    /// Asks those of istiod's pods that serve, all at the same time. `roots` are those that istiod serves.
    pub(crate) async fn signers(self, pods: &[Json], roots: &[CertificateFacts]) -> Vec<Signer> {
        let hello = &Hello { port: signer::PORT, server_name: signer::SERVER_NAME.to_owned(), protocol: None };
        let ask = async |pod| {
            let presented = self.presented(&pod, hello).await?;
            let presented = self.world().authority.inspect_all(&presented)?;
            Ok(signer::of(&presented, roots).cloned())
        };
        join_all(pod::serving(pods).into_iter().map(|pod| async move { Signer { pod: pod.name.clone(), certificate: ask(pod).await } }))
            .await
    }
}
