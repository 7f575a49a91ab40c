//! `make demo`: the example on the lab with the freshly built provider, and the call that crosses regions.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use mesh_lab::{Cluster, ClusterName, Lab, client_manifest, echo_manifest, gateway_values, lab_values, mesh_by_hand, say};

const HOST: &str = "echo.eu.mesh.local";

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the demo failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    let provider = std::env::args().nth(1).context("usage: demo PROVIDER (the built binary)")?;
    let provider = fs::canonicalize(&provider).with_context(|| format!("there is no {provider}; build it first"))?;
    let lab = Lab::attach()?;
    let (us, eu) = (lab.cluster("us")?, lab.cluster("eu")?);

    say("1/5 the hand-written way, for comparison: openssl, helm and kubectl in the right order");
    let by_hand = mesh_by_hand(&lab, false)?.mesh;

    say("2/5 two bare clusters with workloads: echo in the EU, a client in the US");
    eu.apply(&echo_manifest(ClusterName::Eu))?;
    us.apply(client_manifest())?;

    say("3/5 one apply of examples/two-clusters");
    let folder = workspace(&lab, &provider)?;
    let begin = Instant::now();
    let steps = apply(&lab, &folder)?;
    let applied = begin.elapsed();

    say("4/5 restarting the workloads, so that they have their sidecars");
    for (cluster, deployment) in [(&us, "client"), (&eu, "echo")] {
        cluster.kubectl(&["rollout", "restart", "-n", "echo", &format!("deployment/{deployment}")])?;
    }
    us.wait_ready("echo", "client")?;
    eu.wait_ready("echo", "echo")?;

    say(&format!("5/5 in the US pod: curl http://{HOST}"));
    let answer = call(&us)?;
    let page = page(&lab, &folder)?;
    show(&answer, &eu, &steps, applied, by_hand, &folder)?;
    say(&format!("See the mesh: open {} in a browser.", page.display()));
    Ok(())
}

/// Lets the provider draw the mesh. Returns the page.
fn page(lab: &Lab, folder: &Path) -> Result<PathBuf> {
    let drawing = "data \"mesh_topology\" \"mesh\" {}\n\noutput \"topology\" {\n  value = data.mesh_topology.mesh.html\n}\n";
    fs::write(folder.join("topology.tf"), drawing)?;
    apply(lab, folder)?;
    let output = lab
        .command(lab.binaries().tofu)
        .args(["output", "-raw", "topology"])
        .current_dir(folder)
        .env("TF_CLI_CONFIG_FILE", folder.join("cli.tfrc"))
        .output()
        .context("cannot run tofu")?;
    ensure!(output.status.success(), "tofu output failed: {}", String::from_utf8_lossy(&output.stderr));
    let page = folder.join("mesh.html");
    fs::write(&page, output.stdout)?;
    Ok(page)
}

/// A folder with the example, its variables and the CLI's configuration; the same each time, so that it can be looked at afterwards.
fn workspace(lab: &Lab, provider: &Path) -> Result<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let folder = project.join("target/demo");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    // The example guards its root, and the last lines of the demo offer to destroy all of it.
    let example = fs::read_to_string(project.join("examples/two-clusters/main.tf"))?;
    fs::write(folder.join("main.tf"), example.replace("prevent_destroy = true", "prevent_destroy = false"))?;
    let access = |name: &str| anyhow::Ok(serde_json::json!({"config_path": lab.cluster(name)?.kubeconfig_path()}));
    let charts = lab.charts();
    let variables = serde_json::json!({
        "clusters": {"us": access("us")?, "eu": access("eu")?},
        "helm": {"repository": charts.http, "version": charts.version, "binary": lab.binaries().helm},
        "values": {"istiod": [lab_values()], "gateway": [gateway_values()]},
    });
    fs::write(folder.join("terraform.tfvars.json"), serde_json::to_string_pretty(&variables)?)?;
    let built = provider.parent().context("the provider is in no folder")?.display().to_string();
    let configuration =
        format!("provider_installation {{\n  dev_overrides {{ \"terraform-provider-mesh/mesh\" = \"{built}\" }}\n  direct {{}}\n}}\n");
    fs::write(folder.join("cli.tfrc"), configuration)?;
    Ok(folder)
}

/// Runs the apply, prints its progress, and returns the lines with each resource's duration.
fn apply(lab: &Lab, folder: &Path) -> Result<Vec<String>> {
    let mut child = lab
        .command(lab.binaries().tofu)
        .args(["apply", "-auto-approve", "-no-color"])
        .current_dir(folder)
        .env("TF_CLI_CONFIG_FILE", folder.join("cli.tfrc"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run tofu")?;
    let output = child.stdout.take().context("tofu has no output")?;
    let mut steps = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if line.starts_with("mesh_") || line.starts_with("Apply complete") || line.starts_with("Plan:") {
            say(&format!("    {line}"));
        }
        if line.contains("Creation complete after") {
            steps.push(line);
        }
    }
    ensure!(child.wait()?.success(), "tofu apply failed; run it again in {}", folder.display());
    Ok(steps)
}

/// Calls until the configuration has reached the sidecars, for a minute at most.
fn call(us: &Cluster) -> Result<String> {
    let begin = Instant::now();
    loop {
        let url = format!("http://{HOST}/");
        let output = us.exec("echo", "deploy/client", &["curl", "-sS", "--max-time", "5", "-w", "\nStatus=%{http_code}\n", &url])?;
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        if answer.contains("Status=200") {
            return Ok(answer);
        }
        if begin.elapsed() > Duration::from_secs(60) {
            bail!("no answer for a minute; the last: {answer}{}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn show(answer: &str, eu: &Cluster, steps: &[String], applied: Duration, by_hand: Duration, folder: &Path) -> Result<()> {
    let field =
        |name: &str| answer.lines().find_map(|line| line.split_once(name).map(|(_, value)| value.trim().to_owned())).unwrap_or_default();
    let identity =
        answer.split("URI=").filter_map(|part| part.split([';', ',', '\n', '"', ']']).next()).find(|part| part.contains("/sa/client"));
    let gateway = eu.balancer().address("istio-system", "istio-eastwestgateway")?.unwrap_or_default();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let lab = project.join("target/debug/lab");
    let (lab, folder) = (lab.display(), folder.display());
    say("");
    say(&format!("    answered by       pod {} of cluster {}, with {}", field("Hostname="), field("Cluster="), field("Status=")));
    say(&format!("    the server saw    {}", identity.context("the answer has no identity of the client in it")?));
    say(&format!("    by way of         the EU's east-west gateway at {gateway}:15443, mutual TLS from sidecar to sidecar"));
    say("");
    for step in steps {
        say(&format!("    {step}"));
    }
    say("");
    say(&format!("    one apply         {:.1} s", applied.as_secs_f64()));
    say(&format!("    manually          {:.1} s, once all steps are written down in the right order", by_hand.as_secs_f64()));
    say("");
    // Each works wherever it is pasted, and leaves the shell in its folder.
    let tofu = |command: &str| say(&format!("    (cd {folder} && TF_CLI_CONFIG_FILE=cli.tfrc {lab} run -- tofu {command})"));
    say("Look around:");
    say(&format!("    {lab} kubectl us -- get pods -A"));
    tofu("plan");
    say("Destroy the mesh, then the lab:");
    tofu("destroy");
    say(&format!("    make -C {} lab-down", project.display()));
    Ok(())
}
