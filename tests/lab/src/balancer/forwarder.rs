//! Makes a load balancer's address work: forwards its ports to the nodes.
//!
//! An address that is in the Service's status is the node's: kube-proxy does the rest. Of one behind a hostname kube-proxy knows nothing;
//! there the balancer itself takes the connections, on the WAN, and carries them to the Service's node ports, as proxying clouds do.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Service;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinHandle,
};

use super::ledger::Lease;
use crate::{cluster::ClusterName, layout::WAN_NAMESPACE};

/// The addresses of one cluster that work at present.
#[derive(Debug)]
pub(super) struct Forwarder {
    cluster: ClusterName,
    routes: BTreeMap<String, Route>,
}

#[derive(Debug)]
struct Route {
    lease: Lease,
    ports: Vec<(u16, u16)>,
    listeners: Vec<JoinHandle<()>>,
}

impl Forwarder {
    /// Starts without addresses, and removes those that an earlier balancer left.
    pub(super) async fn new(cluster: ClusterName) -> Result<Self> {
        let (first, end) = cluster.pool();
        for (namespace, device) in [(cluster.namespace(), "wan0"), (WAN_NAMESPACE, "br0")] {
            for address in addresses(namespace, device).await? {
                if (first..=end).contains(&address) {
                    address_command("delete", namespace, device, address).await?;
                }
            }
        }
        Ok(Self { cluster, routes: BTreeMap::new() })
    }

    /// Sees to it that the lease's address works, with the Service's ports as they are now.
    pub(super) async fn open(&mut self, name: &str, lease: &Lease, service: &Service) -> Result<()> {
        let ports = if lease.hostname.is_some() { node_ports(service) } else { Vec::new() };
        if self.routes.get(name).is_some_and(|route| route.lease == *lease && route.ports == ports) {
            return Ok(());
        }
        self.close(name).await?;
        let (namespace, device) = self.place(lease);
        address_command("replace", namespace, device, lease.address).await?;
        let mut listeners = Vec::new();
        for (port, node_port) in &ports {
            let listener = TcpListener::bind((lease.address, *port)).await?;
            let target = SocketAddr::from((self.cluster.address(), *node_port));
            listeners.push(tokio::spawn(forward(listener, target)));
        }
        self.routes.insert(name.to_owned(), Route { lease: lease.clone(), ports, listeners });
        Ok(())
    }

    /// The address works no more.
    pub(super) async fn close(&mut self, name: &str) -> Result<()> {
        if let Some(route) = self.routes.remove(name) {
            for listener in &route.listeners {
                listener.abort();
            }
            let (namespace, device) = self.place(&route.lease);
            address_command("delete", namespace, device, route.lease.address).await?;
        }
        Ok(())
    }

    fn place(&self, lease: &Lease) -> (&'static str, &'static str) {
        match lease.hostname {
            Some(_) => (WAN_NAMESPACE, "br0"),
            None => (self.cluster.namespace(), "wan0"),
        }
    }
}

fn node_ports(service: &Service) -> Vec<(u16, u16)> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let pair = |port: &k8s_openapi::api::core::v1::ServicePort| {
        let node_port = u16::try_from(port.node_port?).ok()?;
        Some((u16::try_from(port.port).ok()?, node_port))
    };
    ports.iter().filter_map(pair).collect()
}

async fn forward(listener: TcpListener, target: SocketAddr) {
    while let Ok((mut client, _)) = listener.accept().await {
        tokio::spawn(async move {
            // The client sees a closed connection, as with a cloud's balancer without healthy targets.
            if let Ok(mut server) = TcpStream::connect(target).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

async fn addresses(namespace: &str, device: &str) -> Result<Vec<Ipv4Addr>> {
    let shown = ip(&["-n", namespace, "-4", "-o", "addr", "show", "dev", device]).await?;
    // 2: wan0    inet 198.51.100.11/24 scope global wan0 …
    let addresses = shown.lines().filter_map(|line| {
        let address = line.split_whitespace().nth(3)?;
        address.split('/').next()?.parse().ok()
    });
    Ok(addresses.collect())
}

async fn address_command(verb: &str, namespace: &str, device: &str, address: Ipv4Addr) -> Result<()> {
    ip(&["-n", namespace, "addr", verb, &format!("{address}/32"), "dev", device]).await.map(drop)
}

async fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(arguments).output().await?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
