//! The interface for tests: the lab that is up, its clusters, its load balancers.

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    balancer::{Answer, Settings},
    chart::Charts,
    clean,
    cluster::ClusterName,
    command::{in_namespace, run, run_with_input},
    fault::Fault,
    layout::{Layout, WAN_NAMESPACE},
    lingering, up, wait,
};

/// A lab that is up.
#[derive(Debug, Clone)]
pub struct Lab {
    layout: Layout,
}

/// The programs that belong to the lab.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// Helm 4.
    pub helm: PathBuf,
    /// Helm 3, if it was built (`lab build helm3`).
    pub helm3: Option<PathBuf>,
    /// istioctl, if it was built (`lab build istioctl`).
    pub istioctl: Option<PathBuf>,
    /// `OpenTofu`.
    pub tofu: PathBuf,
    /// kubectl.
    pub kubectl: PathBuf,
}

impl Lab {
    /// Returns the lab of this machine; without one, an error with the command that raises it.
    pub fn attach() -> Result<Self> {
        let layout = Layout::from_environment()?;
        if !layout.kubeconfig().exists() {
            bail!("the lab is not up (no {}): run `lab up` first", layout.kubeconfig().display());
        }
        Ok(Self { layout })
    }

    /// Its folders.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A cluster by its name: `us`, `eu`, or `ap` if the lab has it.
    pub fn cluster(&self, name: &str) -> Result<Cluster> {
        let name = name.parse()?;
        if !ClusterName::of(&self.layout).any(|cluster| cluster == name) {
            bail!("the lab has no cluster {name}: `lab up --clusters {}` adds it", ClusterName::ALL.len());
        }
        Ok(self.at(name))
    }

    fn at(&self, name: ClusterName) -> Cluster {
        Cluster { name, layout: self.layout.clone() }
    }

    /// All clusters that it has.
    pub fn clusters(&self) -> Vec<Cluster> {
        ClusterName::of(&self.layout).map(|name| self.at(name)).collect()
    }

    /// Where Istio's charts are.
    pub fn charts(&self) -> Charts {
        Charts::new(&self.layout)
    }

    /// Where the programs are.
    pub fn binaries(&self) -> Binaries {
        let folder = self.layout.programs();
        let built = |name: &str| Some(folder.join(name)).filter(|program| program.exists());
        Binaries {
            helm: folder.join("helm"),
            helm3: built("helm3"),
            istioctl: built("istioctl"),
            tofu: folder.join("tofu"),
            kubectl: folder.join("kubectl"),
        }
    }

    /// A program to be run on the WAN, from where all clusters, the registry and the charts can be reached. The lab's programs
    /// are in its PATH, all clusters in its KUBECONFIG, and it resolves the load balancers' names.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        // Its own mount namespace gives it a resolver of its own.
        const RESOLVE: &str = r#"mount --bind "$0" "$(readlink -f /etc/resolv.conf)" 2>/dev/null; exec "$@""#;
        let mut command = in_namespace(WAN_NAMESPACE, "unshare");
        command.args(["--mount", "sh", "-c", RESOLVE]).arg(self.layout.wan().join("resolv.conf")).arg(program);
        let mut path = self.layout.programs().into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command
            .env("PATH", path)
            .env("KUBECONFIG", self.layout.kubeconfig())
            .env("KUBECACHEDIR", self.layout.kube_cache())
            .env("MESH_LAB_DIR", &self.layout.state);
        command
    }

    /// Takes all clusters back to the state that `lab up` leaves them in.
    pub fn clean(&self) -> Result<()> {
        let clusters = self.clusters();
        std::thread::scope(|scope| {
            let works: Vec<_> = clusters.iter().map(|cluster| scope.spawn(|| clean::clean(cluster))).collect();
            works.into_iter().try_for_each(|work| work.join().unwrap_or_else(|_| bail!("a thread failed")))
        })
    }
}

/// One cluster of a lab that is up.
#[derive(Debug, Clone)]
pub struct Cluster {
    name: ClusterName,
    layout: Layout,
}

impl Cluster {
    /// Its name.
    pub fn name(&self) -> ClusterName {
        self.name
    }

