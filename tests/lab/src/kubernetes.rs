//! Kubernetes itself: the daemons of one cluster, from etcd to the name server.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    cgroup::Cgroups,
    cluster::ClusterName,
    command::{in_namespace, run, write_file},
    containerd::{self, POD_RANGE},
    daemon::Daemon,
    kubeconfig::{self, Access},
    layout::{CGROUP, Layout},
    nameserver,
    pki::Pki,
    process::Condition,
    wait,
};

const SERVICE_RANGE: &str = "10.96.0.0/16";
const READY: Duration = Duration::from_mins(2);

/// The daemons of one cluster, configured and ready to be started.
pub(crate) struct Kubernetes {
    cluster: ClusterName,
    layout: Layout,
    programs: PathBuf,
    etcd: Daemon,
    containerd: Daemon,
    api_server: Daemon,
    /// Those that need the API server to answer.
    clients: Vec<Daemon>,
}

impl Kubernetes {
    /// Writes all configuration. `programs` holds kube-apiserver and its siblings, `coredns` is the name server.
    pub(crate) fn configure(layout: &Layout, cluster: ClusterName, programs: &Path, coredns: &Path) -> Result<Self> {
        let folder = cluster.folder(layout);
        let pki = Pki::ensure(&folder.join("pki"), &cluster.node(), &cluster.address().to_string())?;
        let admin = cluster.kubeconfig(layout);
        let kubelet = folder.join("kubelet.kubeconfig");
        let access = |user| Access { cluster, pki: &pki, user };
        kubeconfig::write(&admin, &[access("admin")])?;
        kubeconfig::write(&kubelet, &[access("kubelet")])?;

        let daemon = |name, arguments: Vec<String>| Daemon {
            host: cluster.as_str(),
            name,
            namespace: cluster.namespace(),
            program: programs.join(name),
            arguments,
            configuration: Vec::new(),
        };
        let clients = vec![
            daemon("kube-controller-manager", controller_manager_arguments(&admin, &pki)),
            daemon("kube-scheduler", scheduler_arguments(&admin)),
            daemon("kube-proxy", proxy_arguments(&admin, cluster)),
            Daemon {
                configuration: vec![write_kubelet_configuration(&folder, cluster, &pki)?],
                ..daemon("kubelet", kubelet_arguments(&folder, &kubelet, cluster))
            },
            nameserver::configure_cluster(layout, cluster, coredns)?,
        ];
        Ok(Self {
            cluster,
            layout: layout.clone(),
            programs: programs.to_owned(),
            etcd: Daemon { program: "etcd".into(), ..daemon("etcd", etcd_arguments(&folder)) },
            containerd: containerd::configure(layout, cluster)?,
            api_server: daemon("kube-apiserver", api_server_arguments(cluster, &pki)),
            clients,
        })
    }

    /// All daemons, in the order of their start.
    pub(crate) fn daemons(&self) -> impl Iterator<Item = &Daemon> {
        [&self.etcd, &self.containerd, &self.api_server].into_iter().chain(&self.clients)
    }

