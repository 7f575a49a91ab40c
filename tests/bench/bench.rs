//! What the provider costs beside doing without it: its start, its memory, its size, its reads, fifty clusters, a mesh, and exports by the
//! hundred. `make bench` runs this; docs/design/performance.md says what is compared, and what it was. A slow figure is reported; a wrong
//! answer is a failure.
//!
//! Arguments are the programs of other providers, to be measured beside ours.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)] // a benchmark that goes wrong is to stop

mod access;
mod cli;
mod cluster;
mod clusters;
mod curve;
mod exports;
mod figure;
mod growth;
mod install;
mod mesh;
mod program;
mod reads;
mod startup;
mod workspace;

use program::Program;

/// The program that is measured.
const PROGRAM: &str = env!("CARGO_BIN_EXE_terraform-provider-mesh");

/// How many exports to measure: `EXPORTS="10 100 1000 3000"`, of which the last two take minutes; without it, the first two.
fn sizes() -> Vec<usize> {
    let text = std::env::var("EXPORTS").unwrap_or_else(|_| "10 100".to_owned());
    text.split_whitespace().map(|size| size.parse().expect("a number")).collect()
}

/// The parts of the benchmark.
const PARTS: [&str; 7] = ["startup", "cli", "reads", "clusters", "mesh", "install", "exports"];

/// Which parts to measure: `PARTS="cli reads"`; without it, all.
fn parts() -> Vec<String> {
    let text = std::env::var("PARTS").unwrap_or_else(|_| PARTS.join(" "));
    let parts: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    for part in &parts {
        assert!(PARTS.contains(&part.as_str()), "PARTS must be of {PARTS:?}, got {part}");
    }
    parts
}

#[tokio::main]
async fn main() {
    // Cargo adds an option of its own.
    let peers = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(Program::new);
    let programs: Vec<_> = std::iter::once(Program::new(PROGRAM)).chain(peers).collect();
    let (sizes, parts) = (sizes(), parts());
    let is_wanted = |part: &str| parts.iter().any(|wanted| wanted == part);
    exports::check(&sizes);
    let (mut figures, mut growth) = (Vec::new(), Vec::new());
    if is_wanted("startup") {
        figures.extend(startup::measure(&programs).await);
    }
    if is_wanted("cli") {
        figures.extend(cli::measure(&programs));
    }
    match cluster::kubeconfig() {
        Some(kubeconfig) => {
            if is_wanted("reads") {
                figures.extend(reads::measure(&kubeconfig).await);
            }
            if is_wanted("clusters") {
                figures.extend(clusters::measure().await);
            }
            if is_wanted("mesh") {
                figures.extend(mesh::measure());
            }
            if is_wanted("install") {
                figures.extend(install::measure());
            }
            if is_wanted("exports") {
                let (of_exports, sizes) = exports::measure(&sizes).await;
                figures.extend(of_exports);
                growth = sizes;
            }
        }
        None => println!("This doesn't run on the lab (`make bench` does): no cluster is read."),
    }
    figure::print(&programs, &figures);
    growth::print(&growth);
    curve::update(&growth);
}
