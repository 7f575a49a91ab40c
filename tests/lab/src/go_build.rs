//! The programs that the lab builds from Go modules: pinned by go.mod and go.sum, kept in the cache by what they are made of.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{
    command::{describe, find_program, run, write_file},
    daemon::hex,
    layout::Layout,
    progress::Note,
};

/// One Go module under `go/`, and the programs that it builds.
#[derive(Debug)]
pub(crate) struct GoBuild {
    /// As in `lab build NAME`.
    pub name: &'static str,
    /// The module's files. They are part of this program, which so needs no checkout.
    files: &'static [(&'static str, &'static str)],
    /// The packages to build, and the programs' names.
    programs: &'static [(&'static str, &'static str)],
    /// Other names for the first program, which looks at the name that it is called by.
    aliases: &'static [&'static str],
    /// The Go linker's -X: versions, which a build from a tagged checkout would carry.
    variables: &'static [(&'static str, &'static str)],
    /// Files of modules that are kept with the programs: module, path inside, name.
    extras: &'static [(&'static str, &'static str, &'static str)],
}

macro_rules! module {
    ($part:literal $(, $source:literal)*) => {
        &[
            ("go.mod", include_str!(concat!("../go/", $part, "/go.mod"))),
            ("go.sum", include_str!(concat!("../go/", $part, "/go.sum"))),
            $(($source, include_str!(concat!("../go/", $part, "/", $source))),)*
        ]
    };
}

const ISTIO_MODULE: &str = "istio.io/istio";

/// Kubernetes: its five programs and kubectl, in one binary.
pub(crate) static KUBERNETES: GoBuild = GoBuild {
    name: "kubernetes",
    files: module!("kubernetes", "main.go"),
    programs: &[(".", "kube")],
    aliases: &["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"],
    variables: &[
        ("k8s.io/component-base/version.gitVersion", "v1.34.4"),
        ("k8s.io/component-base/version.gitMajor", "1"),
        ("k8s.io/component-base/version.gitMinor", "34"),
        ("k8s.io/client-go/pkg/version.gitVersion", "v1.34.4"),
    ],
    extras: &[],
};

/// The clusters' name server.
pub(crate) static COREDNS: GoBuild = GoBuild {
    name: "coredns",
    files: module!("coredns", "main.go"),
    programs: &[(".", "coredns")],
    aliases: &[],
    variables: &[],
    extras: &[],
};

/// The program that holds a pod's namespaces.
pub(crate) static PAUSE: GoBuild =
    GoBuild { name: "pause", files: module!("pause", "main.go"), programs: &[(".", "pause")], aliases: &[], variables: &[], extras: &[] };

/// Helm 4.
pub(crate) static HELM: GoBuild = GoBuild {
    name: "helm",
    files: module!("helm"),
    programs: &[("helm.sh/helm/v4/cmd/helm", "helm")],
    aliases: &[],
    variables: &[("helm.sh/helm/v4/internal/version.version", "v4.3.1")],
    extras: &[],
};

/// Helm 3, for the long tests only.
pub(crate) static HELM3: GoBuild = GoBuild {
    name: "helm3",
    files: module!("helm3"),
    programs: &[("helm.sh/helm/v3/cmd/helm", "helm3")],
    aliases: &[],
    variables: &[("helm.sh/helm/v3/internal/version.version", "v3.20.2")],
    extras: &[],
};

/// Istio: control plane, agent and echo server, with the charts and Envoy's bootstrap template.
pub(crate) static ISTIO: GoBuild = GoBuild {
    name: "istio",
    files: module!("istio"),
    programs: &[
        ("istio.io/istio/pilot/cmd/pilot-discovery", "pilot-discovery"),
        ("istio.io/istio/pilot/cmd/pilot-agent", "pilot-agent"),
        ("istio.io/istio/pkg/test/echo/cmd/server", "server"),
    ],
    aliases: &[],
    variables: &[("istio.io/istio/pkg/version.buildVersion", "1.31.0")],
    extras: &[
        (ISTIO_MODULE, "manifests/charts/base", "charts/base"),
        (ISTIO_MODULE, "manifests/charts/istio-control/istio-discovery", "charts/istiod"),
        (ISTIO_MODULE, "manifests/charts/gateway", "charts/gateway"),
        (ISTIO_MODULE, "tools/packaging/common/envoy_bootstrap.json", "envoy_bootstrap.json"),
    ],
};

