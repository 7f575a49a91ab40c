//! Calls through the mesh, from the client in the US to the echo server in the EU.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use mesh_lab::Lab;

use crate::fixture::both;

/// The host under which the example exports `echo`.
pub(crate) const HOST: &str = "echo.eu.mesh.local";

/// Gives the workloads their sidecars, as users do once the mesh is there. Returns when the pods without are gone.
pub(crate) fn restart_workloads(lab: &Lab) {
    let (us, eu) = both(lab);
    std::thread::scope(|scope| {
        for (cluster, name) in [(us, "client"), (eu, "echo")] {
            scope.spawn(move || {
                let pods = cluster.kubectl(&["get", "pods", "-n", "echo", "-o", "name"]).expect("pods");
                cluster.kubectl(&["rollout", "restart", "-n", "echo", &format!("deployment/{name}")]).expect("restarted");
                cluster.wait_ready("echo", name).expect("ready");
                for pod in pods.split_whitespace() {
                    cluster.kubectl(&["wait", "-n", "echo", "--for=delete", pod, "--timeout=60s"]).expect("gone");
                }
            });
        }
    });
}

/// Makes one call from the US on a new connection. Returns what curl printed, with the status code last.
pub(crate) fn call(lab: &Lab, url: &str) -> String {
    let (us, _) = both(lab);
    let curl = ["curl", "-sS", "--max-time", "5", "-H", "Connection: close", "-w", "\n%{http_code}", url];
    let output = us.exec("echo", "deploy/client", &curl).expect("exec");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Calls until the answer is as wanted: configuration takes a moment to reach every proxy.
pub(crate) fn call_until(lab: &Lab, url: &str, wanted: impl Fn(&str) -> bool) -> String {
    let begin = Instant::now();
    loop {
        let answer = call(lab, url);
        if wanted(&answer) {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "for a minute, {url} was never answered as wanted; last:\n{answer}");
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

/// Calls of the exported host, a fresh connection each, one after the other until they are counted.
pub(crate) struct Calls {
    stop: Arc<AtomicBool>,
    calls: JoinHandle<(usize, Vec<String>)>,
}

impl Calls {
    pub(crate) fn start(lab: &Lab) -> Self {
        call_host_until_ok(lab);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let calls = std::thread::spawn(move || {
            let (lab, mut count, mut failed) = (crate::fixture::lab(), 0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                count += 1;
                let answer = call(&lab, &format!("http://{HOST}/"));
                if !is_ok(&answer) {
                    failed.push(answer);
                }
            }
            (count, failed)
        });
        Self { stop, calls }
    }

    /// Ends the calls, and returns how many of them failed.
    pub(crate) fn failed(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let (count, failed) = self.calls.join().expect("calls");
        assert!(count > 3, "only {count} calls were made");
        println!("{} of {count} calls failed {}", failed.len(), failed.first().cloned().unwrap_or_default());
        failed.len()
    }
}
