//! Names: a name server in each cluster (Services, and the load balancers' names), and one on the WAN (the latter only).

use std::path::Path;

use anyhow::Result;

use crate::{
    cluster::ClusterName,
    command::write_file,
    daemon::Daemon,
    layout::{Layout, WAN_ADDRESS, WAN_NAMESPACE},
};

/// The cluster's name server.
pub(crate) fn configure_cluster(layout: &Layout, cluster: ClusterName, coredns: &Path) -> Result<Daemon> {
    let kubernetes = format!(
        "  kubernetes cluster.local in-addr.arpa ip6.arpa {{\n    kubeconfig {} {cluster}\n  }}\n",
        cluster.kubeconfig(layout).display()
    );
    let file = cluster.folder(layout).join("Corefile");
    configure(layout, &file, &cluster.address().to_string(), &kubernetes)?;
    Ok(daemon(cluster.as_str(), cluster.namespace(), coredns, &file))
}

/// The WAN's name server.
pub(crate) fn configure_wan(layout: &Layout, coredns: &Path) -> Result<Daemon> {
    let file = layout.wan().join("Corefile");
    configure(layout, &file, WAN_ADDRESS, "")?;
    write_file(&layout.wan().join("resolv.conf"), format!("nameserver {WAN_ADDRESS}\n"))?;
    Ok(daemon("wan", WAN_NAMESPACE, coredns, &file))
}

fn configure(layout: &Layout, file: &Path, address: &str, plugins: &str) -> Result<()> {
    let hosts = layout.hosts();
    if !hosts.exists() {
        write_file(&hosts, "")?;
    }
    // A name in neither place does not exist: an answer, not a timeout.
    let text = format!(
        ".:53 {{\n  bind {address}\n  errors\n{plugins}  hosts {} {{\n    ttl 1\n    reload 1s\n    fallthrough\n  }}\n  \
         template ANY ANY {{\n    rcode NXDOMAIN\n  }}\n}}\n",
        hosts.display()
    );
    write_file(file, text)
}

fn daemon(host: &'static str, namespace: &'static str, coredns: &Path, file: &Path) -> Daemon {
    Daemon {
        host,
        name: "coredns",
        namespace,
        program: coredns.to_owned(),
        arguments: vec!["-conf".into(), file.to_string_lossy().into_owned()],
        configuration: vec![file.to_owned()],
    }
}
