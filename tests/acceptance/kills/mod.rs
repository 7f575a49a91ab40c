//! `kill -9` of the provider, of Helm, of the CLI and of all three at named steps of an apply and a destroy. Afterwards a plain apply and a
//! plain destroy converge, and nothing is left in the clusters or in the folder for temporary files.

mod step;
pub(crate) mod victims;

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    time::Instant,
};

use mesh_lab::{Cluster, Lab};

use self::{
    step::{Step, gone, pending, present, unaddressed, uninstalling},
    victims::Victims::{self, All, Cli, Helm, Provider},
};
use crate::{
    fixture::{bare_clusters, both, example, lab},
    inventory::{assert_unchanged, objects_of},
    workspace::{Workspace, clis},
};

const SYSTEM: &str = "istio-system";

/// Each step of a first apply, and who is killed at it. Helm is there only while a release is installed.
const CREATES: [(Step, &[Victims]); 10] = [
    (present("us", "secret", SYSTEM, "mesh-root-ca"), &[Provider, All]),
    (present("us", "secret", SYSTEM, "cacerts"), &[Provider]),
    (present("eu", "secret", SYSTEM, "cacerts"), &[Cli]),
    (present("us", "secret", SYSTEM, "sh.helm.release.v1.istio-base.v1"), &[Provider, All]),
    (pending("us", "istiod"), &[Provider, Helm, Cli, All]),
    (pending("eu", "istiod"), &[Provider, All]),
    (pending("us", "istio-eastwestgateway"), &[Provider, Helm]),
    (pending("eu", "istio-eastwestgateway"), &[Cli, All]),
    (unaddressed("eu"), &[Provider]),
    (present("eu", "serviceentry.networking.istio.io", "echo", "mesh-export-echo-eu-mesh-local"), &[Provider, All]),
];

/// Each step of an update of both control planes and gateways.
const UPDATES: [(Step, &[Victims]); 4] = [
    (pending("us", "istiod"), &[Provider, Helm, Cli, All]),
    (pending("eu", "istiod"), &[Provider, Helm, Cli, All]),
    (pending("us", "istio-eastwestgateway"), &[Provider, Helm, All]),
    (pending("eu", "istio-eastwestgateway"), &[Provider, Cli, All]),
];

/// Each step of a destroy.
const DESTROYS: [(Step, &[Victims]); 5] = [
    (gone("us", "serviceentry.networking.istio.io", SYSTEM, "mesh-export-echo-eu-mesh-local"), &[Provider, All]),
    (uninstalling("eu", "istio-eastwestgateway"), &[Provider, Helm]),
    (uninstalling("us", "istiod"), &[Cli, All]),
    (gone("us", "secret", SYSTEM, "cacerts"), &[Provider, All]),
    (gone("us", "secret", SYSTEM, "mesh-root-ca"), &[Provider, All]),
];