/// Istio's control plane and agent of four months before: something to upgrade from. For the long tests only.
pub(crate) static ISTIO_OLDER: GoBuild = GoBuild {
    name: "istio-older",
    files: module!("istio-older"),
    programs: &[("istio.io/istio/pilot/cmd/pilot-discovery", "pilot-discovery"), ("istio.io/istio/pilot/cmd/pilot-agent", "pilot-agent")],
    aliases: &[],
    variables: &[("istio.io/istio/pkg/version.buildVersion", "1.30.0")],
    extras: ISTIO.extras,
};

/// istioctl, for the long tests only.
pub(crate) static ISTIOCTL: GoBuild = GoBuild {
    name: "istioctl",
    files: module!("istioctl"),
    programs: &[("istio.io/istio/istioctl/cmd/istioctl", "istioctl")],
    aliases: &[],
    variables: ISTIO.variables,
    extras: &[],
};

/// `OpenTofu`.
pub(crate) static TOFU: GoBuild = GoBuild {
    name: "tofu",
    files: module!("tofu"),
    programs: &[("github.com/opentofu/opentofu/cmd/tofu", "tofu")],
    aliases: &[],
    variables: &[],
    extras: &[],
};

/// All parts. `lab up` builds all but the last three.
pub(crate) static PARTS: [&GoBuild; 9] = [&KUBERNETES, &COREDNS, &PAUSE, &HELM, &ISTIO, &TOFU, &HELM3, &ISTIO_OLDER, &ISTIOCTL];

