//! The hosts that a run has planned so far, found by what two of them can conflict in. A thousand exports are half a million pairs, nearly all of
//! which have nothing in common.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::hosts::{PlannedHost, Source};
use crate::mesh::{Host, Vip};

/// What hosts that conflict have in common.
#[derive(PartialEq, Eq, Hash)]
enum Common {
    Name(Host),
    Address(Vip),
}

#[derive(Default)]
pub(super) struct KnownHosts {
    hosts: BTreeMap<Source, PlannedHost>,
    sources: HashMap<Common, BTreeSet<Source>>,
}

impl KnownHosts {
    pub(super) fn all(&self) -> impl Iterator<Item = &PlannedHost> {
        self.hosts.values()
    }

    /// Adds a host, in place of what its source was planned with before.
    pub(super) fn insert(&mut self, host: PlannedHost) {
        if let Some(before) = self.hosts.remove(&host.source) {
            for common in commons(&before) {
                self.sources.entry(common).or_default().remove(&before.source);
            }
        }
        for common in commons(&host) {
            self.sources.entry(common).or_default().insert(host.source.clone());
        }
        self.hosts.insert(host.source.clone(), host);
    }

    /// Returns the hosts of other sources that have the name or an address of this one.
    pub(super) fn near(&self, host: &PlannedHost) -> Vec<&PlannedHost> {
        let sources: BTreeSet<_> = commons(host).filter_map(|common| self.sources.get(&common)).flatten().collect();
        sources.into_iter().filter(|source| **source != host.source).filter_map(|source| self.hosts.get(source)).collect()
    }
}

fn commons(host: &PlannedHost) -> impl Iterator<Item = Common> {
    std::iter::once(Common::Name(host.host().clone())).chain(host.addresses().map(Common::Address))
}
