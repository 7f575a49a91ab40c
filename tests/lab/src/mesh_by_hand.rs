//! Sets the mesh up manually, with helm or istioctl, and kubectl. This proves the lab, and the provider's time is compared with it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{
    cluster::ClusterName,
    command::{run, write_file},
    lab::{Cluster, Lab, client_manifest, echo_manifest},
    pki::Root,
    progress::say,
    values, wait,
};

const HOST: &str = "echo.eu.mesh.local";
const TRUST_DOMAIN: &str = "corp.local";

/// How long each stage took, from the beginning.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Control planes and gateways of both clusters.
    pub mesh: Duration,
    /// The first answered call.
    pub call: Duration,
}

/// How control planes and gateways are installed in a cluster.
type Install = fn(&Lab, &Cluster, &Progress) -> Result<()>;

/// Sets the mesh up with helm, calls `echo` in eu from a pod in us, and (unless `keep` is set) removes everything again.
pub fn mesh_by_hand(lab: &Lab, keep: bool) -> Result<Times> {
    lab.clean()?;
    let outcome = set_up(lab, by_helm);
    if !keep {
        lab.clean()?;
    }
    let times = outcome?;
    say(&format!("manually: mesh {:.1} s, answered call {:.1} s", times.mesh.as_secs_f64(), times.call.as_secs_f64()));
    Ok(times)
}

/// Sets the mesh up with istioctl, which `lab build istioctl` has built, and calls `echo` in eu from a pod in us.
pub fn mesh_by_istioctl(lab: &Lab) -> Result<Times> {
    lab.clean()?;
    set_up(lab, by_istioctl)
}

fn set_up(lab: &Lab, install: Install) -> Result<Times> {
    let start = Instant::now();
    let root = Root::new("Root CA")?;
    let (us, eu) = (&lab.cluster("us")?, &lab.cluster("eu")?);
    both(us, eu, |cluster| {
        cluster.apply(&namespace_and_authority(&network_of(cluster.name()), &root, cluster.name())?)?;
        install(lab, cluster, &Progress { start, cluster: cluster.name() })
    })?;
    let mesh = start.elapsed();
    let gateway = eu.balancer().address("istio-system", "istio-eastwestgateway")?.context("the gateway in eu has no address")?;
    both(us, eu, |cluster| match cluster.name() {
        ClusterName::Us => {
            apply_retrying(cluster, client_manifest())?;
            apply_retrying(cluster, &include_str!("../manifests/importer.yaml").replace("GATEWAY", &gateway))?;
            cluster.wait_ready("echo", "client")
        }
        name => {
            apply_retrying(cluster, &echo_manifest(name))?;
            apply_retrying(cluster, include_str!("../manifests/exporter.yaml"))?;
            cluster.wait_ready("echo", "echo")
        }
    })?;
    say(&format!("{:5.1} s  workloads", start.elapsed().as_secs_f64()));
    let answer = wait::until("an answered call", Duration::from_mins(1), || call(us))?;
    let call = start.elapsed();
    say(&format!("{:5.1} s  us → {HOST}: {answer}", call.as_secs_f64()));
    Ok(Times { mesh, call })
}

/// The same in both clusters at once.
fn both(us: &Cluster, eu: &Cluster, work: impl Fn(&Cluster) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| work(eu));
        let here = work(us);
        here.and(other.join().unwrap_or_else(|_| bail!("a thread failed")))
    })
}

/// Says what is done, and when.
struct Progress {
    start: Instant,
    cluster: ClusterName,
}

impl Progress {
    fn say(&self, what: &str) {
        say(&format!("{:5.1} s  {}: {what}", self.start.elapsed().as_secs_f64(), self.cluster));
    }
}

fn network_of(cluster: ClusterName) -> String {
    format!("{cluster}-net")
}

/// Writes a file for a program to read.
fn file(lab: &Lab, cluster: &Cluster, name: &str, text: &str) -> Result<String> {
    let file = lab.layout().state.join("by-hand").join(format!("{}-{name}.yaml", cluster.name()));
    write_file(&file, text)?;
    Ok(file.to_string_lossy().into_owned())
}

