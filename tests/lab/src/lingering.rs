//! A pod that takes long to go, and what is in its way: it can be seen only as long as the pod is there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Result, bail};

use crate::{lab::Cluster, layout::Layout, pod::processes_of, progress::say};

/// A pod with a short grace period is gone in five seconds, also on a machine with much else to do.
const EXPECTED: &str = "--timeout=20s";
/// The kubelet gives its runtime two minutes for a request, and looks at a pod once more after at most ninety seconds.
const AT_MOST: &str = "--timeout=240s";

/// Waits until pods (`pod/NAME`) are gone. Prints what is in the way of those that take longer than they should.
pub(crate) fn wait_until_gone(cluster: &Cluster, layout: &Layout, namespace: &str, pods: &[&str]) -> Result<()> {
    for pod in pods {
        let begin = Instant::now();
        let wait = |timeout| cluster.kubectl(&["wait", "-n", namespace, "--for=delete", pod, timeout]);
        if wait(EXPECTED).is_ok() {
            continue;
        }
        let name = cluster.name();
        let Some(evidence) = Evidence::of(cluster, layout, namespace, pod)? else {
            say(&format!("{pod} of {name} is gone, and yet kubectl waited for it for 20 s"));
            continue;
        };
        say(&format!("{pod} of {name} is still there. What there is to be seen of it:\n{}", evidence.describe(cluster, namespace)));
        let outcome = wait(AT_MOST);
        let (logs, waited) = (evidence.logs(), begin.elapsed().as_secs());
        match outcome {
            Ok(_) => say(&format!("{pod} of {name} is gone after {waited} s:\n{logs}")),
            Err(error) => bail!("{pod} of {name} isn't gone after {waited} s: {error:#}\n{logs}"),
        }
    }
    Ok(())
}

/// Where to look for what is in the way of a pod.
struct Evidence {
    name: String,
    uid: String,
    /// The logs of what ends pods.
    logs: [PathBuf; 2],
}

impl Evidence {
    /// Returns nothing if the pod is gone.
    fn of(cluster: &Cluster, layout: &Layout, namespace: &str, pod: &str) -> Result<Option<Self>> {
        let uid = cluster.kubectl(&["get", "-n", namespace, pod, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"])?;
        let logs = ["kubelet", "containerd"].map(|daemon| layout.state.join("log").join(format!("{}-{daemon}.log", cluster.name())));
        let name = pod.trim_start_matches("pod/").to_owned();
        Ok((!uid.is_empty()).then_some(Self { name, uid, logs }))
    }

    fn describe(&self, cluster: &Cluster, namespace: &str) -> String {
        let ask = |arguments: &[&str]| cluster.kubectl(arguments).unwrap_or_else(|error| format!("{error:#}"));
        let about = format!("involvedObject.uid={}", self.uid);
        let stacks = format!("/api/v1/nodes/{}/proxy/debug/pprof/goroutine?debug=2", cluster.name().node());
        [
            ask(&["get", "pod", "-n", namespace, &self.name, "-o", "yaml"]),
            ask(&["get", "events", "-n", namespace, "--field-selector", &about]),
            format!("its processes:\n{}", self.processes()),
            format!("its mounts:\n{}", lines_with(Path::new("/proc/self/mounts"), &BTreeSet::from([self.uid.clone()])).join("\n")),
            format!("what the kubelet is about to end:\n{}", endings(&ask(&["get", "--raw", &stacks]))),
            self.logs(),
        ]
        .join("\n")
    }

    fn processes(&self) -> String {
        let read = |process: &Path, file: &str| fs::read_to_string(process.join(file)).unwrap_or_default();
        let describe = |process: PathBuf| {
            let status = read(&process, "status");
            let of_interest =
                status.lines().filter(|line| ["Name:", "State:", "SigPnd:", "ShdPnd:"].iter().any(|key| line.starts_with(key)));
            let status = of_interest.collect::<Vec<_>>().join(", ");
            format!("{}: {status}\n{}{}", process.display(), read(&process, "stack"), read(&process, "cgroup"))
        };
        processes_of(&self.uid).map_or_else(|error| format!("{error:#}"), |all| all.into_iter().map(describe).collect())
    }

    /// What the daemons say of the pod and of its containers, which containerd calls by their IDs.
    fn logs(&self) -> String {
        let mut names = BTreeSet::from([self.uid.clone(), self.name.clone()]);
        for log in &self.logs {
            let ids: Vec<_> = lines_with(log, &names).iter().flat_map(|line| container_ids(line)).collect();
            names.extend(ids);
        }
        let of_pod = |log: &PathBuf| format!("{}:\n{}", log.display(), lines_with(log, &names).join("\n"));
        self.logs.iter().map(of_pod).collect::<Vec<_>>().join("\n")
    }
}

/// Returns the lines of a file with any of the words.
fn lines_with(file: &Path, words: &BTreeSet<String>) -> Vec<String> {
    let content = fs::read(file).unwrap_or_default();
    let has_any = |line: &&str| words.iter().any(|word| line.contains(word.as_str()));
    String::from_utf8_lossy(&content).lines().filter(has_any).map(str::to_owned).collect()
}

fn container_ids(line: &str) -> Vec<String> {
    let words = line.split(|character: char| !character.is_ascii_hexdigit());
    words.filter(|word| word.len() == 64).map(str::to_owned).collect()
}

/// Returns the kubelet's goroutines that end a pod or its volumes.
fn endings(goroutines: &str) -> String {
    const WORK: [&str; 4] = ["SyncTerminat", "KillPod", "killContainer", "GenerateUnmountVolumeFunc"];
    let ends = |goroutine: &&str| WORK.iter().any(|work| goroutine.contains(work));
    goroutines.split("\n\n").filter(ends).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_known_by_their_ids() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(container_ids(&format!("msg=\"StopContainer for \\\"{id}\\\" with timeout 2 (s)\"")), [id]);
        assert!(container_ids("a pod 0d7b61f5-a4f1-4ef9-b7c4-1d9e2b1f4c5d").is_empty());
    }

    #[test]
    fn goroutines_that_end_something_are_kept() {
        let goroutines =
            "goroutine 1 [select]:\nmain.main()\n\ngoroutine 2 [select, 1 minutes]:\nkubelet.(*Kubelet).SyncTerminatingPod(...)\n";
        assert!(endings(goroutines).starts_with("goroutine 2 "));
    }
}
