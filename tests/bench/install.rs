//! A mesh of two clusters with Terraform, from bare clusters to gateways that serve, beside a script of helm and kubectl.

use mesh_lab::{ClusterName, Lab, client_manifest, echo_manifest, mesh_by_hand};

use crate::{
    access,
    figure::{Figure, median, milliseconds, table},
    mesh,
    workspace::{Step, Workspace},
};

const RUNS: usize = 3;

/// How many times as long as the script Terraform may take.
const RATIO: f64 = 0.6;

pub(crate) fn measure() -> Vec<Figure> {
    let Ok(terraform) = which::which("terraform") else { return Vec::new() };
    println!("measuring an installation");
    let lab = Lab::attach().expect("the lab");
    let mut traces: Vec<Vec<Step>> = Vec::new();
    let by_hand: Vec<_> = (0..RUNS)
        .map(|_| {
            let by_hand = mesh_by_hand(&lab, false).expect("a mesh").mesh;
            for (key, manifest) in [("eu", echo_manifest(ClusterName::Eu)), ("us", client_manifest().to_owned())] {
                lab.cluster(key).and_then(|cluster| cluster.apply(&manifest)).expect("applied");
            }
            let workspace = Workspace::new(&terraform, &mesh::configuration(&lab, &access::direct(&lab)));
            traces.push(workspace.trace());
            workspace.run(&["destroy", "-auto-approve"]);
            milliseconds(by_hand)
        })
        .collect();
    lab.clean().expect("clean clusters");
    let took = |trace: &Vec<Step>| milliseconds(trace.last().expect("a step").until);
    print(&traces[0]);
    let figure = |what: &str, unit, target, value| Figure { what: what.to_owned(), unit, target, runs: RUNS, values: vec![value] };
    vec![
        figure("mesh of two clusters: apply on bare clusters", "ms", None, median(traces.iter().map(took))),
        figure("… by helm and kubectl, in both clusters at once", "ms", None, median(by_hand.iter().copied())),
        figure("… ratio", "×", Some(RATIO), median(traces.iter().map(took).zip(&by_hand).map(|(ours, by_hand)| ours / by_hand))),
    ]
}

/// Prints what ran when, a character for each half a second.
fn print(trace: &[Step]) {
    let halves = |time: std::time::Duration| usize::try_from(time.as_millis() / 500).unwrap_or_default();
    let head = ["resource", "from", "until", "half seconds"].map(str::to_owned).to_vec();
    let mut rows = vec![head, vec![String::new(); 4]];
    rows.extend(trace.iter().map(|step| {
        let seconds = |time: std::time::Duration| format!("{:.1} s", time.as_secs_f64());
        let line = " ".repeat(halves(step.from)) + &"█".repeat((halves(step.until) - halves(step.from)).max(1));
        vec![step.address.clone(), seconds(step.from), seconds(step.until), line]
    }));
    table(&rows);
    println!();
}
