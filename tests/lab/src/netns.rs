//! The networks: one host for each cluster, and a WAN between them. No packet of theirs leaves the machine.
//!
//! ```text
//!  mesh-us ── wan0 (198.51.100.11) ──┐
//!                                    ├── br0 (198.51.100.1) in mesh-wan
//!  mesh-eu ── wan0 (198.51.100.12) ──┘
//! ```
//! All clusters use the same pod and service addresses: there is no flat network that could carry a call by accident.

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::{
    cluster::ClusterName,
    command::{in_namespace, run},
    layout::{Layout, WAN_ADDRESS, WAN_NAMESPACE},
};

const FOLDER: &str = "/run/netns";

/// All namespaces that a lab can have.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(WAN_NAMESPACE).chain(ClusterName::ALL.into_iter().map(ClusterName::namespace))
}

fn file(namespace: &str) -> PathBuf {
    Path::new(FOLDER).join(namespace)
}

/// Whether the file is a namespace: after a reboot or a crash an empty file may be left where one was mounted.
fn is_alive(namespace: &str) -> bool {
    fs::metadata(file(namespace)).is_ok_and(|found| found.ino() > 1)
        && fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| {
            let point = format!(" {FOLDER}/{namespace} ");
            mounts.contains(&point)
        })
}

/// The identities of the lab's namespaces, as found in /proc/ID/ns/net.
pub(crate) fn inodes() -> BTreeSet<u64> {
    names().filter(|name| is_alive(name)).filter_map(|name| Some(fs::metadata(file(name)).ok()?.ino())).collect()
}

/// Makes what is missing. True if anything was.
pub(crate) fn ensure(layout: &Layout) -> Result<bool> {
    let mut changed = false;
    for name in std::iter::once(WAN_NAMESPACE).chain(ClusterName::of(layout).map(ClusterName::namespace)) {
        if !is_alive(name) {
            if file(name).exists() {
                fs::remove_file(file(name))?;
            }
            ip(&["netns", "add", name])?;
            changed = true;
        }
        ip(&["-n", name, "link", "set", "lo", "up"])?;
    }
    if !has_link(WAN_NAMESPACE, "br0") {
        ip(&["-n", WAN_NAMESPACE, "link", "add", "br0", "type", "bridge"])?;
        changed = true;
    }
    let address = format!("{WAN_ADDRESS}/24");
    ip(&["-n", WAN_NAMESPACE, "addr", "replace", &address, "dev", "br0"])?;
    ip(&["-n", WAN_NAMESPACE, "link", "set", "br0", "up"])?;
    for cluster in ClusterName::of(layout) {
        changed |= ensure_uplink(cluster)?;
    }
    Ok(changed)
}

fn ensure_uplink(cluster: ClusterName) -> Result<bool> {
    let (inner, port) = (cluster.namespace(), port(cluster));
    let missing = !has_link(inner, "wan0");
    if missing {
        ip(&["link", "add", "wan0", "netns", inner, "type", "veth", "peer", "name", &port, "netns", WAN_NAMESPACE])?;
    }
    ip(&["-n", WAN_NAMESPACE, "link", "set", &port, "master", "br0", "up"])?;
    let address = format!("{}/24", cluster.address());
    ip(&["-n", inner, "addr", "replace", &address, "dev", "wan0"])?;
    ip(&["-n", inner, "link", "set", "wan0", "up"])?;
    ip(&["-n", inner, "route", "replace", "default", "via", WAN_ADDRESS])?;
    // Pods reach the WAN through their node; the WAN's host passes nothing on.
    set_forwarding(inner, true)?;
    set_forwarding(WAN_NAMESPACE, false)?;
    Ok(missing)
}

fn set_forwarding(namespace: &str, on: bool) -> Result<()> {
    let script = format!("echo {} > /proc/sys/net/ipv4/ip_forward", u8::from(on));
    run(in_namespace(namespace, "sh").args(["-c", &script])).map(drop)
}

fn port(cluster: ClusterName) -> String {
    format!("p-{cluster}")
}

fn has_link(namespace: &str, link: &str) -> bool {
    ip(&["-n", namespace, "link", "show", link]).is_ok()
}

/// Cuts a cluster off the WAN, or joins it again.
pub(crate) fn set_uplink(cluster: ClusterName, up: bool) -> Result<()> {
    let state = if up { "up" } else { "down" };
    ip(&["-n", WAN_NAMESPACE, "link", "set", &port(cluster), state])
}

/// Removes the namespaces, with everything in them. Returns those that could not be removed.
pub(crate) fn remove() -> Vec<PathBuf> {
    for name in names().filter(|name| file(name).exists()) {
        if ip(&["netns", "delete", name]).is_err() {
            let _ = nix::mount::umount2(&file(name), nix::mount::MntFlags::MNT_DETACH);
            let _ = fs::remove_file(file(name));
        }
    }
    // `ip netns add` mounts the folder onto itself; when no other namespace is left there, that goes too.
    let empty = fs::read_dir(FOLDER).is_ok_and(|mut entries| entries.next().is_none());
    if empty {
        let _ = nix::mount::umount2(FOLDER, nix::mount::MntFlags::empty());
        let _ = fs::remove_dir(FOLDER);
    }
    names().map(file).filter(|file| file.exists()).collect()
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments)).map(drop)
}

/// Whether something listens at the address, seen from the WAN.
pub(crate) fn is_listening(address: &str) -> bool {
    let Ok(address) = address.parse::<SocketAddr>() else {
        return false;
    };
    inside(WAN_NAMESPACE, move || Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1))?)).is_ok()
}

/// Does something on a thread inside a namespace; what it opens stays there.
fn inside<T: Send + 'static>(namespace: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let namespace = fs::File::open(file(namespace)).context("the lab's network is not up")?;
    let thread = std::thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        work()
    });
    thread.join().map_err(|_| anyhow!("a thread failed"))?
}