    /// Starts what does not run and waits until the node is ready. The names of what was started.
    pub(crate) fn ensure(&self, note: &dyn Fn(&str)) -> Result<Vec<&'static str>> {
        Cgroups::detect()?.create(&pods_cgroup(self.cluster))?;
        let mut started = Vec::new();
        let mut ensure = |daemon: &Daemon| -> Result<()> {
            if daemon.ensure(&self.layout)? {
                note(&format!("starting {}", daemon.name));
                started.push(daemon.name);
            }
            Ok(())
        };
        ensure(&self.etcd)?;
        ensure(&self.containerd)?;
        ensure(&self.api_server)?;
        self.wait_for_api_server()?;
        for daemon in &self.clients {
            ensure(daemon)?;
        }
        note("waiting for the node");
        if let Err(error) = self.wait_for_node() {
            // They run, and yet one of them is stuck.
            note(&format!("starting its daemons anew: {error:#}"));
            for daemon in &self.clients {
                daemon.end(&self.layout)?;
                ensure(daemon)?;
            }
            self.wait_for_node()?;
        }
        Ok(started)
    }

    /// Starts those anew that have seen an earlier run of the API server end. Each of their watches tries the server again on its own, after up
    /// to a minute. Until then nothing that is deleted goes; and a Deployment that is made again under its old name gets a second `ReplicaSet`,
    /// made for the one that is gone, whose pod no rollout ends. The kubelet goes on: containerd sees its mounts only if it is started where containerd
    /// was, and a test has a mount namespace of its own.
    fn renew_clients(&self) -> Result<()> {
        for daemon in &self.clients {
            if daemon.name != "kubelet" && daemon.is_older_than(&self.api_server, &self.layout) {
                daemon.end(&self.layout)?;
                daemon.ensure(&self.layout)?;
            }
        }
        Ok(())
    }

    pub(crate) fn stop_api_server(&self) -> Result<()> {
        self.api_server.end(&self.layout)
    }

    /// The API server accepts connections, but doesn't answer.
    pub(crate) fn freeze_api_server(&self) {
        self.api_server.signal(&self.layout, Signal::SIGSTOP);
    }

    pub(crate) fn start_api_server(&self) -> Result<()> {
        self.api_server.ensure(&self.layout)?;
        self.wait_for_api_server()
    }

    fn wait_for_api_server(&self) -> Result<()> {
        self.explained(&self.api_server, || {
            let what = format!("the API server of {}", self.cluster);
            wait::until(&what, READY, || self.kubectl(&["get", "--raw", "/readyz"]).map(Some))
        })?;
        Ok(())
    }

    /// Waits until the node takes pods, and all daemons know of it. An error if a daemon died: to start it again is `lab up`'s business, as
    /// it must not happen.
    pub(crate) fn wait_until_whole(&self) -> Result<()> {
        for daemon in self.daemons() {
            self.explained(daemon, || match daemon.condition(&self.layout) {
                Condition::Running => Ok(()),
                condition => bail!("{} is {condition:?}; `lab up` repairs it", daemon.label()),
            })?;
        }
        self.renew_clients()?;
        self.wait_for_node()
    }

    fn wait_for_node(&self) -> Result<()> {
        self.explained(&self.clients[3], || wait::until(&format!("the node of {}", self.cluster), READY, || self.check_node().map(Some)))
    }

    /// An error unless the node takes pods, and they can be made in the default namespace. That the node is ready isn't enough: the
    /// condition is what the last kubelet said, and a taint that Kubernetes put on it stays until Kubernetes has seen the next one.
    pub(crate) fn check_node(&self) -> Result<()> {
        const READY: &str = "{.status.conditions[?(@.type=='Ready')]['status','message']}";
        const TAINTS: &str = "{.spec.taints[*].key}";
        let node = ["get", "node", &self.cluster.node(), "-o"];
        let ask = |path: &str| self.kubectl(&[&node[..], &[&format!("jsonpath={path}")]].concat());
        let (ready, taints) = (ask(READY)?, ask(TAINTS)?);
        if !ready.starts_with("True") || !taints.is_empty() {
            bail!("the node of {} takes no pods: ready: {ready}; taints: {taints}", self.cluster);
        }
        self.kubectl(&["get", "serviceaccount", "default", "-o", "name"]).map(drop)
    }

    /// An error of something that a daemon should have brought about shows the end of its log.
    fn explained<T>(&self, daemon: &Daemon, work: impl FnOnce() -> Result<T>) -> Result<T> {
        work().with_context(|| {
            let file = daemon.log_file(&self.layout);
            let log = fs::read(&file).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<_> = log.lines().rev().take(5).collect();
            let end: Vec<_> = lines.into_iter().rev().collect();
            format!("{} ends with:\n{}\n", file.display(), end.join("\n"))
        })
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        run(in_namespace(self.cluster.namespace(), self.programs.join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.cluster.kubeconfig(&self.layout))
            .arg("--request-timeout=5s")
            .args(arguments)
            .env("KUBECACHEDIR", self.layout.kube_cache()))
    }
}

/// The parent of all pods' cgroups.
fn pods_cgroup(cluster: ClusterName) -> String {
    format!("{CGROUP}/{cluster}/pods")
}

fn etcd_arguments(folder: &Path) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        "--listen-client-urls=http://127.0.0.1:2379".into(),
        "--advertise-client-urls=http://127.0.0.1:2379".into(),
        "--listen-peer-urls=http://127.0.0.1:2380".into(),
        // The data need not outlive the machine.
        "--unsafe-no-fsync".into(),
    ]
}

