//! What the provider costs beside doing without it: its start, its memory, its size, its reads, fifty clusters, and exports by the hundred. `make bench` runs this;
//! docs/design/performance.md says what is compared, and what it was. A slow figure is reported; a wrong answer is a failure.
//!
//! Arguments are the programs of other providers, to be measured beside ours.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)] // a benchmark that goes wrong is to stop

mod cli;
mod cluster;
mod clusters;
mod exports;
mod figure;
mod program;
mod reads;
mod startup;
mod workspace;

use program::Program;

/// The program that is measured.
const PROGRAM: &str = env!("CARGO_BIN_EXE_terraform-provider-mesh");

/// How many exports to measure: `EXPORTS="10 100 1000"`, of which the last takes ten minutes; without it, the first two.
fn sizes() -> Vec<usize> {
    let text = std::env::var("EXPORTS").unwrap_or_else(|_| "10 100".to_owned());
    text.split_whitespace().map(|size| size.parse().expect("a number")).collect()
}

#[tokio::main]
async fn main() {
    // Cargo adds an option of its own.
    let peers = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(Program::new);
    let programs: Vec<_> = std::iter::once(Program::new(PROGRAM)).chain(peers).collect();
    let mut figures = startup::measure(&programs).await;
    figures.extend(cli::measure(&programs));
    match cluster::kubeconfig() {
        Some(kubeconfig) => {
            figures.extend(reads::measure(&kubeconfig).await);
            figures.extend(clusters::measure().await);
            figures.extend(exports::measure(&sizes()).await);
        }
        None => println!("This doesn't run on the lab (`make bench` does): no cluster is read."),
    }
    figure::print(&programs, &figures);
}
