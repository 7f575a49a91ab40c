//! The machine: the programs and kernel settings that the lab needs, and restores.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    cgroup::Cgroups,
    command::{find_program, run, write_file},
    layout::Layout,
};

/// Whether the lab can run here at all; everything that is in the way, in one message.
pub(crate) fn check() -> Result<()> {
    let mut missing = Vec::new();
    if !cfg!(target_os = "linux") {
        missing.push("Linux".to_owned());
    }
    if !nix::unistd::Uid::effective().is_root() {
        missing.push("root (network namespaces, mounts, cgroups): run it with sudo".to_owned());
    }
    if let Err(error) = Cgroups::detect() {
        missing.push(format!("cgroups: {error:#}"));
    }
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.contains("\toverlay") && run(Command::new("modprobe").arg("overlay")).is_err() {
        missing.push("the kernel's overlay file system".to_owned());
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("the lab cannot run here; it needs:\n  - {}", missing.join("\n  - "))
}

/// A program that comes from a Debian package.
struct Tool {
    program: &'static str,
    package: &'static str,
}

const TOOLS: [Tool; 17] = [
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "nsenter", package: "util-linux" },
    Tool { program: "etcd", package: "etcd-server" },
    Tool { program: "containerd", package: "containerd" },
    Tool { program: "containerd-shim-runc-v2", package: "containerd" },
    Tool { program: "runc", package: "runc" },
    Tool { program: "nft", package: "nftables" },
    Tool { program: "iptables", package: "iptables" },
    Tool { program: "conntrack", package: "conntrack" },
    Tool { program: "mount", package: "mount" },
    Tool { program: "debootstrap", package: "debootstrap" },
    Tool { program: "skopeo", package: "skopeo" },
    Tool { program: "docker-registry", package: "docker-registry" },
    Tool { program: "tar", package: "tar" },
    Tool { program: "gzip", package: "gzip" },
    Tool { program: "python3", package: "python3" },
    Tool { program: "pip3", package: "python3-pip" },
];

/// Where Debian keeps the network plugins; they are not in PATH.
pub(crate) const CNI_FOLDER: &str = "/usr/lib/cni";

fn missing_packages() -> Vec<&'static str> {
    let absent = TOOLS.iter().filter(|tool| find_program(tool.program).is_none());
    let mut packages: Vec<_> = absent.map(|tool| tool.package).collect();
    if !Path::new(CNI_FOLDER).join("bridge").exists() {
        packages.push("containernetworking-plugins");
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Installs the missing packages. Debian starts a package's services at its installation; the lab prevents that.
pub(crate) fn install_packages() -> Result<String> {
    let packages = missing_packages();
    if packages.is_empty() {
        return Ok("all there".to_owned());
    }
    let list = packages.join(" ");
    if find_program("apt-get").is_none() {
        bail!("these programs' packages are missing, and there is no apt-get to install them: {list}");
    }
    let policy = ServicePolicy::forbid_starts()?;
    let installed = apt_get(&["update"]).and_then(|()| {
        let options = ["install", "--yes", "--no-install-recommends", "--no-remove"];
        apt_get(&[&options, packages.as_slice()].concat())
    });
    drop(policy);
    installed.with_context(|| format!("cannot install {list}"))?;
    keep_services_off(&packages);
    let left = missing_packages();
    if !left.is_empty() {
        bail!("installed, but their programs are not there: {}", left.join(" "));
    }
    Ok(format!("installed {list}"))
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    run(Command::new("apt-get")
        .args(["--quiet", "--option", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .map(drop)
}

/// The next boot would start the new packages' services: systemd enables them whatever the policy says.
fn keep_services_off(packages: &[&str]) {
    if !Path::new("/run/systemd/system").exists() {
        return;
    }
    for (package, service) in
        [("containerd", "containerd"), ("etcd-server", "etcd"), ("docker-registry", "docker-registry"), ("nftables", "nftables")]
    {
        if packages.contains(&package) {
            let _ = run(Command::new("systemctl").args(["disable", service]));
        }
    }
}

/// While this lives, package installations start no service. It puts back what it found.
struct ServicePolicy {
    before: Option<Vec<u8>>,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";
const POLICY_TEXT: &str = "#!/bin/sh\n# the lab is installing packages; their services must not start\nexit 101\n";

impl ServicePolicy {
    fn forbid_starts() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        // One that an interrupted run left is ours, not the machine's.
        let before = fs::read(POLICY).ok().filter(|text| text != POLICY_TEXT.as_bytes());
        fs::write(POLICY, POLICY_TEXT).with_context(|| format!("cannot write {POLICY}"))?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(Self { before })
    }
}

impl Drop for ServicePolicy {
    fn drop(&mut self) {
        let _ = match &self.before {
            Some(text) => fs::write(POLICY, text),
            None => fs::remove_file(POLICY),
        };
    }
}

/// Kernel settings that the kubelet changes for the whole machine.
const TUNABLES: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

fn tunables_file(layout: &Layout) -> PathBuf {
    layout.state.join("tunables.json")
}

/// Notes the kernel settings before the first kubelet starts.
pub(crate) fn save_tunables(layout: &Layout) -> Result<()> {
    let file = tunables_file(layout);
    if file.exists() {
        return Ok(());
    }
    let read = |name: &&str| {
        let value = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
        Some(((*name).to_owned(), value.trim().to_owned()))
    };
    let values: Vec<(String, String)> = TUNABLES.iter().filter_map(read).collect();
    write_file(&file, serde_json::to_vec_pretty(&values)?)
}

/// Restores the kernel settings. Returns those that could not be restored.
pub(crate) fn restore_tunables(layout: &Layout) -> Vec<PathBuf> {
    let Ok(text) = fs::read(tunables_file(layout)) else {
        return Vec::new();
    };
    let values: Vec<(String, String)> = serde_json::from_slice(&text).unwrap_or_default();
    let mut left = Vec::new();
    for (name, value) in values {
        let file = Path::new("/proc/sys").join(&name);
        let same = || fs::read_to_string(&file).is_ok_and(|now| now.trim() == value);
        if !same() {
            let _ = fs::write(&file, &value);
            if !same() {
                left.push(file);
            }
        }
    }
    left
}

/// The Debian release that the images are made of: the machine's own if it is a Debian.
pub(crate) fn debian_suite() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    match (field("ID").as_deref(), field("VERSION_CODENAME")) {
        (Some("debian"), Some(suite)) => suite,
        _ => "bookworm".to_owned(),
    }
}

/// The mirror that the machine's own apt uses for that release, if there is one; debootstrap knows one otherwise.
pub(crate) fn debian_mirror() -> Option<String> {
    let targets = run(Command::new("apt-get").args(["indextargets", "--format", "$(CODENAME) $(SITE)"])).ok()?;
    let suite = debian_suite();
    let mirror = targets.lines().find_map(|line| line.strip_prefix(&suite)?.strip_prefix(' '))?;
    Some(mirror.to_owned())
}
