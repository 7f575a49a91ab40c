//! Istio's charts in the three shapes that Helm takes them: a folder, an HTTP repository, and OCI artifacts.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    command::{in_namespace, run},
    daemon::Daemon,
    go_build::{GoBuild, HELM, ISTIO, ISTIO_OLDER},
    layout::{CHARTS_PORT, Layout, REGISTRY, WAN_ADDRESS, WAN_NAMESPACE},
    netns,
    registry::Inventory,
    wait,
};

/// The charts' names.
pub(crate) const NAMES: [&str; 3] = ["base", "istiod", "gateway"];
/// The version that the charts have unless another is asked for.
pub(crate) const VERSION: &str = "1.31.0";
/// The same charts under the next version: something to upgrade to.
pub(crate) const NEXT_VERSION: &str = "1.31.1";
/// The charts of the older Istio.
const OLDER_VERSION: &str = "1.30.0";

/// Where the charts are served.
#[derive(Debug, Clone)]
pub struct Charts {
    /// The HTTP repository's URL; reachable from the WAN.
    pub http: String,
    /// The URL that a chart's name is appended to; plain HTTP, reachable from the WAN.
    pub oci: String,
    /// The folder with a folder for each chart.
    pub directory: PathBuf,
    /// [`VERSION`].
    pub version: &'static str,
    /// [`NEXT_VERSION`]: in the repository and as OCI artifacts only.
    pub next_version: &'static str,
    /// [`OLDER_VERSION`], if it is built (`lab build istio-older`, then `lab up`): in the repository and as OCI artifacts only.
    pub older_version: Option<&'static str>,
}

impl Charts {
    /// Where they are once `lab up` is done.
    pub fn new(layout: &Layout) -> Self {
        Self {
            http: format!("http://{WAN_ADDRESS}:{CHARTS_PORT}/charts"),
            oci: format!("oci://{REGISTRY}/charts"),
            directory: layout.charts().join("directory"),
            version: VERSION,
            next_version: NEXT_VERSION,
            older_version: ISTIO_OLDER.is_built(layout).then_some(OLDER_VERSION),
        }
    }
}

/// Makes the folder and the packages, and puts the packages into the registry.
pub(crate) fn ensure(layout: &Layout) -> Result<String> {
    let has_older = ISTIO_OLDER.is_built(layout);
    let older = if has_older { ISTIO_OLDER.key() } else { String::new() };
    let key = format!("{} {older} {}", ISTIO.key(), HELM.key());
    let mut inventory = Inventory::read(layout, "charts");
    if inventory.has("charts", &key) && layout.charts().is_dir() {
        return Ok("all there".to_owned());
    }
    let folder = layout.charts();
    let draft = folder.with_extension("draft");
    let _ = fs::remove_dir_all(&draft);
    let packages = draft.join("http/charts");
    fs::create_dir_all(&packages)?;
    fs::create_dir_all(draft.join("directory"))?;
    let source = |build: &GoBuild, name| build.program(layout, "charts").join(name);
    for name in NAMES {
        let chart = draft.join("directory").join(name);
        run(Command::new("cp").arg("-r").arg(source(&ISTIO, name)).arg(&chart))?;
        set_version(&chart.join("Chart.yaml"))?;
        for version in [VERSION, NEXT_VERSION] {
            publish(layout, &chart, &packages, version)?;
        }
        if has_older {
            publish(layout, &source(&ISTIO_OLDER, name), &packages, OLDER_VERSION)?;
        }
    }
    run(helm(layout).args(["repo", "index"]).arg(&packages).args(["--url", &Charts::new(layout).http]))?;
    let _ = fs::remove_dir_all(&folder);
    fs::rename(&draft, &folder)?;
    inventory.add("charts".to_owned(), key)?;
    let versions = [has_older.then_some(OLDER_VERSION), Some(VERSION), Some(NEXT_VERSION)];
    Ok(versions.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// Packages a chart under a version, and puts the package into the registry.
fn publish(layout: &Layout, chart: &Path, packages: &Path, version: &str) -> Result<()> {
    run(helm(layout).arg("package").arg(chart).args(["--version", version, "--app-version", version, "--destination"]).arg(packages))?;
    let name = chart.file_name().context("a chart without a name")?.to_string_lossy();
    run(helm(layout)
        .arg("push")
        .arg(packages.join(format!("{name}-{version}.tgz")))
        .args([&format!("oci://{REGISTRY}/charts"), "--plain-http"]))?;
    Ok(())
}

/// Helm with folders of its own: the lab does not look at the person's repositories.
fn helm(layout: &Layout) -> Command {
    let mut command = in_namespace(WAN_NAMESPACE, HELM.program(layout, "helm"));
    for (variable, folder) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")] {
        command.env(variable, layout.wan().join("helm").join(folder));
    }
    command
}

/// The module carries a placeholder for the version; the release process fills it in.
fn set_version(file: &Path) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let lines = text.lines().map(|line| match line.split_once(": ") {
        Some((key @ ("version" | "appVersion"), _)) => format!("{key}: {VERSION}\n"),
        _ => format!("{line}\n"),
    });
    Ok(fs::write(file, lines.collect::<String>())?)
}

/// The HTTP repository as a daemon of this very program.
pub(crate) fn configure_server(layout: &Layout, lab: &Path) -> Daemon {
    Daemon {
        host: "wan",
        name: "charts",
        namespace: WAN_NAMESPACE,
        program: lab.to_owned(),
        arguments: vec!["serve-charts".into(), layout.charts().join("http").to_string_lossy().into_owned()],
        configuration: Vec::new(),
    }
}

pub(crate) fn wait_for_server() -> Result<()> {
    let address = format!("{WAN_ADDRESS}:{CHARTS_PORT}");
    wait::until_true("the chart repository", Duration::from_secs(20), || Ok(netns::is_listening(&address)))
}

/// Serves a folder over HTTP, for ever. Only what Helm asks is understood: GET of a file.
pub fn serve(folder: &Path) -> Result<()> {
    let listener = TcpListener::bind((WAN_ADDRESS, CHARTS_PORT)).context("cannot listen for chart requests")?;
    for stream in listener.incoming().flatten() {
        let folder = folder.to_owned();
        std::thread::spawn(move || answer(&stream, &folder));
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, folder: &Path) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.take(64 * 1024));
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    let path = Path::new(path.split('?').next().unwrap_or(path).trim_start_matches('/'));
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let (status, body) = match fs::read(folder.join(path)) {
        Ok(body) if inside => ("200 OK", body),
        _ => ("404 Not Found", b"not found\n".to_vec()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)?;
    Ok(())
}
