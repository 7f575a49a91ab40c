//! The pages as a browser shows them: Chromium lays them out, a script looks for faults, and pictures are taken to be looked at.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::*;
use crate::mesh::inventory::fixture::pod;

/// Looks for faults of a page, and writes what it finds into the title.
const PROBE: &str = include_str!("browser.js");

/// The themes by the number that Chromium has for them, with the page's background.
const THEMES: [(&str, u8, &str); 2] = [("light", 1, "rgb(246, 247, 249)"), ("dark", 0, "rgb(20, 23, 27)")];

/// A desktop's window and one that is as narrow as Chromium allows.
const WIDTHS: [u32; 2] = [1280, 500];

/// The pages, each with the clusters and hosts that it shows.
fn pages() -> Vec<(&'static str, Topology)> {
    vec![
        ("2x1", topology(&two_clusters())),
        ("broken", Topology::of(&broken())),
        ("10x100", topology(&large(10, 100))),
        ("10x100-troubled", Topology::of(&troubled())),
        ("50x1000", topology(&large(50, 1000))),
        ("hostile", hostile()),
        ("elsewhere", elsewhere()),
    ]
}

/// Two clusters that import from a third one, which isn't shown.
fn elsewhere() -> Topology {
    let mut mesh = mesh(&["asia", "eu", "us"], &[("asia", "pay.asia.mesh.local"), ("eu", "echo.eu.mesh.local")]);
    mesh.remove("asia");
    topology(&mesh)
}

/// Ten clusters with a hundred hosts: one has pods that aren't ready, one misses imports, one can't be read, and in one sidecars are too old.
fn troubled() -> Inventory {
    let mut mesh = large(10, 100);
    mesh.get_mut("cluster-02").unwrap().pods = Some(vec![pod("echo-1", true, false)]);
    mesh.get_mut("cluster-05").unwrap().entries.retain(|entry| !entry["spec"]["hosts"][0].as_str().unwrap().ends_with("7.shop.mesh.local"));
    mesh.get_mut("cluster-08").unwrap().sidecars[0]["spec"]["initContainers"][0]["image"] = json!("proxyv2:1.29.1-distroless");
    let mut inventory = inventory(&mesh);
    let why = "Can't reach the API server of cluster \"cluster-07\". Connection refused.".to_owned();
    let unread = Unread { why, advice: "Check the address.".to_owned(), is_unknown: false };
    inventory.clusters.insert(ClusterKey::parse("cluster-07").unwrap(), Err(unread));
    inventory
}

/// Names that are no text only, and one as long as a name can be, without a place to break it, wherever a name is shown.
fn hostile() -> Topology {
    let long = "a".repeat(63);
    let long = [long.as_str(), &long, &long, &long[..60]].join("");
    let mut topology = Topology::of(&broken());
    topology.exports[0].host = HOSTILE.to_owned();
    topology.exports[0].service = Some(HOSTILE.to_owned());
    topology.exports[0].importers[0].cluster = HOSTILE.to_owned();
    topology.exports[1].host = long.clone();
    topology.exports[1].namespace = long.clone();
    topology.exports[1].ports = vec![long.clone()];
    topology.exports[1].exporter = long.clone();
    let problem = &mut topology.problems[0];
    (problem.object, problem.seen, problem.fix) = (Some(long.clone()), HOSTILE.to_owned(), long.clone());
    for (cluster, name) in topology.clusters.iter_mut().zip([HOSTILE, &long]) {
        cluster.key = name.to_owned();
        cluster.unreachable = None;
        cluster.network = Some(name.to_owned());
        cluster.mesh_id = Some(name.to_owned());
        cluster.trust_domain = Some(name.to_owned());
    }
    topology
}

