//! Calls through the mesh, from the client in the US to the echo server in the EU: single ones, and traffic that flows while a test changes
//! the mesh.

use std::{
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

use mesh_lab::{Cluster, Lab, Outside, Tally, Target, WAN_ADDRESS};

use crate::fixture::both;

/// The host under which the example exports `echo`.
pub(crate) const HOST: &str = "echo.eu.mesh.local";

/// Gives the workloads their sidecars, as users do once the mesh is there. Returns when the pods without are gone. A cluster of the lab that has
/// none of these workloads isn't in the mesh.
pub(crate) fn restart_workloads(lab: &Lab) {
    let has_workloads = |cluster: &Cluster| {
        !cluster.kubectl(&["get", "namespace", "echo", "--ignore-not-found", "-o", "name"]).expect("an answer").is_empty()
    };
    std::thread::scope(|scope| {
        for cluster in lab.clusters().into_iter().filter(has_workloads) {
            scope.spawn(move || restart_workloads_of(&cluster));
        }
    });
}

/// The echo server closes a connection that was idle for five seconds. Its sidecar must close it before: a call that it sends on one that is being
/// closed is answered with 503, "connection termination", and has nothing to do with the mesh between the clusters.
const NO_IDLE_CONNECTIONS: &str = "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: no-idle-connections, namespace: echo}
spec: {inboundConnectionPool: {http: {idleTimeout: 2s}}}
";

/// As [`restart_workloads`], in one cluster.
pub(crate) fn restart_workloads_of(cluster: &Cluster) {
    cluster.apply(NO_IDLE_CONNECTIONS).expect("applied");
    let list = |kind| cluster.kubectl(&["get", kind, "-n", "echo", "-o", "name"]).expect("a list");
    let (pods, deployments) = (list("pods"), list("deployments"));
    for deployment in deployments.split_whitespace() {
        cluster.kubectl(&["rollout", "restart", "-n", "echo", deployment]).expect("restarted");
    }
    for deployment in deployments.split_whitespace() {
        cluster.wait_ready("echo", deployment.trim_start_matches("deployment.apps/")).expect("ready");
    }
    cluster.wait_until_gone("echo", &pods.split_whitespace().collect::<Vec<_>>()).expect("gone");
}

/// Makes one call from the US on a new connection. Returns what curl printed, with the status code last.
pub(crate) fn call(lab: &Lab, url: &str) -> String {
    call_from(&both(lab).0, url)
}

/// As [`call`], from the client of any cluster.
pub(crate) fn call_from(cluster: &Cluster, url: &str) -> String {
    let curl = ["curl", "-sS", "--max-time", "5", "-H", "Connection: close", "-w", "\n%{http_code}", url];
    let output = cluster.exec("echo", "deploy/client", &curl).expect("exec");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Calls until the answer is as wanted: configuration takes a moment to reach every proxy.
pub(crate) fn call_until(lab: &Lab, url: &str, wanted: impl Fn(&str) -> bool) -> String {
    repeat_until(url, || call(lab, url), wanted)
}

/// Repeats a call until its answer is as wanted.
pub(crate) fn repeat_until(what: &str, call: impl Fn() -> String, wanted: impl Fn(&str) -> bool) -> String {
    let begin = Instant::now();
    loop {
        let answer = call();
        if wanted(&answer) {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "for a minute, {what} was never answered as wanted; last:\n{answer}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Calls the exported host until it answers.
pub(crate) fn call_host_until_ok(lab: &Lab) -> String {
    call_until(lab, &format!("http://{HOST}/"), is_ok)
}

/// Whether an answer has the status 200.
pub(crate) fn is_ok(answer: &str) -> bool {
    answer.lines().any(|line| line.trim() == "200")
}

/// Calls of the exported host from the US, twenty a second, a fresh connection each.
pub(crate) struct Calls(mesh_lab::Traffic);

impl Calls {
    pub(crate) fn start(lab: &Lab) -> Self {
        let target = Target::http(HOST, "Cluster=eu");
        Self(mesh_lab::Traffic::start([(&both(lab).0, vec![target])]).expect("the host answers"))
    }

    /// Notes in the report what happens now.
    pub(crate) fn mark(&mut self, what: impl Into<String>) {
        self.0.mark(what);
    }

    /// Ends the calls, and returns how many there were, and how many of them were not answered.
    pub(crate) fn finish(self) -> (usize, usize) {
        let tally = self.0.finish();
        println!("\n{tally}");
        (tally.made(), tally.not_answered().count())
    }

    /// Ends the calls, and returns how many of them were not answered.
    pub(crate) fn failed(self) -> usize {
        let (made, failed) = self.finish();
        assert!(made > 3, "only {made} calls were made");
        failed
    }
}

/// Traffic with an [`Outside`] server on the TCP port of the export: a database, say, whose clients an export must leave alone.
pub(crate) struct Traffic {
    flowing: mesh_lab::Traffic,
    _outside: Outside,
}

impl Traffic {
    /// Starts twenty calls a second from the US: HTTP and TCP to the exported host, and TCP to the server outside. The clients have sidecars.
    pub(crate) fn start(lab: &Lab) -> Self {
        let (us, _) = both(lab);
        Self::start_with([(&us, exported("eu"))])
    }

    /// Starts traffic in both directions: twenty calls a second from each cluster to the host that the other exports.
    pub(crate) fn start_both_ways(lab: &Lab) -> Self {
        let (us, eu) = both(lab);
        Self::start_with([(&us, exported("eu")), (&eu, exported("us"))])
    }

    /// Starts traffic to some targets.
    pub(crate) fn start_with<'a>(flows: impl IntoIterator<Item = (&'a mesh_lab::Cluster, Vec<Target>)>) -> Self {
        let outside = Outside::start(WAN_ADDRESS, 9090).expect("a server outside");
        Self { flowing: mesh_lab::Traffic::start(flows).expect("all targets answer"), _outside: outside }
    }

    /// Ends it. Prints the report.
    pub(crate) fn finish(self) -> Tally {
        let tally = self.flowing.finish();
        println!("\n{tally}");
        tally
    }
}

impl Deref for Traffic {
    type Target = mesh_lab::Traffic;

    fn deref(&self) -> &Self::Target {
        &self.flowing
    }
}

impl DerefMut for Traffic {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.flowing
    }
}

/// What a client calls of a cluster's export: half of the calls are HTTP, a fourth each TCP and to the server outside, on the same port.
pub(crate) fn exported(cluster: &str) -> Vec<Target> {
    let (host, mark) = (format!("echo.{cluster}.mesh.local"), format!("Cluster={cluster}"));
    let http = Target::http(&host, &mark);
    vec![http.clone(), Target::tcp(&host, 9090, &mark), http, Target::greeting(WAN_ADDRESS, 9090, Outside::MARK)]
}

/// Fails if a call was misdirected, if one to the server outside was lost, or if more than one of a hundred was. It isn't none yet:
/// docs/reliability.md has the figures.
pub(crate) fn assert_hardly_lost(tally: &Tally) {
    assert_eq!(tally.misdirected().count(), 0, "{tally}");
    assert!(tally.failed().all(|call| !call.target.contains(WAN_ADDRESS)), "{tally}");
    assert!(tally.made() > 1000 && tally.failed().count() * 100 <= tally.made(), "{tally}");
}
