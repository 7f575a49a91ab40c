//! Trouble on the way to the API servers: requests that are refused or reset, answers that are lost, cut off or late. An apply and a destroy in the
//! midst of it may fail, but lose nothing; afterwards a plain apply converges, and a plain destroy leaves nothing.

use std::{thread::sleep, time::Duration};

use mesh_lab::{Proxy, Trouble};

use crate::{
    fixture::{Timed, bare_clusters, both, example},
    inventory::{assert_unchanged, objects_of},
    workspace::{Workspace, clis, text, unwrapped},
};

/// A proxy before each API server, and the example, which knows the clusters by these alone.
struct Subject {
    lab: Timed,
    proxies: [Proxy; 2],
    workspace: Workspace,
    before: [Vec<String>; 2],
}

const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];
const DESTROY: [&str; 3] = ["destroy", "-auto-approve", "-no-color"];

impl Subject {
    fn new(cli: &str) -> Option<Self> {
        let lab = bare_clusters();
        let cli = clis(&lab).into_iter().find(|found| found.name == cli)?;
        let (us, eu) = both(&lab);
        let before = [objects_of(&us), objects_of(&eu)];
        let proxies = [&us, &eu].map(|cluster| Proxy::start(cluster).expect("a proxy"));
        let workspace = example(&lab, &cli);
        let [us, eu] = proxies.each_ref().map(|proxy| format!("{{ host = \"{}\", token = \"any\" }}", proxy.url()));
        workspace.edit("clusters = var.clusters\n  helm", &format!("clusters = {{ us = {us}, eu = {eu} }}\n  helm"));
        Some(Self { lab, proxies, workspace, before })
    }

    fn trouble(&self, trouble: Trouble, every: usize) {
        self.proxies.iter().for_each(|proxy| proxy.trouble(trouble, every));
    }

    fn peace(&self) {
        self.proxies.iter().for_each(Proxy::peace);
    }

    /// Runs the CLI in the midst of trouble. Where it fails, it says on which cluster.
    fn run_in(&self, trouble: Trouble, every: usize, arguments: &[&str]) {
        let before = self.counts();
        self.trouble(trouble, every);
        let output = self.workspace.run(arguments);
        self.peace();
        let printed = unwrapped(&text(&output));
        assert!(!printed.contains("panicked"), "{printed}");
        let is_named = ["us", "eu"].iter().any(|key| printed.contains(&format!("luster \"{key}\"")));
        assert!(output.status.success() || is_named, "no error names the cluster: {printed}");
        let (requests, troubled) = self.counts();
        assert!(troubled > before.1, "nothing happened to any of {requests} requests");
        let (requests, troubled) = (requests - before.0, troubled - before.1);
        let outcome = if output.status.success() { "succeeded" } else { "failed" };
        println!("{trouble:?}: {} {outcome}, {troubled} of {requests} requests in trouble", arguments[0]);
        if !output.status.success() {
            let printed = text(&output);
            println!("{}", printed.get(printed.find("Error: ").unwrap_or_default()..).unwrap_or_default());
        }
    }

    fn counts(&self) -> (usize, usize) {
        self.proxies.iter().map(Proxy::counts).fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    }

    fn assert_nothing_left(&self) {
        assert_eq!(self.workspace.resources().len(), 0);
        let (us, eu) = both(&self.lab);
        assert_unchanged(&[&us, &eu], &self.before, "destroy");
    }
}

/// An apply and a destroy in the midst of trouble, each followed by one in peace.
fn in_the_midst_of(trouble: Trouble, every: usize, cli: &str) {
    let Some(subject) = Subject::new(cli) else { return };
    subject.run_in(trouble, every, &APPLY);
    subject.workspace.apply();
    subject.workspace.assert_settled();
    subject.run_in(trouble, every, &DESTROY);
    subject.workspace.destroy();
    subject.assert_nothing_left();
}

/// A test for each trouble, and for how many requests it happens once.
macro_rules! in_the_midst_of {
    ($($name:ident: $trouble:expr, $every:literal, $cli:literal;)*) => {
        $(#[test] #[ignore = "takes several minutes"] fn $name() { in_the_midst_of($trouble, $every, $cli); })*
    };
}

in_the_midst_of! {
    too_many_requests: Trouble::TooManyRequests, 3, "tofu";
    internal_errors: Trouble::InternalError, 10, "terraform";
    a_load_balancer_without_a_backend: Trouble::Unavailable, 10, "tofu";
    connections_that_are_reset: Trouble::Reset, 5, "terraform";
    a_connection_that_is_reset_now_and_then: Trouble::Reset, 100, "tofu";
    answers_that_are_lost: Trouble::AnswerLost, 10, "tofu";
    answers_that_are_cut_off: Trouble::Truncated, 10, "terraform";
    silence: Trouble::Silence(Duration::from_secs(30)), 60, "tofu";
    credentials_that_are_refused: Trouble::Unauthorized, 30, "terraform";
}

/// The address of a load balancer is waited for, while for ten seconds no request gets through, and then for half a minute no answer comes.
#[test]
#[ignore = "takes several minutes"]
fn a_wait_outlasts_an_api_server_that_is_away_and_one_that_is_silent() {
    for cli in ["tofu", "terraform"] {
        let Some(subject) = Subject::new(cli) else { continue };
        let (us, eu) = both(&subject.lab);
        for cluster in [&us, &eu] {
            cluster.balancer().late(Duration::from_secs(75)).expect("late");
        }
        let apply = subject.workspace.start(&APPLY);
        // Both wait for an address once the gateways' pods are ready.
        let ready = ["rollout", "status", "-n", "istio-system", "deployment/istio-eastwestgateway", "--timeout=120s"];
        let exists = ["wait", "-n", "istio-system", "--for=create", "deployment/istio-eastwestgateway", "--timeout=300s"];
        for cluster in [&us, &eu] {
            cluster.kubectl(&exists).and_then(|_| cluster.kubectl(&ready)).expect("a gateway");
        }
        for (trouble, seconds) in [(Trouble::Reset, 10), (Trouble::Silence(Duration::from_secs(30)), 30)] {
            let service = ["get", "service", "-n", "istio-system", "istio-eastwestgateway", "-o", "jsonpath={.status.loadBalancer}"];
            let address = us.kubectl(&service).expect("a Service");
            assert!(!address.contains("ip"), "{cli}: nothing is waited for any more: {address}");
            let before = subject.counts().1;
            subject.trouble(trouble, 1);
            sleep(Duration::from_secs(seconds));
            subject.peace();
            let troubled = subject.counts().1 - before;
            assert!(troubled > 0, "{cli}: no request met {trouble:?}");
            println!("{cli}: {trouble:?} for {seconds} s: {troubled} requests in trouble");
        }
        let output = apply.wait_with_output().expect("ended");
        assert!(output.status.success(), "{cli}: {}", text(&output));
        subject.workspace.assert_settled();
        for cluster in [&us, &eu] {
            cluster.balancer().ip().expect("as usual");
        }
        subject.workspace.destroy();
        subject.assert_nothing_left();
    }
}
