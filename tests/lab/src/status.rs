//! `lab status`: what runs, what does not.

use anyhow::{Result, bail};

use crate::{
    balancer::{Answer, Settings},
    chart::Charts,
    cluster::ClusterName,
    layout::{Layout, REGISTRY},
    process::Condition,
    progress::say,
    up,
};

/// Shows the state of the lab; an error if it is not whole.
pub fn status(layout: &Layout) -> Result<()> {
    if !layout.state.is_dir() {
        bail!("the lab is down");
    }
    let mut faults = Vec::new();
    for daemon in up::daemons(layout)? {
        let condition = match daemon.condition(layout) {
            Condition::Running => "runs",
            Condition::Stopped => "is frozen",
            Condition::Dead => "is dead",
        };
        if condition != "runs" {
            faults.push(format!("{} {condition} (log: {})", daemon.label(), daemon.log_file(layout).display()));
        }
        say(&format!("{:28} {condition}", daemon.label()));
    }
    for cluster in ClusterName::of(layout) {
        if let Err(error) = up::kubernetes(layout, cluster)?.check_node() {
            faults.push(format!("{cluster}: {error:#}"));
        }
        let settings = Settings::read(layout, cluster);
        if settings.answer != Answer::Ip {
            say(&format!("{cluster}: the balancer answers {:?}", settings.answer));
        }
        say(&format!("{cluster}: KUBECONFIG={}", cluster.kubeconfig(layout).display()));
    }
    let charts = Charts::new(layout);
    say(&format!("all: KUBECONFIG={} (a context for each)", layout.kubeconfig().display()));
    say(&format!("images: {REGISTRY}; charts: {}, {} (plain HTTP), {}", charts.http, charts.oci, charts.directory.display()));
    if faults.is_empty() {
        return Ok(());
    }
    bail!("the lab is not whole; `lab up` repairs it:\n  - {}", faults.join("\n  - "))
}