fn by_helm(lab: &Lab, cluster: &Cluster, progress: &Progress) -> Result<()> {
    let file = |name: &str, text: &str| file(lab, cluster, name, text);
    let base = file("lab", &values::lab_values())?;
    let network = network_of(cluster.name());
    let istiod = format!(
        "global: {{meshID: training-mesh, network: {network}, multiCluster: {{clusterName: {}}}}}\n\
         meshConfig: {{trustDomain: {TRUST_DOMAIN}, defaultConfig: {{proxyMetadata: {{ISTIO_META_DNS_CAPTURE: \"true\"}}}}}}\n",
        cluster.name()
    );
    let istiod = file("istiod", &istiod)?;
    let gateway = format!("networkGateway: {network}\nname: istio-eastwestgateway\nlabels: {{istio: cross-network}}\n");
    let gateway = file("gateway", &format!("{}{gateway}", values::gateway_values()))?;
    let chart = |chart: &str| lab.charts().directory.join(chart).to_string_lossy().into_owned();
    let upgrade = |release: &str, name: &str, options: &[&str]| {
        let chart = chart(name);
        let arguments = ["upgrade", "--install", release, &chart, "-n", "istio-system"];
        cluster.helm(&[&arguments, options].concat())
    };
    upgrade("istio-base", "base", &[])?;
    progress.say("base");
    upgrade("istiod", "istiod", &["-f", &base, "-f", &istiod, "--wait", "--timeout", "3m"])?;
    progress.say("istiod");
    // As in public configurations: release, Service and label have names of their own.
    upgrade("cross-network-gateway", "gateway", &["-f", &gateway, "--wait", "--timeout", "3m"])?;
    progress.say("gateway");
    Ok(())
}

/// As Istio's documentation has it: a control plane, and a gateway whose pods are selected by the network, too.
fn by_istioctl(lab: &Lab, cluster: &Cluster, progress: &Progress) -> Result<()> {
    let program = lab.binaries().istioctl.context("there is no istioctl: `lab build istioctl` builds it, and `lab up` links it")?;
    let operator = include_str!("../manifests/operator.yaml");
    let operator = operator.replace("CLUSTER", cluster.name().as_str());
    let operator = file(lab, cluster, "operator", &operator)?;
    run(lab
        .command(program)
        .args(["install", "--skip-confirmation", "--kubeconfig"])
        .arg(cluster.kubeconfig_path())
        .args(["-f", &operator]))?;
    progress.say("istioctl");
    Ok(())
}

fn namespace_and_authority(network: &str, root: &Root, name: ClusterName) -> Result<String> {
    let authority = root.intermediate(&format!("Intermediate CA of {name}"))?;
    let root = root.certificate();
    let manifests = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "istio-system", "labels": {"topology.istio.io/network": network}},
        },
        {
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "cacerts", "namespace": "istio-system"},
            "stringData": {
                "ca-cert.pem": authority.certificate,
                "ca-key.pem": authority.key,
                "root-cert.pem": root,
                "cert-chain.pem": format!("{}{root}", authority.certificate),
            },
        },
    ]});
    Ok(manifests.to_string())
}

/// A Deployment that is available does not mean that its webhook is served yet.
fn apply_retrying(cluster: &Cluster, manifests: &str) -> Result<()> {
    wait::until("manifests to be accepted", Duration::from_mins(1), || cluster.apply(manifests).map(Some)).map(drop)
}

/// One call; the status and the cluster that answered, if it was answered well.
fn call(us: &Cluster) -> Result<Option<String>> {
    let url = format!("http://{HOST}/");
    let command = ["curl", "-sS", "-m", "5", "-w", "\nStatus=%{http_code}", &url];
    let output = us.exec("echo", "deploy/client", &command)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("Status=200") {
        bail!("{}{}", text.trim(), String::from_utf8_lossy(&output.stderr).trim());
    }
    let cluster = text.lines().find(|line| line.starts_with("Cluster=")).unwrap_or("Cluster=?");
    Ok(Some(format!("200, {cluster}")))
}
