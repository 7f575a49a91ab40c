//! The roots that a cluster's workloads trust: the one that signs, and further ones.

use super::{ClusterCa, ClusterCaModel, root::RootSource, source::Source};
use crate::world::World;
use framework::Value;

/// Returns the fingerprints of the roots of a PEM string; empty if it can't be read.
pub(super) fn fingerprints(roots: &str, world: &World) -> Vec<String> {
    world.authority.inspect_all(roots).unwrap_or_default().into_iter().map(|root| root.fingerprint).collect()
}

/// Adds the fingerprints of further roots, PEM, each once.
fn with_trusted(mut all: Vec<String>, trusted: &[String], world: &World) -> Vec<String> {
    for fingerprint in trusted.iter().flat_map(|roots| fingerprints(roots, world)) {
        if !all.contains(&fingerprint) {
            all.push(fingerprint);
        }
    }
    all
}

/// Returns all but the first.
pub(super) fn further(mut all: Vec<String>) -> Vec<String> {
    all.split_off(all.len().min(1))
}

impl ClusterCa {
    /// The roots that the source of the CA brings along, PEM; `None` if they are in a cluster, or any will do.
    fn own_roots(&self) -> Option<&str> {
        match &self.source {
            Source::Issued(issued) => match &issued.root {
                RootSource::Own { certificate, .. } => Some(certificate),
                RootSource::Resource { .. } => None,
            },
            Source::Given(given) => Some(&given.roots),
            Source::External { roots } => roots.as_deref(),
        }
    }

    /// Returns all roots to be written, PEM. `signer` is the root of a `mesh_root_ca`.
    pub(super) fn roots(&self, signer: &str, world: &World) -> String {
        let mut roots = self.own_roots().unwrap_or(signer).to_owned();
        let mut known = fingerprints(&roots, world);
        for root in self.trusted.iter().flat_map(|roots| world.authority.inspect_all(roots).unwrap_or_default()) {
            if !known.contains(&root.fingerprint) {
                roots = format!("{}\n{}", roots.trim_end(), root.pem);
                known.push(root.fingerprint);
            }
        }
        roots
    }

    /// Returns the fingerprints of all wanted roots, in the order in which they are written; `None` if any will do.
    pub(super) fn all_roots(&self, world: &World) -> Option<Vec<String>> {
        let first = match (&self.source, self.own_roots()) {
            (_, Some(roots)) => fingerprints(roots, world),
            (Source::External { .. }, None) => return None,
            (_, None) => vec![self.first_root(world)?],
        };
        Some(with_trusted(first, &self.trusted, world))
    }
}

/// Returns the fingerprints of all roots of a plan or state, in order; `None` as long as one of them is unknown.
pub(super) fn planned_roots(model: &ClusterCaModel, world: &World) -> Option<Vec<String>> {
    let trusted: Option<Vec<String>> = match &model.trusted_roots {
        Value::Null => Some(Vec::new()),
        Value::Unknown => None,
        Value::Value(roots) => roots.iter().map(|root| root.as_ref_option().cloned()).collect(),
    };
    let first = match (&model.root_ca, &model.root_certificate) {
        (Value::Value(root), _) => vec![root.fingerprint.as_ref_option()?.clone()],
        (Value::Null, Value::Value(roots)) => fingerprints(roots, world),
        (Value::Null, Value::Null) => Vec::new(),
        _ => return None,
    };
    Some(with_trusted(first, &trusted?, world))
}
