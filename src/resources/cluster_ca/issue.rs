//! The bundle to be written: issued by the root, or put together from what the user gives. It verifies, or it is an error.

use serde_json::{Value as Json, json};

use super::{
    super::authority::read_root,
    ClusterCa,
    live::between,
    plan::at_attribute,
    root::{RootSource, check_root},
    source::{Given, Issued, Source},
};
use crate::{
    data::{CaBundle, Certificate},
    mesh::trust,
    world::{ClusterAccess, World},
};
use framework::{AttributePath, Cx, Error, Report};

impl ClusterCa {
    /// Makes a bundle. `live` is the one in place, whose key may still be of use.
    pub(super) async fn make(&self, live: Option<&CaBundle>, cx: &Cx<'_, World>) -> Result<CaBundle, Error> {
        let bundle = match &self.source {
            Source::Issued(issued) => {
                let root = load_root(issued, cx).await?;
                let intermediate = cx.world.authority.issue_intermediate(&root, &issued.wanted)?;
                trust::bundle(&intermediate, "", &self.roots(&root.certificate, cx.world))
            }
            Source::Given(given) => self.assemble(given, live, cx).await?,
            Source::External { .. } => return Err(Error::new("External CA", "An external CA is never written.")),
        };
        cx.world.authority.verify(&bundle, &self.purpose(cx.world)).map_err(at_attribute)?;
        Ok(bundle)
    }

    async fn assemble(&self, given: &Given, live: Option<&CaBundle>, cx: &Cx<'_, World>) -> Result<CaBundle, Error> {
        let authority = &cx.world.authority;
        let key = match (&given.key, live, &given.request) {
            (Some(key), ..) => authority.plain_key(key).map_err(at_attribute)?,
            (None, Some(live), _) if authority.key_matches(&given.certificate, &live.key).unwrap_or_default() => live.key.clone(),
            (None, _, Some(request)) => request.key_for(&given.certificate, cx).await?,
            _ => return Err(no_key("intermediate_private_key_wo", "the intermediate can't be written without its key")),
        };
        let path = authority.verify_path(&given.certificate, &given.chain, &given.roots, &self.purpose(cx.world)).map_err(at_attribute)?;
        let certificate = path.0.first().map(|facts| facts.pem.clone()).unwrap_or_default();
        Ok(trust::bundle(&Certificate { certificate, key }, &between(&path), &self.roots(&given.roots, cx.world)))
    }

    /// What the Secret's annotation records: the request that its CA was issued for.
    pub(super) fn record(&self, world: &World) -> Json {
        let roots = self.wanted_roots(world);
        match &self.source {
            Source::Issued(issued) => {
                let (subject, version) = (&issued.wanted.subject, issued.root.version());
                json!({
                    "roots": roots, "common_name": subject.common_name, "organization": subject.organization,
                    "key_algorithm": subject.algorithm.name(), "validity_days": issued.wanted.validity.as_secs() / 86_400, "version": version,
                })
            }
            Source::Given(_) | Source::External { .. } => json!({"roots": roots, "ready_made": true}),
        }
    }
}

/// The error of a key that is needed and not set.
pub(super) fn no_key(attribute: &'static str, reason: &str) -> Error {
    Error::new(
        format!("Missing {attribute}"),
        format!("Set `{attribute}`: {reason}. Set it also if it was set before, as its value is stored nowhere."),
    )
    .at(AttributePath::new(attribute))
}

/// The root with its key.
async fn load_root(issued: &Issued, cx: &Cx<'_, World>) -> Result<Certificate, Error> {
    let (cluster, secret, fingerprint) = match &issued.root {
        RootSource::Resource { cluster, secret, fingerprint } => (cluster, secret, fingerprint),
        RootSource::Own { certificate, key: Some(key), .. } => {
            let mut report = Report::new();
            check_root(cx.world, certificate, Some(key), &mut report);
            report.into_result()?;
            return Ok(Certificate { certificate: certificate.clone(), key: key.clone() });
        }
        RootSource::Own { key: None, .. } => return Err(no_key("root_private_key_wo", "a new intermediate has to be signed")),
    };
    let error = |problem: String| Error::new("No root CA to sign with", problem).at(AttributePath::new("root_ca"));
    let root = read_root(cx.cluster(cluster), secret)
        .await?
        .ok_or_else(|| error(format!("Cluster \"{cluster}\" has no {secret}: it was removed since the plan. Plan again.")))?;
    let found = cx.world.authority.inspect(&root.certificate)?.fingerprint;
    if found == *fingerprint {
        Ok(root)
    } else {
        Err(error(format!(
            "{secret} of cluster \"{cluster}\" holds the root with the fingerprint {found}, and the plan was made for {fingerprint}. Nothing was \
             signed. Plan again, and check that both are meant."
        )))
    }
}
