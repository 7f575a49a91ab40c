//! The Secret `cacerts` as it is, compared with what is wanted: what can't stay, and what only needs to be rewritten.

use serde_json::Value as Json;

use super::{ClusterCa, root::RootSource, roots::fingerprints, source::Source};
use crate::{
    data::{CaBundle, CaPath, CaUse, Certificate},
    mesh::{labels, trust},
    world::World,
};
use framework::Cx;

/// The Secret as it is.
#[derive(Default)]
pub(super) struct Live {
    /// Its contents, if they can be read.
    pub(super) bundle: Option<CaBundle>,
    /// The path to the root, if it verifies.
    path: Option<CaPath>,
    /// The roots to be written with this CA, PEM.
    roots: Option<String>,
    /// Why istiod can't go on with this CA.
    pub(super) unusable: Vec<String>,
    /// What differs, although the CA can stay.
    untidy: Vec<String>,
}

impl Live {
    /// All differences.
    pub(super) fn drift(&self) -> Vec<String> {
        self.unusable.iter().chain(&self.untidy).map(|line| format!("Secret cacerts: {line}")).collect()
    }

    /// The same CA as the provider writes it; `None` unless it can stay.
    pub(super) fn tidied(self) -> Option<CaBundle> {
        match (self.unusable.is_empty(), self.bundle, self.path) {
            (true, Some(bundle), Some(path)) if !self.untidy.is_empty() => {
                let certificate = Certificate { certificate: path.0.first()?.pem.clone(), key: bundle.key.clone() };
                Some(trust::bundle(&certificate, &between(&path), self.roots.as_deref().unwrap_or(&bundle.roots)))
            }
            (true, bundle, Some(_)) => bundle,
            _ => None,
        }
    }
}

/// The certificates between a CA and its root, PEM.
pub(super) fn between(path: &CaPath) -> String {
    let inner = path.0.len().saturating_sub(1);
    path.0.get(1..inner).unwrap_or_default().iter().map(|facts| facts.pem.as_str()).collect()
}

impl ClusterCa {
    /// The conditions under which the CA has to verify.
    pub(super) fn purpose(&self, world: &World) -> CaUse {
        CaUse { at: world.clock.now(), namespace: Some(self.namespace.to_string()), trust_domain: None }
    }

    /// The fingerprint of the first wanted root.
    pub(super) fn first_root(&self, world: &World) -> Option<String> {
        let roots = match &self.source {
            Source::Issued(issued) => match &issued.root {
                RootSource::Resource { fingerprint, .. } => return Some(fingerprint.clone()),
                RootSource::Own { certificate, .. } => certificate,
            },
            Source::Given(given) => &given.roots,
            Source::External { roots } => roots.as_ref()?,
        };
        world.authority.inspect(roots).ok().map(|facts| facts.fingerprint)
    }

    /// The wanted roots' fingerprints, in order of their bytes; `None` if any root will do.
    pub(super) fn wanted_roots(&self, world: &World) -> Option<Vec<String>> {
        let roots = match &self.source {
            Source::Issued(issued) => match &issued.root {
                RootSource::Resource { fingerprint, .. } => return Some(vec![fingerprint.clone()]),
                RootSource::Own { certificate, .. } => certificate,
            },
            Source::Given(given) => &given.roots,
            Source::External { roots } => roots.as_ref()?,
        };
        Some(sorted(fingerprints(roots, world)))
    }

    /// Compares the Secret with what is wanted.
    pub(super) fn compare(&self, secret: &Json, cx: &Cx<'_, World>) -> Live {
        let world = cx.world;
        let mut live = Live::default();
        if !matches!(self.source, Source::External { .. }) && !labels::is_ours(secret) {
            live.untidy.push("its label says that this provider doesn't manage it".to_owned());
        }
        let bundle = match trust::read_cacerts(secret) {
            Ok(bundle) => bundle,
            Err(problem) => {
                live.unusable.push(problem);
                return live;
            }
        };
        match world.authority.verify(&bundle, &self.purpose(world)) {
            Ok(path) => {
                self.compare_chain(&bundle, &path, &mut live, world);
                live.roots = path.root().map(|root| self.roots(&root.pem, world));
                live.path = Some(path);
            }
            Err(flaw) => live.unusable.push(format!("{}: {flaw}", trust::key_of(secret, flaw.part))),
        }
        let found = fingerprints(&bundle.roots, world);
        if let Some(wanted) = self.all_roots(world)
            && sorted(wanted.clone()) != sorted(found.clone())
        {
            let key = trust::key_of(secret, crate::data::CaPart::Roots);
            let line = format!("{key}: the roots with the fingerprints {} wanted, {} found", wanted.join(", "), found.join(", "));
            let signer = live.path.as_ref().and_then(CaPath::root).map(|root| root.fingerprint.clone());
            let is_external = matches!(self.source, Source::External { .. });
            // With other further roots the CA itself can stay.
            let can_stay = !is_external && self.wanted_roots(world).is_some_and(|own| signer.is_some_and(|signer| own.contains(&signer)));
            if can_stay { live.untidy.push(line) } else { live.unusable.push(line) }
        }
        if let (Source::Given(given), Ok(found)) = (&self.source, world.authority.inspect(&bundle.certificate))
            && world.authority.inspect(&given.certificate).is_ok_and(|wanted| wanted.fingerprint != found.fingerprint)
        {
            live.unusable
                .push(format!("ca-cert.pem: it is not `intermediate_certificate`, but the certificate of \"{}\"", found.subject.text));
        }
        live.bundle = Some(bundle);
        live
    }

    /// Compares what workloads present with the path from the CA to its root, the root itself being optional.
    fn compare_chain(&self, bundle: &CaBundle, path: &CaPath, live: &mut Live, world: &World) {
        let fingerprint = |facts: &crate::data::CertificateFacts| facts.fingerprint.clone();
        let path: Vec<_> = path.0.iter().map(fingerprint).collect();
        let chain: Vec<_> = world.authority.inspect_all(&bundle.chain).unwrap_or_default().iter().map(fingerprint).collect();
        let without_root = path.len().saturating_sub(1).max(1);
        if matches!(self.source, Source::External { .. }) {
            if chain.first() != path.first() {
                live.unusable.push("cert-chain.pem: it doesn't begin with ca-cert.pem, so workloads can't be verified".to_owned());
            }
        } else if chain != path && chain != path[..without_root] {
            live.untidy.push("cert-chain.pem: it isn't the path from ca-cert.pem to the root".to_owned());
        }
    }
}

fn sorted(mut fingerprints: Vec<String>) -> Vec<String> {
    fingerprints.sort_unstable();
    fingerprints.dedup();
    fingerprints
}
