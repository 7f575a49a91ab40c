//! The image registry on the WAN: Debian's docker-registry, plain HTTP. Istio's charts are in it too.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::Result;

use crate::{
    command::write_file,
    daemon::Daemon,
    image::Image,
    layout::{Layout, REGISTRY, WAN_NAMESPACE},
    netns, wait,
};

/// The content digests of what was pushed to the registry, by name.
#[derive(Debug)]
pub(crate) struct Inventory {
    file: PathBuf,
    known: BTreeMap<String, String>,
}

/// Writes the configuration; the daemon to run with it.
pub(crate) fn configure(layout: &Layout) -> Result<Daemon> {
    let file = layout.wan().join("registry.json");
    let configuration = serde_json::json!({
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": layout.wan().join("registry")},
            "delete": {"enabled": true},
        },
        "http": {"addr": REGISTRY},
    });
    write_file(&file, serde_json::to_vec_pretty(&configuration)?)?;
    Ok(Daemon {
        host: "wan",
        name: "docker-registry",
        namespace: WAN_NAMESPACE,
        program: "docker-registry".into(),
        arguments: vec!["serve".into(), file.to_string_lossy().into_owned()],
        configuration: vec![file],
    })
}

pub(crate) fn wait() -> Result<()> {
    wait::until_true("the registry", Duration::from_secs(20), || Ok(netns::is_listening(REGISTRY)))
}

impl Inventory {
    pub(crate) fn read(layout: &Layout, name: &str) -> Self {
        let file = layout.wan().join(format!("{name}.json"));
        let known = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { file, known: known.unwrap_or_default() }
    }

    pub(crate) fn has(&self, name: &str, digest: &str) -> bool {
        self.known.get(name).is_some_and(|known| known == digest)
    }

    pub(crate) fn add(&mut self, name: String, digest: String) -> Result<()> {
        self.known.insert(name, digest);
        write_file(&self.file, serde_json::to_vec_pretty(&self.known)?)
    }
}

/// Puts those images into the registry that it does not have. How many there were to put.
pub(crate) fn push(layout: &Layout, step: &str, images: &[Image]) -> Result<usize> {
    let mut inventory = Inventory::read(layout, step);
    let mut pushed = 0;
    for image in images {
        let (reference, digest) = (image.reference(), image.digest());
        if !inventory.has(&reference, &digest) {
            image.push(&layout.wan().join("scratch").join(step))?;
            inventory.add(reference, digest)?;
            pushed += 1;
        }
    }
    Ok(pushed)
}
