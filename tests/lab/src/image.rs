//! Container images without Docker: a Debian base, the lab's programs in layers on top, each layer kept in the cache.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    command::{in_namespace, run, write_file},
    daemon::hex,
    envoy,
    go_build::{GoBuild, ISTIO, ISTIO_OLDER, PAUSE as PAUSE_BUILD, remove_stale_drafts},
    layout::{Layout, REGISTRY, WAN_NAMESPACE},
    machine,
};

/// The image of a pod's sandbox.
pub(crate) const PAUSE: &str = "198.51.100.1:5000/lab/pause:dev";

/// The tag of the images, and that of the older Istio's.
const TAG: &str = "dev";
const OLDER_TAG: &str = "older";

/// The packages that Istio's agent and the tests need inside a pod.
const BASE_PACKAGES: &str = "iptables,curl,ca-certificates,iproute2";
/// The users that Istio's pods run as.
const USERS: &str = "istio-proxy:x:1337:1337::/home:/bin/sh\napplication:x:1338:1338::/home:/bin/sh\n";
const GROUPS: &str = "istio-proxy:x:1337:\napplication:x:1338:\n";

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A compressed layer in the cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Layer {
    file: PathBuf,
    /// Of the compressed file.
    digest: String,
    /// Of the tar inside.
    diff: String,
    size: u64,
}

/// An image to be put into the registry.
#[derive(Debug)]
pub(crate) struct Image {
    name: &'static str,
    tag: &'static str,
    layers: Vec<Layer>,
    config: Value,
}

/// The one image that a cluster needs before it can run any pod.
pub(crate) fn pause(layout: &Layout) -> Result<Image> {
    let program = PAUSE_BUILD.program(layout, "pause");
    let layer = files_layer(layout, &PAUSE_BUILD.key(), &[(program, "pause")])?;
    let config = json!({"Entrypoint": ["/pause"], "User": "65535:65535"});
    Ok(Image { name: "lab/pause", tag: TAG, layers: vec![layer], config })
}

/// Istio's images and those of the tests' workloads; those of the older Istio too, if it is built.
pub(crate) fn workloads(layout: &Layout) -> Result<Vec<Image>> {
    let key = ISTIO.key();
    let mut images = Vec::from(istio(layout, &ISTIO, TAG)?);
    images.push(over_base(
        layout,
        ("istio/app", TAG),
        &key,
        &[(ISTIO.program(layout, "server"), "usr/local/bin/server")],
        json!({"Entrypoint": ["/usr/local/bin/server"], "User": "1338:1338"}),
    )?);
    images.push(over_base(layout, ("lab/client", TAG), &key, &[], json!({"Cmd": ["sleep", "infinity"], "User": "1338:1338"}))?);
    if ISTIO_OLDER.is_built(layout) {
        images.extend(istio(layout, &ISTIO_OLDER, OLDER_TAG)?);
    }
    Ok(images)
}

/// The images of control plane and proxy.
fn istio(layout: &Layout, build: &GoBuild, tag: &'static str) -> Result<[Image; 2]> {
    let key = build.key();
    let program = |name| build.program(layout, name);
    Ok([
        over_base(
            layout,
            ("istio/pilot", tag),
            &key,
            &[(program("pilot-discovery"), "usr/local/bin/pilot-discovery")],
            json!({"Entrypoint": ["/usr/local/bin/pilot-discovery"], "User": "1337:1337"}),
        )?,
        over_base(
            layout,
            ("istio/proxyv2", tag),
            &format!("{key}{}", envoy::program(layout).display()),
            &[
                (program("pilot-agent"), "usr/local/bin/pilot-agent"),
                (envoy::program(layout), "usr/local/bin/envoy"),
                (program("envoy_bootstrap.json"), "var/lib/istio/envoy/envoy_bootstrap_tmpl.json"),
            ],
            json!({"Entrypoint": ["/usr/local/bin/pilot-agent"]}),
        )?,
    ])
}

/// An image of that name and tag: the base, and a layer with the files if there are any.
fn over_base(
    layout: &Layout,
    (name, tag): (&'static str, &'static str),
    key: &str,
    files: &[(PathBuf, &str)],
    config: Value,
) -> Result<Image> {
    let mut layers = vec![base_layer(layout)?];
    if !files.is_empty() {
        layers.push(files_layer(layout, key, files)?);
    }
    Ok(Image { name, tag, layers, config })
}

/// Makes the base of all images unless it is there.
pub(crate) fn ensure_base(layout: &Layout) -> Result<String> {
    let before = base_file(layout).exists();
    base_layer(layout)?;
    Ok(if before { "made before" } else { "made" }.to_owned())
}

fn base_key() -> String {
    format!("base {} {BASE_PACKAGES} {USERS}{GROUPS}", machine::debian_suite())
}

fn base_file(layout: &Layout) -> PathBuf {
    layer_folder(layout, &base_key()).join("layer.json")
}