impl GoBuild {
    /// The part of that name.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        let names = || PARTS.map(|part| part.name).join(", ");
        PARTS.into_iter().find(|part| part.name == name).with_context(|| format!("there is no part {name:?}; there are {}", names()))
    }

    /// Returns a hash of what the part is built from.
    pub(crate) fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{:?}{:?}", self.files, self.programs));
        hash.update(format!("{:?}{:?}{:?}", self.aliases, self.variables, self.extras));
        hash.update(std::env::consts::ARCH);
        hex(&hash.finalize())[..16].to_owned()
    }

    /// Where its build is kept, whether it is built or not.
    pub(crate) fn folder(&self, layout: &Layout) -> PathBuf {
        layout.cache.join(self.name).join(self.key())
    }

    /// One of its programs.
    pub(crate) fn program(&self, layout: &Layout, name: &str) -> PathBuf {
        self.folder(layout).join(name)
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_built(&self, layout: &Layout) -> bool {
        self.folder(layout).is_dir()
    }

    /// Builds it unless it is there. The folder appears when all of it is done.
    pub(crate) fn build(&self, layout: &Layout, note: &Note) -> Result<String> {
        if self.is_built(layout) {
            return Ok("built before".to_owned());
        }
        let start = Instant::now();
        check_go()?;
        let folder = self.folder(layout);
        let draft = folder.with_extension(format!("draft-{}", std::process::id()));
        remove_stale_drafts(&folder);
        let (module, output) = (draft.join("module"), draft.join("output"));
        fs::create_dir_all(&output)?;
        for (name, text) in self.files {
            write_file(&module.join(name), text)?;
        }
        self.compile(&module, &output, note)?;
        let first = self.programs[0].1;
        for alias in self.aliases {
            std::os::unix::fs::symlink(first, output.join(alias))?;
        }
        for (extra_module, path, name) in self.extras {
            let source = run(go(&module).args(["list", "-m", "-f", "{{.Dir}}", extra_module]))?;
            copy_writable(&Path::new(source.trim()).join(path), &output.join(name))?;
        }
        fs::rename(&output, &folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::remove_dir_all(&draft)?;
        Ok(format!("built in {} s", start.elapsed().as_secs()))
    }

    fn compile(&self, module: &Path, output: &Path, note: &Note) -> Result<()> {
        note.say("downloading modules");
        let packages: Vec<_> = self.programs.iter().map(|(package, _)| *package).collect();
        let mut flags = vec!["-s -w".to_owned()];
        flags.extend(self.variables.iter().map(|(variable, value)| format!("-X {variable}={value}")));
        let flags = flags.join(" ");
        let options = ["-trimpath", "-ldflags", &flags];
        let stale = run(go(module).args(["list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"]).args(options).args(&packages))?;
        let total = stale.lines().filter(|line| !line.is_empty()).count();

        // Whoever works on this machine meanwhile comes first.
        let mut command = Command::new("nice");
        command.args(["-n", "5", "go", "build", "-v"]).args(options).arg("-o").arg(output.join("")).args(&packages);
        let mut child = command
            .current_dir(module)
            .env("CGO_ENABLED", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", describe(&command)))?;
        let start = Instant::now();
        let (mut done, mut printed) = (0, Vec::new());
        for line in BufReader::new(child.stderr.take().context("no pipe")?).lines() {
            let line = line?;
            // With -v go names each package as it compiles it; whatever is not a name is a complaint.
            if line.contains(' ') {
                printed.push(line);
            } else {
                done += 1;
                note.say(&estimate(done, total, start));
            }
        }
        if !child.wait()?.success() {
            bail!("cannot build {}:\n{}", self.name, printed.join("\n"));
        }
        for (package, program) in self.programs {
            // A local package is named after its module.
            let built = if *package == "." { self.name } else { package.rsplit('/').next().unwrap_or(package) };
            if built != *program {
                fs::rename(output.join(built), output.join(program))?;
            }
        }
        Ok(())
    }
}

fn estimate(done: usize, total: usize, start: Instant) -> String {
    let count = format!("{done} of {total} packages");
    let seconds = start.elapsed().as_secs();
    if seconds > 20 && done > 0 && total > done {
        let left = seconds.saturating_mul((total - done) as u64) / done as u64;
        format!("{count}, about {} s left", left.max(5))
    } else if done >= total {
        format!("{count}, linking")
    } else {
        count
    }
}

fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(module).env("CGO_ENABLED", "0");
    command
}

fn check_go() -> Result<()> {
    if find_program("go").is_none() {
        bail!("Go is needed to build the lab's programs and is not in PATH: install Go 1.26 or newer");
    }
    let version = run(Command::new("go").args(["env", "GOVERSION"]))?;
    let minor = version.trim().strip_prefix("go1.").and_then(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    // An older Go may fetch a newer one by itself; only when it must not there is nothing to be done.
    if minor.is_some_and(|minor| minor < 26) {
        let toolchain = run(Command::new("go").args(["env", "GOTOOLCHAIN"]))?;
        if toolchain.trim() == "local" {
            bail!("Go 1.26 or newer is needed; this is {}", version.trim());
        }
    }
    Ok(())
}

/// Copies a file or folder out of Go's module cache, where everything is read-only.
fn copy_writable(source: &Path, target: &Path) -> Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    run(Command::new("cp").arg("-r").arg("--no-preserve=mode").arg(source).arg(target))?;
    Ok(())
}

/// Removes what interrupted builds of the same part left.
pub(crate) fn remove_stale_drafts(folder: &Path) {
    let stem = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let siblings = folder.parent().and_then(|parent| fs::read_dir(parent).ok());
    for entry in siblings.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(&format!("{stem}.draft-")).and_then(|id| id.parse::<i32>().ok());
        if owner.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
