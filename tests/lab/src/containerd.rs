//! The container runtime of one cluster: its configuration, and the pods' network.

use std::{
    fs,
    io::ErrorKind,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::json;

use crate::{
    cluster::ClusterName,
    command::write_file,
    daemon::Daemon,
    image::PAUSE,
    layout::{Layout, REGISTRY, RUN_FOLDER},
    machine::CNI_FOLDER,
};

/// The pods' addresses: the same in all clusters.
pub(crate) const POD_RANGE: &str = "10.10.0.0/16";

/// Where containerd keeps its socket and the pods' namespaces.
fn run_folder(cluster: ClusterName) -> PathBuf {
    Path::new(RUN_FOLDER).join(cluster.as_str())
}

pub(crate) fn socket(cluster: ClusterName) -> PathBuf {
    run_folder(cluster).join("containerd.sock")
}

/// Writes the configuration; the daemon to run with it.
pub(crate) fn configure(layout: &Layout, cluster: ClusterName) -> Result<Daemon> {
    let folder = cluster.folder(layout);
    let file = folder.join("containerd.toml");
    write_file(&file, render(&folder, cluster))?;
    write_file(&folder.join("cni/10-mesh.conflist"), render_network(&folder)?)?;
    let registry = format!("server = \"http://{REGISTRY}\"\n\n[host.\"http://{REGISTRY}\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
    write_file(&folder.join("registries").join(REGISTRY).join("hosts.toml"), registry)?;
    fs::create_dir_all(run_folder(cluster))?;
    Ok(Daemon {
        host: cluster.as_str(),
        name: "containerd",
        namespace: cluster.namespace(),
        program: "containerd".into(),
        arguments: vec!["--config".into(), file.to_string_lossy().into_owned()],
        configuration: vec![file],
    })
}

/// The shims' sockets are in a folder that cannot be chosen, and that a containerd of the machine's own would share.
const SHIM_FOLDER: &str = "/run/containerd/s";

/// Removes the sockets of dead shims, and their folders if nothing else uses them.
pub(crate) fn remove_dead_sockets() {
    for entry in fs::read_dir(SHIM_FOLDER).into_iter().flatten().flatten() {
        let dead = UnixStream::connect(entry.path()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        if dead {
            let _ = fs::remove_file(entry.path());
        }
    }
    for folder in [Path::new(SHIM_FOLDER), Path::new("/run/containerd")] {
        // A folder in use is not empty, and stays.
        let _ = fs::remove_dir(folder);
    }
}

fn render(folder: &Path, cluster: ClusterName) -> String {
    // TOML's strings are written like Rust's.
    let quote = |path: PathBuf| format!("{:?}", path.to_string_lossy());
    let root = quote(folder.join("containerd"));
    let state = quote(run_folder(cluster).join("containerd"));
    format!(
        r#"version = 2
root = {root}
state = {state}
# What the lab has no use for, and what would look for things on the machine.
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
address = {socket}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
# Containers of users lack the right to lower a process's out-of-memory score.
restrict_oom_score_adj = true
# The pods' namespaces are then mounts of ours, and go with the rest.
netns_mounts_under_state_dir = true
disable_apparmor = true
stream_server_address = "127.0.0.1"
max_concurrent_downloads = 6

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_FOLDER}"
conf_dir = {cni}

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = {registries}

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = {runc}
"#,
        socket = quote(socket(cluster)),
        runc = quote(run_folder(cluster).join("runc")),
        cni = quote(folder.join("cni")),
        registries = quote(folder.join("registries")),
    )
}

fn render_network(folder: &Path) -> Result<Vec<u8>> {
    let network = json!({
        "cniVersion": "1.0.0",
        "name": "mesh",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": folder.join("addresses"),
                    "ranges": [[{"subnet": POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    Ok(serde_json::to_vec_pretty(&network)?)
}