    /// The administrator's kubeconfig; the address in it can be reached from the WAN only.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.name.kubeconfig(&self.layout)
    }

    fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = in_namespace(WAN_NAMESPACE, self.layout.programs().join("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig_path()).args(arguments);
        command.env("KUBECACHEDIR", self.layout.kube_cache());
        command
    }

    /// Runs kubectl; its output, or an error with its complaint.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        run(&mut self.kubectl_command(arguments)).with_context(|| format!("in {}", self.name))
    }

    /// Applies manifests.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let mut command = self.kubectl_command(&["apply", "--server-side", "--force-conflicts", "-f", "-"]);
        run_with_input(&mut command, manifests).with_context(|| format!("in {}", self.name))
    }

    /// Runs a command in a pod, whatever its exit code is.
    pub fn exec(&self, namespace: &str, target: &str, command: &[&str]) -> Result<Output> {
        let arguments = [&["exec", "-n", namespace, target, "--"], command].concat();
        self.kubectl_command(&arguments).output().context("cannot run kubectl")
    }

    /// Waits until a Deployment is rolled out.
    pub fn wait_ready(&self, namespace: &str, deployment: &str) -> Result<()> {
        let target = format!("deployment/{deployment}");
        self.kubectl(&["rollout", "status", "-n", namespace, &target, "--timeout=180s"]).map(drop)
    }

    /// Waits until pods (`pod/NAME`) are gone. Prints what is in the way of one that takes long.
    pub fn wait_until_gone(&self, namespace: &str, pods: &[&str]) -> Result<()> {
        lingering::wait_until_gone(self, &self.layout, namespace, pods)
    }

    /// Helm, for this cluster.
    pub fn helm(&self, arguments: &[&str]) -> Result<String> {
        let mut command = in_namespace(WAN_NAMESPACE, self.layout.programs().join("helm"));
        command.arg("--kubeconfig").arg(self.kubeconfig_path()).args(arguments);
        command.env("KUBECACHEDIR", self.layout.kube_cache());
        run(&mut command).with_context(|| format!("in {}", self.name))
    }

    /// Its load balancer.
    pub fn balancer(&self) -> Balancer<'_> {
        Balancer { cluster: self }
    }

    /// Breaks something.
    pub fn inflict(&self, fault: Fault) -> Result<()> {
        fault.inflict(&self.layout, self.name)
    }

    /// Mends what was broken.
    pub fn mend(&self, fault: Fault) -> Result<()> {
        fault.mend(&self.layout, self.name)
    }

    /// Waits until its node takes pods. An error if a daemon died.
    pub(crate) fn wait_until_whole(&self) -> Result<()> {
        up::kubernetes(&self.layout, self.name)?.wait_until_whole()
    }

    /// Connections to the API server are refused from now on.
    pub fn stop_api_server(&self) -> Result<()> {
        self.inflict(Fault::ApiServer)
    }

    /// The API server answers again.
    pub fn start_api_server(&self) -> Result<()> {
        self.mend(Fault::ApiServer)
    }
}

/// The load balancer of a cluster. Its settings apply to Services that have no address yet.
#[derive(Debug)]
pub struct Balancer<'a> {
    cluster: &'a Cluster,
}

impl Balancer<'_> {
    fn update(&self, change: impl FnOnce(&mut Settings)) -> Result<()> {
        let Cluster { name, layout } = self.cluster;
        let mut settings = Settings::read(layout, *name);
        change(&mut settings);
        settings.write(layout, *name)
    }

    /// Answers in the given way.
    pub fn answer(&self, answer: Answer) -> Result<()> {
        self.update(|settings| settings.answer = answer)
    }

    /// With an IP address, at once: as after `lab up`.
    pub fn ip(&self) -> Result<()> {
        self.answer(Answer::Ip)
    }

    /// With a hostname.
    pub fn hostname(&self) -> Result<()> {
        self.answer(Answer::Hostname)
    }

    /// With an IP address, but late.
    pub fn late(&self, delay: Duration) -> Result<()> {
        self.answer(Answer::Late { seconds: delay.as_secs() })
    }

    /// Not at all.
    pub fn never(&self) -> Result<()> {
        self.answer(Answer::Never)
    }

    /// Back to the beginning.
    pub(crate) fn reset(&self) -> Result<()> {
        self.update(|settings| *settings = Settings::default())
    }

    /// Returns the address of a Service: an IP address or a hostname.
    pub fn address(&self, namespace: &str, service: &str) -> Result<Option<String>> {
        const INGRESS: &str = "jsonpath={.status.loadBalancer.ingress[0]['ip','hostname']}";
        let address = self.cluster.kubectl(&["get", "service", "-n", namespace, service, "-o", INGRESS])?;
        Ok(Some(address.trim().to_owned()).filter(|address| !address.is_empty()))
    }

    /// Gives a Service another address; the new one, when it is in the Service's status.
    pub fn readdress(&self, namespace: &str, service: &str) -> Result<String> {
        let before = self.address(namespace, service)?;
        if before.is_none() {
            bail!("{namespace}/{service} has no address that could change");
        }
        self.update(|settings| *settings.moves.entry(format!("{namespace}/{service}")).or_default() += 1)?;
        wait::until("the new address", Duration::from_secs(20), || {
            Ok(self.address(namespace, service)?.filter(|now| Some(now) != before.as_ref()))
        })
    }
}

/// A file of the lab that is made into a manifest for one cluster.
pub(crate) fn for_cluster(manifest: &str, cluster: ClusterName) -> String {
    manifest.replace("CLUSTER", cluster.as_str())
}

/// The echo workload: namespace, account, Service, Deployment.
pub fn echo_manifest(cluster: ClusterName) -> String {
    for_cluster(include_str!("../manifests/echo.yaml"), cluster)
}

/// The client workload: namespace, account, a pod with curl.
pub fn client_manifest() -> &'static str {
    include_str!("../manifests/client.yaml")
}