fn base_layer(layout: &Layout) -> Result<Layer> {
    layer(layout, &base_key(), |root| {
        let mut command = Command::new("debootstrap");
        command.args(["--variant=minbase", &format!("--include={BASE_PACKAGES}")]).arg(machine::debian_suite()).arg(root);
        command.args(machine::debian_mirror());
        run(&mut command)?;
        for (file, lines) in [("etc/passwd", USERS), ("etc/group", GROUPS)] {
            let file = root.join(file);
            fs::write(&file, fs::read_to_string(&file)? + lines)?;
        }
        for folder in ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"] {
            let _ = fs::remove_dir_all(root.join(folder));
        }
        Ok(())
    })
}

/// A layer of single files; their key stands for their content.
fn files_layer(layout: &Layout, key: &str, files: &[(PathBuf, &str)]) -> Result<Layer> {
    let names: Vec<_> = files.iter().map(|(_, name)| *name).collect();
    layer(layout, &format!("{key} {}", names.join(" ")), |root| {
        for (source, name) in files {
            let target = root.join(name);
            fs::create_dir_all(target.parent().unwrap_or(root))?;
            fs::copy(source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
        }
        Ok(())
    })
}

fn layer_folder(layout: &Layout, key: &str) -> PathBuf {
    let key = hex(&Sha256::digest(key))[..16].to_owned();
    layout.cache.join("layers").join(key)
}

/// The layer of that key; `fill` puts its files into a folder if it has to be made.
fn layer(layout: &Layout, key: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Layer> {
    let folder = layer_folder(layout, key);
    if let Ok(text) = fs::read(folder.join("layer.json")) {
        return Ok(serde_json::from_slice(&text)?);
    }
    remove_stale_drafts(&folder);
    let draft = folder.with_extension(format!("draft-{}", std::process::id()));
    let (root, output) = (draft.join("root"), draft.join("output"));
    fs::create_dir_all(&root)?;
    fs::create_dir_all(&output)?;
    fill(&root)?;
    // The same files make the same layer, which clusters and registry then have already.
    let tar = output.join("layer.tar");
    run(Command::new("tar")
        .args(["--sort=name", "--mtime=@0", "--numeric-owner", "--owner=0", "--group=0"])
        .args(["--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*"])
        .arg("-C")
        .arg(&root)
        .arg("-cf")
        .arg(&tar)
        .arg("."))?;
    let diff = sha256(&tar)?;
    run(Command::new("gzip").args(["-1", "-n"]).arg(&tar))?;
    let compressed = output.join("layer.tar.gz");
    let layer = Layer { file: folder.join("layer.tar.gz"), digest: sha256(&compressed)?, diff, size: fs::metadata(&compressed)?.len() };
    write_file(&output.join("layer.json"), serde_json::to_vec_pretty(&layer)?)?;
    fs::rename(&output, &folder)?;
    fs::remove_dir_all(&draft)?;
    Ok(layer)
}

fn sha256(file: &Path) -> Result<String> {
    let line = run(Command::new("sha256sum").arg("--binary").arg(file))?;
    Ok(line.split(' ').next().unwrap_or_default().to_owned())
}

impl Image {
    fn config_blob(&self) -> Vec<u8> {
        let diffs: Vec<_> = self.layers.iter().map(|layer| format!("sha256:{}", layer.diff)).collect();
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({
            "architecture": architecture, "os": "linux", "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diffs},
        });
        config.to_string().into_bytes()
    }

    fn manifest(&self, config: &[u8]) -> Vec<u8> {
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| json!({"mediaType": LAYER_TYPE, "digest": format!("sha256:{}", layer.digest), "size": layer.size}))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": CONFIG_TYPE,
                "digest": format!("sha256:{}", hex(&Sha256::digest(config))),
                "size": config.len(),
            },
            "layers": layers,
        });
        manifest.to_string().into_bytes()
    }

    /// Where clusters find it.
    pub(crate) fn reference(&self) -> String {
        format!("{REGISTRY}/{}:{}", self.name, self.tag)
    }

    /// Distinguishes this image from an earlier one of the same name.
    pub(crate) fn digest(&self) -> String {
        hex(&Sha256::digest(self.manifest(&self.config_blob())))
    }

    /// Writes it to disk in the OCI layout and copies that into the registry.
    pub(crate) fn push(&self, scratch: &Path) -> Result<()> {
        let _ = fs::remove_dir_all(scratch);
        let blobs = scratch.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        for layer in &self.layers {
            std::os::unix::fs::symlink(&layer.file, blobs.join(&layer.digest))?;
        }
        let config = self.config_blob();
        let manifest = self.manifest(&config);
        for blob in [&config, &manifest] {
            fs::write(blobs.join(hex(&Sha256::digest(blob))), blob)?;
        }
        fs::write(scratch.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let index = json!({"schemaVersion": 2, "manifests": [{
            "mediaType": MANIFEST_TYPE,
            "digest": format!("sha256:{}", self.digest()),
            "size": manifest.len(),
        }]});
        fs::write(scratch.join("index.json"), index.to_string())?;
        run(in_namespace(WAN_NAMESPACE, "skopeo")
            .args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"])
            .arg(format!("oci:{}", scratch.display()))
            .arg(format!("docker://{}", self.reference())))?;
        fs::remove_dir_all(scratch)?;
        Ok(())
    }
}