fn api_server_arguments(cluster: ClusterName, pki: &Pki) -> Vec<String> {
    vec![
        "--etcd-servers=http://127.0.0.1:2379".into(),
        format!("--advertise-address={}", cluster.address()),
        "--bind-address=0.0.0.0".into(),
        "--secure-port=6443".into(),
        format!("--tls-cert-file={}", pki.file("apiserver.crt")),
        format!("--tls-private-key-file={}", pki.file("apiserver.key")),
        format!("--client-ca-file={}", pki.file("ca.crt")),
        format!("--service-account-key-file={}", pki.file("sa.pub")),
        format!("--service-account-signing-key-file={}", pki.file("sa.key")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".into(),
        "--allow-privileged=true".into(),
        format!("--kubelet-client-certificate={}", pki.file("admin.crt")),
        format!("--kubelet-client-key={}", pki.file("admin.key")),
        "--kubelet-preferred-address-types=InternalIP".into(),
    ]
}

fn controller_manager_arguments(admin: &Path, pki: &Pki) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", admin.display()),
        format!("--service-account-private-key-file={}", pki.file("sa.key")),
        format!("--root-ca-file={}", pki.file("ca.crt")),
        format!("--cluster-signing-cert-file={}", pki.file("ca.crt")),
        format!("--cluster-signing-key-file={}", pki.file("ca.key")),
        format!("--cluster-cidr={POD_RANGE}"),
        "--allocate-node-cidrs=false".into(),
        "--use-service-account-credentials=true".into(),
        "--leader-elect=false".into(),
    ]
}

fn scheduler_arguments(admin: &Path) -> Vec<String> {
    vec![format!("--kubeconfig={}", admin.display()), "--leader-elect=false".into()]
}

fn proxy_arguments(admin: &Path, cluster: ClusterName) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", admin.display()),
        format!("--cluster-cidr={POD_RANGE}"),
        "--proxy-mode=nftables".into(),
        // The table of connections is the machine's: its size is not ours to set.
        "--conntrack-max-per-core=0".into(),
        "--conntrack-tcp-timeout-established=0".into(),
        "--conntrack-tcp-timeout-close-wait=0".into(),
        format!("--hostname-override={}", cluster.node()),
        "--healthz-bind-address=127.0.0.1:10256".into(),
        "--metrics-bind-address=127.0.0.1:10249".into(),
    ]
}

fn kubelet_arguments(folder: &Path, kubeconfig: &Path, cluster: ClusterName) -> Vec<String> {
    let labels = format!("topology.kubernetes.io/region={cluster},topology.kubernetes.io/zone={cluster}-1");
    vec![
        format!("--config={}", folder.join("kubelet.json").display()),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--root-dir={}", folder.join("kubelet").display()),
        format!("--hostname-override={}", cluster.node()),
        format!("--node-ip={}", cluster.address()),
        format!("--node-labels={labels}"),
    ]
}

fn write_kubelet_configuration(folder: &Path, cluster: ClusterName, pki: &Pki) -> Result<PathBuf> {
    let address = cluster.address().to_string();
    let resolver = folder.join("resolv.conf");
    write_file(&resolver, format!("nameserver {address}\n"))?;
    let configuration = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki.file("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", pods_cgroup(cluster)),
        "containerRuntimeEndpoint": format!("unix://{}", containerd::socket(cluster).display()),
        "failSwapOn": false,
        "failCgroupV1": false,
        "clusterDNS": [address],
        "clusterDomain": "cluster.local",
        "resolvConf": resolver,
        "tlsCertFile": pki.file("kubelet.crt"),
        "tlsPrivateKeyFile": pki.file("kubelet.key"),
        "enforceNodeAllocatable": [],
        "serializeImagePulls": false,
        "registryPullQPS": 0,
        // A disk or a memory that is filling up is the machine's business: no pod is evicted, no image removed.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "healthzPort": 10248,
        "volumePluginDir": folder.join("volume-plugins"),
    });
    let file = folder.join("kubelet.json");
    write_file(&file, serde_json::to_vec_pretty(&configuration)?)?;
    Ok(file)
}
