//! `lab up`: from nothing, or from whatever is left, to clusters that run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    balancer, chart,
    cluster::ClusterName,
    command::write_file,
    daemon::Daemon,
    envoy,
    go_build::{COREDNS, GoBuild, HELM, HELM3, ISTIO, ISTIOCTL, KUBERNETES, PAUSE, TOFU},
    image,
    kubeconfig::{self, Access},
    kubernetes::Kubernetes,
    layout::{Layout, RUN_FOLDER},
    lock::Lock,
    machine, nameserver, netns,
    pki::Pki,
    progress::{Note, say},
    registry,
    steps::{self, Step},
    values,
};

/// Brings the lab up with at least that many clusters, or repairs it. Parts in order are left alone.
pub fn up(layout: &Layout, clusters: usize) -> Result<()> {
    machine::check()?;
    let _lock = Lock::take()?;
    claim(layout)?;
    for cluster in ClusterName::ALL.into_iter().take(clusters) {
        fs::create_dir_all(cluster.folder(layout))?;
    }
    let has_third = ClusterName::of(layout).any(|cluster| cluster == ClusterName::Ap);
    if !KUBERNETES.is_built(layout) {
        say("The first time everything is built from source: about 25 minutes on 2 processors, 2 GB of downloads.");
    }
    let step = |name, needs, work: fn(&Layout, &Note) -> Result<String>| {
        let layout = layout.clone();
        Step::new(name, needs, move |note| work(&layout, note))
    };
    let build = |part: &'static GoBuild| {
        let layout = layout.clone();
        Step::new(part.name, &[], move |note| part.build(&layout, note)).heavy()
    };
    let mut steps = vec![
        step("packages", &[], |_, _| machine::install_packages()),
        build(&KUBERNETES),
        build(&COREDNS),
        build(&PAUSE),
        step("network", &["packages"], |layout, _| {
            // Before the first kubelet, which changes them.
            machine::save_tunables(layout)?;
            Ok(if netns::ensure(layout)? { "made" } else { "all there" }.to_owned())
        }),
        step("wan", &["network", "coredns", "pause"], |layout, _| start_wan(layout)),
        step("cluster us", &["wan", "kubernetes"], |layout, note| start_cluster(layout, ClusterName::Us, note)),
        step("cluster eu", &["wan", "kubernetes"], |layout, note| start_cluster(layout, ClusterName::Eu, note)),
        step(
            "balancer",
            if has_third { &["cluster us", "cluster eu", "cluster ap"] } else { &["cluster us", "cluster eu"] },
            |layout, _| {
                write_kubeconfig(layout)?;
                link_programs(layout)?;
                let started = balancer::configure(layout, &installed(layout)).ensure(layout)?;
                Ok(if started { "started" } else { "runs" }.to_owned())
            },
        ),
        build(&HELM),
        build(&ISTIO),
        step("envoy", &["packages"], |layout, _| envoy::ensure(layout)),
        step("base image", &["packages"], |layout, _| image::ensure_base(layout)),
        step("images", &["wan", "istio", "envoy", "base image"], |layout, _| {
            match registry::push(layout, "images", &image::workloads(layout)?)? {
                0 => Ok("all there".to_owned()),
                pushed => Ok(format!("{pushed} pushed")),
            }
        }),
        step("charts", &["wan", "helm", "istio"], |layout, _| chart::ensure(layout)),
        build(&TOFU),
        step("programs", &["balancer", "helm", "tofu"], |layout, _| {
            link_programs(layout)?;
            Ok(layout.programs().display().to_string())
        }),
    ];
    if has_third {
        steps.push(step("cluster ap", &["wan", "kubernetes"], |layout, note| start_cluster(layout, ClusterName::Ap, note)));
    }
    steps::run(steps)
}

/// The networks have fixed names: there is one lab on a machine, whatever folder it lives in.
fn claim(layout: &Layout) -> Result<()> {
    let file = Path::new(RUN_FOLDER).join("state");
    if let Ok(owner) = fs::read_to_string(&file) {
        let owner = PathBuf::from(owner);
        if owner != layout.state && owner.exists() {
            anyhow::bail!("a lab is up in {0}: take it down with MESH_LAB_DIR={0} lab down", owner.display());
        }
    }
    fs::create_dir_all(&layout.state).with_context(|| format!("cannot make {}", layout.state.display()))?;
    write_file(&file, layout.state.to_string_lossy().as_bytes())
}

/// This program's copy in the state folder: daemons run from it, so that a rebuild does not pull it from under them.
fn installed(layout: &Layout) -> PathBuf {
    layout.programs().join("lab")
}

