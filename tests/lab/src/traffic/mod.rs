//! Traffic: calls at a steady rate, each on a new connection, from a pod of a cluster, while a test changes the mesh.

mod outside;
mod tally;
mod target;

pub use outside::Outside;
pub use tally::{Call, Tally};
pub use target::{Outcome, Target};

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{cluster::ClusterName, lab::Cluster, pod::PodNetwork};

/// The time between two calls of one client: twenty a second.
const PERIOD: Duration = Duration::from_millis(50);

/// Traffic that flows until it is finished.
#[derive(Debug)]
pub struct Traffic {
    begin: Instant,
    ends: Arc<AtomicBool>,
    calls: Arc<Mutex<Vec<Call>>>,
    marks: Vec<(Duration, String)>,
    clients: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// Starts it: the pod `client` (`app=client` in namespace `echo`) of each cluster calls its targets in turn. All of them must answer now, as
    /// what has never worked can't be said to break.
    pub fn start<'a>(flows: impl IntoIterator<Item = (&'a Cluster, Vec<Target>)>) -> Result<Self> {
        let mut traffic =
            Self { begin: Instant::now(), ends: Arc::default(), calls: Arc::default(), marks: Vec::new(), clients: Vec::new() };
        for (cluster, targets) in flows {
            traffic.add(cluster, targets)?;
        }
        Ok(traffic)
    }

    /// Adds a client, whose targets must answer now.
    pub fn add(&mut self, cluster: &Cluster, targets: Vec<Target>) -> Result<()> {
        let network = PodNetwork::find(cluster, "echo", "app=client")?;
        let (from, begin) = (cluster.name(), self.begin);
        let (ends, calls) = (Arc::clone(&self.ends), Arc::clone(&self.calls));
        let (ready, is_ready) = std::sync::mpsc::channel();
        self.clients.push(std::thread::spawn(move || {
            let checked = network.enter().and_then(|()| check(&network, &targets));
            let is_well = checked.is_ok();
            if ready.send(checked).is_ok() && is_well {
                run(&network, from, &targets, begin, &ends, &calls);
            }
        }));
        is_ready.recv().context("the client failed")?.with_context(|| format!("calls from {from}"))
    }

    /// Notes in the report what happens now.
    pub fn mark(&mut self, what: impl Into<String>) {
        self.marks.push((self.begin.elapsed(), what.into()));
    }

    /// Lets it flow.
    pub fn flow(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Ends it, when the calls on the way are answered.
    pub fn finish(mut self) -> Tally {
        self.end();
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.sort_by_key(|call| call.at);
        Tally { calls, marks: std::mem::take(&mut self.marks) }
    }

    fn end(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until each target has answered ten times in a row: the configuration of a mesh that has just been made takes a moment to arrive.
fn check(network: &PodNetwork, targets: &[Target]) -> Result<()> {
    let begin = Instant::now();
    for target in targets {
        let mut answered = 0;
        while answered < 10 {
            match target.call(network.name_server) {
                Outcome::Answered => answered += 1,
                outcome if begin.elapsed() > Duration::from_mins(1) => bail!("{} isn't answered: {outcome:?}", target.name()),
                _ => {
                    answered = 0;
                    std::thread::sleep(Duration::from_millis(500));
                }
            }
        }
    }
    Ok(())
}

/// Calls the targets in turn. Each call has a thread of its own, so that slow ones delay no other.
fn run(network: &PodNetwork, from: ClusterName, targets: &[Target], begin: Instant, ends: &AtomicBool, calls: &Mutex<Vec<Call>>) {
    std::thread::scope(|scope| {
        let mut next = Instant::now();
        for target in targets.iter().cycle() {
            if ends.load(Ordering::Relaxed) {
                break;
            }
            scope.spawn(move || {
                let at = begin.elapsed();
                let outcome = target.call(network.name_server);
                let call = Call { at, took: begin.elapsed().saturating_sub(at), from, target: target.name(), outcome };
                calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            });
            next += PERIOD;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    });
}