/// Which points to kill at, for a run in pieces: `KILL_POINTS=3..6`.
fn chosen(count: usize) -> std::ops::Range<usize> {
    let Ok(text) = std::env::var("KILL_POINTS") else { return 0..count };
    let (from, to) = text.split_once("..").expect("a range such as 3..6");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn points(of: &[(Step, &'static [Victims])]) -> Vec<(Step, Victims)> {
    let all: Vec<_> = of.iter().flat_map(|(step, victims)| victims.iter().map(|victims| (*step, *victims))).collect();
    let count = all.len();
    all.into_iter().skip(chosen(count).start).take(chosen(count).len()).collect()
}

/// A mesh whose CLI can be killed: its files for Helm are in a folder of its own.
struct Subject {
    lab: Lab,
    workspace: Workspace,
    before: [Vec<String>; 2],
}

impl Subject {
    /// Bare clusters, and a CLI for them: each in its turn, but for a kill of the CLI itself during creates. OpenTofu saves what has been
    /// created up to 20 seconds later, and what it hasn't saved needs an import.
    fn new(number: usize, saves_at_once: bool) -> Self {
        drop(bare_clusters());
        let lab = lab();
        let clis = clis(&lab);
        let cli = if saves_at_once { clis.last() } else { clis.get(number % clis.len()) };
        let workspace = example(&lab, cli.expect("a CLI"));
        fs::create_dir(workspace.path("tmp")).expect("a folder");
        let before = objects(&lab);
        Self { lab, workspace, before }
    }

    fn cluster(&self, key: &str) -> Cluster {
        let (us, eu) = both(&self.lab);
        if key == "us" { us } else { eu }
    }

    fn run(&self, verb: &str) -> String {
        let output = self.command(verb).output().expect("the CLI starts");
        let text = crate::workspace::text(&output);
        assert!(output.status.success(), "{verb} failed:\n{text}");
        text
    }

    fn command(&self, verb: &str) -> std::process::Command {
        let mut command = self.workspace.command(&[verb, "-auto-approve", "-no-color"]);
        command.env("TMPDIR", self.workspace.path("tmp"));
        command
    }

    /// Runs the CLI, and kills at a step.
    fn kill_at(&self, verb: &str, step: Step, victims: Victims) {
        let begin = Instant::now();
        let mut child: Child = self.command(verb).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the CLI starts");
        let cluster = self.cluster(step.cluster);
        while !step.is_reached(&cluster) || !victims.are_there(child.id()) {
            assert!(child.try_wait().expect("a child").is_none(), "{verb} ended before {step}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let killed = victims.kill(child.id());
        child.wait().expect("an end");
        victims::wait_for_the_end_of(&killed.descendants);
        println!("{verb}: {victims:?} killed at {step}, after {:.1} s", begin.elapsed().as_secs_f64());
    }

    /// Renews both CAs, and kills the provider while it waits for istiod to take them up, which takes the kubelet a minute.
    fn kill_while_istiod_takes_up_its_ca(&self) {
        let version = |cluster: &Cluster| {
            cluster.kubectl(&["get", "secret", "-n", SYSTEM, "cacerts", "-o", "jsonpath={.metadata.resourceVersion}"]).expect("a Secret")
        };
        let (us, eu) = both(&self.lab);
        let before = [version(&us), version(&eu)];
        let mut child = self.command("apply").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the CLI starts");
        while version(&us) == before[0] || version(&eu) == before[1] {
            assert!(child.try_wait().expect("a child").is_none(), "the apply ended before it renewed the CAs");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        std::thread::sleep(std::time::Duration::from_secs(5));
        let killed = Provider.kill(child.id());
        child.wait().expect("an end");
        victims::wait_for_the_end_of(&killed.descendants);
    }

    /// A plain apply makes all of it.
    fn converge(&self) {
        self.run("apply");
        self.workspace.assert_settled();
        self.assert_clean_folder();
    }

    /// A plain destroy leaves nothing.
    fn vanish(&self) {
        self.run("destroy");
        let (us, eu) = both(&self.lab);
        assert_unchanged(&[&us, &eu], &self.before, "destroy");
        assert_eq!(self.workspace.resources().len(), 0);
        self.assert_clean_folder();
    }

    fn assert_clean_folder(&self) {
        let left: Vec<_> = fs::read_dir(self.workspace.path("tmp")).expect("the folder").flatten().map(|entry| entry.path()).collect();
        let left: Vec<_> = left.iter().filter(|path| !is_socket(path)).collect();
        assert!(left.is_empty(), "left in the folder for temporary files: {left:?}");
    }
}

/// The folder of a killed provider's socket holds no secret; a provider that starts more than a minute later removes it.
fn is_socket(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tfp-"))
}

fn objects(lab: &Lab) -> [Vec<String>; 2] {
    let (us, eu) = both(lab);
    [objects_of(&us), objects_of(&eu)]
}

#[test]
#[ignore = "takes an hour"]
fn a_first_apply_that_is_killed_is_completed_by_the_next() {
    for (number, (step, victims)) in points(&CREATES).into_iter().enumerate() {
        let subject = Subject::new(number, matches!(victims, Cli | All));
        subject.kill_at("apply", step, victims);
        subject.converge();
        subject.vanish();
    }
}

#[test]
#[ignore = "takes half an hour"]
fn an_update_that_is_killed_is_completed_by_the_next_apply() {
    let subject = Subject::new(0, false);
    subject.converge();
    let values = subject.workspace.read("terraform.tfvars.json");
    for (number, (step, victims)) in points(&UPDATES).into_iter().enumerate() {
        let mut changed: serde_json::Value = serde_json::from_str(&values).expect("JSON");
        let annotation = format!("podAnnotations: {{example.com/point: \"{number}\"}}");
        changed["values"]["istiod"].as_array_mut().expect("values").push(annotation.clone().into());
        changed["values"]["gateway"].as_array_mut().expect("values").push(annotation.into());
        subject.workspace.write("terraform.tfvars.json", &changed.to_string());
        subject.kill_at("apply", step, victims);
        subject.converge();
    }
    subject.vanish();
}

/// The state knows nothing of the renewal's second half, so the clusters must show it.
#[test]
#[ignore = "takes several minutes"]
fn a_renewal_that_is_killed_before_istiod_has_taken_it_up_is_waited_for_by_the_next_apply() {
    let subject = Subject::new(0, false);
    subject.converge();
    subject.workspace.edit("  root_ca  = mesh_root_ca.mesh\n", "  root_ca  = mesh_root_ca.mesh\n  validity_days = 100\n");
    subject.kill_while_istiod_takes_up_its_ca();
    let plan = subject.workspace.changes();
    assert!(plan.contains("signs with the CA"), "{plan}");
    subject.converge();
    subject.vanish();
}

#[test]
#[ignore = "takes half an hour"]
fn a_destroy_that_is_killed_is_completed_by_the_next_destroy_or_apply() {
    for (number, (step, victims)) in points(&DESTROYS).into_iter().enumerate() {
        let subject = Subject::new(number, false);
        subject.converge();
        subject.kill_at("destroy", step, victims);
        if number % 2 == 1 {
            subject.converge();
        }
        subject.vanish();
    }
}
