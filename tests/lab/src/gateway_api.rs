//! The definitions of the Gateway API, which Istio's charts don't bring.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{command::run, lab::Cluster};

/// The kinds that links and routes need.
const KINDS: [&str; 3] = ["gatewayclasses", "gateways", "httproutes"];

/// Returns the definitions that links and routes need, in the version that Istio is built with.
pub fn gateway_api() -> Result<String> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/istio");
    let shown = run(Command::new("go").args(["mod", "download", "-json", "sigs.k8s.io/gateway-api"]).current_dir(module))?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    let folder = Path::new(shown["Dir"].as_str().context("go names no folder")?).join("config/crd/standard");
    let read = |kind| {
        let file = folder.join(format!("gateway.networking.k8s.io_{kind}.yaml"));
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    Ok(KINDS.map(read).into_iter().collect::<Result<Vec<_>>>()?.join("\n---\n"))
}

/// Removes these definitions, with all objects of theirs.
pub fn remove_gateway_api(cluster: &Cluster) -> Result<()> {
    let definitions = KINDS.map(|kind| format!("{kind}.gateway.networking.k8s.io"));
    let arguments: Vec<_> = ["delete", "crd"].into_iter().chain(definitions.iter().map(String::as_str)).collect();
    cluster.kubectl(&arguments).map(drop)
}