/// Lays out each page in both themes and two widths, with scripts and without, and fails for every fault that the probe finds. Writes pictures to
/// `target/topology`.
#[test]
#[ignore = "needs Chromium: apt install chromium"]
fn pages_are_shown_in_a_browser() {
    let folder = root().join("target/topology");
    fs::create_dir_all(&folder).unwrap();
    let mut faults = Vec::new();
    for (name, topology) in pages() {
        let page = topology.html();
        assert!(name != "10x100" || page.len() < 200_000, "{} bytes", page.len());
        let file = folder.join(format!("{name}.html"));
        fs::write(&file, &page).unwrap();
        for (theme, scheme, background) in THEMES {
            let picture = folder.join(format!("{name}-{theme}.png"));
            photograph(&file, &picture, scheme, (WIDTHS[0], 1600));
            photograph(&file, &folder.join(format!("{name}-{theme}-narrow.png")), scheme, (WIDTHS[1], 1600));
            for (width, has_script) in [(WIDTHS[0], true), (WIDTHS[1], true), (WIDTHS[0], false)] {
                let probed = folder.join(format!("{name}-probed.html"));
                fs::write(&probed, with_probe(&page, &topology, background, has_script)).unwrap();
                let dom = chromium(&["--dump-dom", &format!("--window-size={width},900"), &preferring(scheme)], &probed);
                let title = dom.split("<title>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
                if title != "no fault" {
                    faults.push(format!("{name}, {theme}, {width} wide, {} scripts: {title}", if has_script { "with" } else { "without" }));
                }
                fs::remove_file(probed).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Takes the pictures that README and guides show. A thin line in all its shades makes a picture large, so their colors are made fewer.
#[test]
#[ignore = "needs Chromium and pngquant: apt install chromium pngquant; writes pictures to docs"]
fn the_pictures_of_the_documents_are_taken() {
    let hosts = [
        ("eu", "echo.eu.mesh.local"),
        ("eu", "cart.eu.mesh.local"),
        ("us", "search.us.mesh.local"),
        ("us", "stock.us.mesh.local"),
        ("asia", "pay.asia.mesh.local"),
    ];
    let mut mesh = mesh(&["asia", "eu", "us"], &hosts);
    let asia = mesh.get_mut("asia").unwrap();
    asia.gateway_deployments[0]["spec"]["replicas"] = json!(2);
    asia.pods = Some(vec![pod("echo-1", true, false)]);
    let (three, ten) = (topology(&mesh).html(), Topology::of(&troubled()).html());
    let [(_, light, _), (_, dark, _)] = THEMES;
    for (page, name, scheme, size) in [
        (&three, "docs/topology.png", light, (1000, 1120)),
        (&ten, "docs/topology-10x100-light.png", light, (1000, 1450)),
        (&ten, "docs/topology-10x100-dark.png", dark, (1000, 1450)),
    ] {
        let (file, picture) = (root().join("target/topology.html"), root().join(name));
        fs::write(&file, page).unwrap();
        photograph(&file, &picture, scheme, size);
        let reduced = Command::new("pngquant").args(["--force", "--output"]).arg(&picture).args(["64", "--"]).arg(&picture).status();
        assert!(reduced.expect("pngquant starts").success());
        let bytes = fs::metadata(&picture).unwrap().len();
        assert!((10_000..150_000).contains(&bytes), "{name} has {bytes} bytes");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The page with the probe at its end, and without its own script if it is to be read without any.
fn with_probe(page: &str, topology: &Topology, background: &str, has_script: bool) -> String {
    let page = if has_script {
        page.to_owned()
    } else {
        let (before, rest) = page.split_once("<script>").unwrap();
        let (_, after) = rest.split_once("</script>").unwrap();
        format!("{before}{after}")
    };
    let expected = json!({
        "clusters": topology.clusters.len(), "hosts": topology.exports.iter().map(|export| &export.host).collect::<Vec<_>>(),
        "problems": topology.problems.len(), "hasMap": topology.clusters.len() <= map::MOST_CLUSTERS, "hasScript": has_script, "background": background,
    });
    // What is hostile in the page is so in here, too.
    let expected = expected.to_string().replace('<', "\\u003c");
    page.replace("</body>", &format!("<script>var expected={expected};{PROBE}</script></body>"))
}

fn preferring(scheme: u8) -> String {
    format!("--blink-settings=preferredColorScheme={scheme}")
}

fn photograph(file: &Path, picture: &Path, scheme: u8, (width, height): (u32, u32)) {
    chromium(&[&format!("--screenshot={}", picture.display()), &format!("--window-size={width},{height}"), &preferring(scheme)], file);
    assert!(fs::metadata(picture).unwrap().len() > 10_000, "{}", picture.display());
}

/// Runs Chromium without a window; what it prints.
fn chromium(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=2000"])
        .args(arguments)
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("chromium starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