fn install_self(layout: &Layout) -> Result<()> {
    let target = installed(layout);
    // By its path it may be another build by now, as many minutes of builds come first. This is what runs, even if its file is gone.
    let content = fs::read("/proc/self/exe")?;
    if fs::read(&target).ok().as_ref() != Some(&content) {
        write_file(&target, content)?;
        fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    Ok(())
}

fn wan_daemons(layout: &Layout) -> Result<[Daemon; 3]> {
    Ok([
        nameserver::configure_wan(layout, &COREDNS.program(layout, "coredns"))?,
        registry::configure(layout)?,
        chart::configure_server(layout, &installed(layout)),
    ])
}

fn start_wan(layout: &Layout) -> Result<String> {
    install_self(layout)?;
    values::write(layout)?;
    let mut started = Vec::new();
    for daemon in wan_daemons(layout)? {
        if daemon.ensure(layout)? {
            started.push(daemon.name);
        }
    }
    registry::wait()?;
    chart::wait_for_server()?;
    registry::push(layout, "pause", &[image::pause(layout)?])?;
    Ok(describe_started(&started))
}

/// The Kubernetes of a cluster, as this lab has configured it.
pub(crate) fn kubernetes(layout: &Layout, cluster: ClusterName) -> Result<Kubernetes> {
    let programs = KUBERNETES.folder(layout);
    Kubernetes::configure(layout, cluster, &programs, &COREDNS.program(layout, "coredns"))
}

fn start_cluster(layout: &Layout, cluster: ClusterName, note: &Note) -> Result<String> {
    netns::set_uplink(cluster, true)?;
    let started = kubernetes(layout, cluster)?.ensure(&|detail| note.say(detail))?;
    Ok(format!("ready, {}", describe_started(&started)))
}

fn describe_started(names: &[&str]) -> String {
    match names {
        [] => "all running".to_owned(),
        names => format!("started {}", names.join(", ")),
    }
}

fn link_programs(layout: &Layout) -> Result<()> {
    let programs = [
        (KUBERNETES.program(layout, "kubectl"), "kubectl"),
        (HELM.program(layout, "helm"), "helm"),
        (TOFU.program(layout, "tofu"), "tofu"),
        (HELM3.program(layout, "helm3"), "helm3"),
        (ISTIOCTL.program(layout, "istioctl"), "istioctl"),
    ];
    for (program, name) in programs.iter().filter(|(program, _)| program.exists()) {
        let link = layout.programs().join(name);
        if fs::read_link(&link).ok().as_ref() != Some(program) {
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(program, &link)?;
        }
    }
    Ok(())
}

/// The kubeconfig with all clusters: from then on tests can attach.
fn write_kubeconfig(layout: &Layout) -> Result<()> {
    let pki = |cluster: ClusterName| {
        let pki = Pki::ensure(&cluster.folder(layout).join("pki"), &cluster.node(), &cluster.address().to_string())?;
        Ok((cluster, pki))
    };
    let clusters: Vec<_> = ClusterName::of(layout).map(pki).collect::<Result<_>>()?;
    let accesses: Vec<_> = clusters.iter().map(|(cluster, pki)| Access { cluster: *cluster, pki, user: "admin" }).collect();
    kubeconfig::write(&layout.kubeconfig(), &accesses)
}

/// `lab build`: the named parts, or all that `lab up` needs.
pub fn build(layout: &Layout, names: &[String]) -> Result<()> {
    let _lock = Lock::take()?;
    let parts = match names {
        [] => vec![&KUBERNETES, &COREDNS, &PAUSE, &HELM, &ISTIO, &TOFU],
        names => names.iter().map(|name| GoBuild::named(name)).collect::<Result<_>>()?,
    };
    let step = |part: &'static GoBuild| {
        let layout = layout.clone();
        Step::new(part.name, &[], move |note| part.build(&layout, note)).heavy()
    };
    steps::run(parts.into_iter().map(step).collect())?;
    if layout.programs().is_dir() {
        link_programs(layout)?;
    }
    Ok(())
}

/// Every daemon that a lab which is up has.
pub(crate) fn daemons(layout: &Layout) -> Result<Vec<Daemon>> {
    let mut daemons = wan_daemons(layout)?.to_vec();
    daemons.push(balancer::configure(layout, &installed(layout)));
    for cluster in ClusterName::of(layout) {
        daemons.extend(kubernetes(layout, cluster)?.daemons().cloned());
    }
    Ok(daemons)
}
