//! Fifty clusters in one configuration, of which one may be slow or silent: what the others have to wait.

use std::{path::Path, time::Duration};

use kube::Client;
use mesh_lab::{Lab, Proxy, Trouble};

use crate::{
    cluster,
    figure::{Figure, median},
    workspace::{REQUIREMENT, Run, Workspace},
};

const CLUSTERS: usize = 50;

const RUNS: usize = 3;

/// How long the slow cluster takes for each answer.
const SLOW: Duration = Duration::from_secs(1);

/// Longer than any operation waits.
const SILENT: Duration = Duration::from_secs(600);

/// Measures a root CA in each of the clusters: half of them are the lab's first cluster, half the second one, each under a key of its own.
pub(crate) async fn measure() -> Vec<Figure> {
    let Ok(terraform) = which::which("terraform") else { return Vec::new() };
    println!("measuring {CLUSTERS} clusters");
    let lab = Lab::attach().expect("the lab");
    let path = |key: &str| lab.cluster(key).expect("a cluster").kubeconfig_path();
    let clients: [Client; 2] = [cluster::client(&path("us")).await, cluster::client(&path("eu")).await];
    let namespace = cluster::make_namespace(&clients[0]).await;
    lab.cluster("eu").expect("eu").apply(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n")).expect("applied");
    // The proxy has a runtime of its own, which this one's threads can't wait for.
    let figures = std::thread::scope(|scope| scope.spawn(|| figures(&terraform, &lab, &namespace)).join().expect("the figures"));
    for client in &clients {
        cluster::remove_namespace(client, &namespace).await;
    }
    figures
}

fn figures(terraform: &Path, lab: &Lab, namespace: &str) -> Vec<Figure> {
    let proxy = Proxy::start(&lab.cluster("us").expect("us")).expect("a proxy");
    let workspace = Workspace::new(terraform, &configuration(lab, &proxy, namespace));
    let bare = Workspace::new(terraform, &format!("resource \"terraform_data\" \"it\" {{\n  count = {CLUSTERS}\n}}\n"));
    bare.run(&["apply", "-auto-approve"]);
    let mut rounds: Vec<[Run; 4]> = Vec::new();
    let mut slow = Vec::new();
    for _ in 0..RUNS {
        let apply = workspace.run(&["apply", "-auto-approve"]);
        let plan = workspace.run(&["plan", "-detailed-exitcode"]);
        let bare_plan = bare.run(&["plan", "-detailed-exitcode"]);
        proxy.trouble(Trouble::Silence(SLOW), 1);
        slow.push(workspace.run(&["plan", "-detailed-exitcode"]));
        proxy.peace();
        rounds.push([apply, plan, bare_plan, workspace.run(&["destroy", "-auto-approve"])]);
    }
    workspace.run(&["apply", "-auto-approve"]);
    proxy.trouble(Trouble::Silence(SILENT), 1);
    let silent = workspace.fail(&["plan"]);
    proxy.peace();
    workspace.run(&["destroy", "-auto-approve"]);

    let figure = |what: String, unit, runs, value| Figure { what, unit, target: None, runs, values: vec![value] };
    let of = |value: &dyn Fn(&[Run; 4]) -> f64| median(rounds.iter().map(value));
    vec![
        figure(format!("{CLUSTERS} clusters with a root each: apply"), "ms", RUNS, of(&|round| round[0].milliseconds)),
        figure("… plan without changes".to_owned(), "ms", RUNS, of(&|round| round[1].milliseconds)),
        figure(
            "… ratio to a plan of as many terraform_data".to_owned(),
            "×",
            RUNS,
            of(&|round| round[1].milliseconds / round[2].milliseconds),
        ),
        figure("… most memory of the provider".to_owned(), "MiB", RUNS, of(&|round| round[1].memory)),
        figure("… destroy".to_owned(), "ms", RUNS, of(&|round| round[3].milliseconds)),
        figure(
            format!("… plan, one takes {} s for each answer", SLOW.as_secs()),
            "ms",
            RUNS,
            median(slow.iter().map(|run| run.milliseconds)),
        ),
        figure("… plan, one is silent, until the error".to_owned(), "ms", 1, silent.milliseconds),
    ]
}

fn configuration(lab: &Lab, proxy: &Proxy, namespace: &str) -> String {
    let paths = ["us", "eu"].map(|key| lab.cluster(key).expect("a cluster").kubeconfig_path().display().to_string());
    let direct = (1..CLUSTERS).map(|number| format!("    c{number} = {{ config_path = \"{}\" }}\n", paths[number % 2]));
    let clusters: String = direct.collect();
    let keys: Vec<_> = (0..CLUSTERS).map(|number| format!("\"c{number}\"")).collect();
    format!(
        r#"
        {REQUIREMENT}
        provider "mesh" {{
          clusters = {{
            c0 = {{ host = "{}", token = "-" }}
        {clusters}
          }}
        }}
        resource "mesh_root_ca" "it" {{
          for_each  = toset([{}])
          cluster   = each.key
          namespace = "{namespace}"
          name      = "root-${{each.key}}"
        }}
        "#,
        proxy.url(),
        keys.join(", ")
    )
}
