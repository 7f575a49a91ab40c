//! Which Service has which address: kept on disk, so that a restarted balancer assigns no address twice.

use std::{collections::BTreeMap, fs, net::Ipv4Addr, path::PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{cluster::ClusterName, command::write_file, layout::Layout};

/// The address of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    /// Set if the Service was answered with a name.
    pub(super) hostname: Option<String>,
    /// How many moves it has made.
    pub(super) moves: u64,
    /// The Service's identity: one of the same name may come later.
    pub(super) uid: String,
}

/// The leases of one cluster by `namespace/name`.
#[derive(Debug)]
pub(super) struct Ledger {
    file: PathBuf,
    cluster: ClusterName,
    entries: Entries,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Entries {
    leases: BTreeMap<String, Lease>,
    /// The last assigned address: a freed one is reused as late as possible.
    last: Option<Ipv4Addr>,
}

impl Ledger {
    pub(super) fn open(layout: &Layout, cluster: ClusterName) -> Self {
        let file = layout.state.join("balancer").join(format!("{cluster}-leases.json"));
        let entries = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { file, cluster, entries: entries.unwrap_or_default() }
    }

    pub(super) fn get(&self, service: &str) -> Option<&Lease> {
        self.entries.leases.get(service)
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = (&String, &Lease)> {
        self.entries.leases.iter()
    }

    /// Gives the Service an address (another one, if it has one already).
    pub(super) fn lease(&mut self, service: &str, uid: &str, by_name: bool, moves: u64) -> Result<Lease> {
        let (first, end) = self.cluster.pool();
        let (first, end) = (u32::from(first), u32::from(end));
        let size = end - first + 1;
        let start = self.entries.last.map_or(0, |last| u32::from(last) - first + 1);
        let address = (0..size)
            .map(|offset| Ipv4Addr::from(first + (start + offset) % size))
            .find(|address| self.entries.leases.values().all(|lease| lease.address != *address))
            .context("no address is free")?;
        let number = u32::from(address) - first + 1;
        let hostname = by_name.then(|| format!("{}-{number}.lb.example", self.cluster));
        let lease = Lease { address, hostname, moves, uid: uid.to_owned() };
        self.entries.last = Some(address);
        self.entries.leases.insert(service.to_owned(), lease.clone());
        self.save()?;
        Ok(lease)
    }

    pub(super) fn free(&mut self, service: &str) -> Result<()> {
        self.entries.leases.remove(service);
        self.save()
    }

    fn save(&self) -> Result<()> {
        write_file(&self.file, serde_json::to_vec_pretty(&self.entries)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{ClusterName, Layout, Ledger};

    fn mk_ledger(name: &str) -> Ledger {
        let state: PathBuf = std::env::temp_dir().join(format!("mesh-lab-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&state);
        Ledger::open(&Layout { cache: state.clone(), state }, ClusterName::Eu)
    }

    #[test]
    fn a_freed_address_is_not_the_next_one() {
        let mut ledger = mk_ledger("ledger");
        let first = ledger.lease("a/a", "1", false, 0).unwrap();
        assert_eq!(first.address.to_string(), "198.51.100.129");
        ledger.free("a/a").unwrap();
        let second = ledger.lease("a/a", "2", true, 0).unwrap();
        assert_eq!(second.address.to_string(), "198.51.100.130");
        assert_eq!(second.hostname.as_deref(), Some("eu-2.lb.example"));
        let moved = ledger.lease("a/a", "2", true, 1).unwrap();
        assert_ne!(moved.address, second.address);
    }
}
