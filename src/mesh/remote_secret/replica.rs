//! What the replicas of istiod say of the clusters that they read.

use semver::Version;
use serde_json::Value as Json;

use super::Place;
use crate::{
    data::{Kind, ObjectRef},
    istio::well_known::ISTIOD_CONTAINER,
    mesh::{inventory::version_of_image, pod::has_ended},
};

/// The status of a cluster whose Services and endpoints have been read.
const SYNCED: &str = "synced";

/// The first version in which a changed remote secret loses no endpoints.
const SAFE: (u64, u64) = (1, 31);

/// The label that Istio's charts give to pods.
const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// The most log lines that are shown.
const MOST: usize = 3;

/// How far a replica has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It reads the cluster by this Secret.
    Synced,
    /// The cluster is its own, which it reads without a Secret.
    Own,
    /// It doesn't, or not yet; why.
    Not(String),
}

/// Returns the replicas that have to read a cluster: the running pods, those that only start included.
pub fn replicas(pods: &[Json]) -> Vec<ObjectRef> {
    let running = pods.iter().filter(|pod| !has_ended(pod) && pod["status"]["phase"] == "Running");
    let named = running
        .map(|pod| &pod["metadata"])
        .filter_map(|metadata| Some(ObjectRef::namespaced(Kind::POD, metadata["namespace"].as_str()?, metadata["name"].as_str()?)));
    named.collect()
}

/// Returns istiod's version by its pods, the oldest if there are several.
pub fn version(pods: &[Json]) -> Option<Version> {
    let of_pod = |pod: &Json| {
        let label = pod["metadata"]["labels"][VERSION_LABEL].as_str().and_then(|version| Version::parse(version).ok());
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let image =
            containers.into_iter().find(|container| container["name"] == ISTIOD_CONTAINER).and_then(|found| found["image"].as_str());
        label.or_else(|| version_of_image(image?))
    };
    pods.iter().filter(|pod| !has_ended(pod)).filter_map(of_pod).min()
}

/// Reads the answer of a replica.
pub fn reading(answer: &str, place: &Place) -> Reading {
    let Ok(Json::Array(clusters)) = serde_json::from_str::<Json>(answer) else {
        return Reading::Not("its answer is not a list of clusters".to_owned());
    };
    let secret = place.object();
    let ours = format!("{}/{}", place.namespace, secret.name);
    let Some(found) = clusters.iter().find(|cluster| cluster["id"] == place.name.as_str()) else {
        return Reading::Not(format!(
            "it doesn't know a cluster \"{}\", so it hasn't read {secret}, or can't use what is in it",
            place.name
        ));
    };
    match (found["secretName"].as_str(), found["syncStatus"].as_str()) {
        (Some(by), _) if by != ours => Reading::Not(format!("it reads cluster \"{}\" by the Secret {by}", place.name)),
        (None, _) => Reading::Own,
        (_, Some(SYNCED)) => Reading::Synced,
        (_, status) => Reading::Not(format!("its status of cluster \"{}\" is \"{}\"", place.name, status.unwrap_or("unknown"))),
    }
}

/// Returns the last lines of a replica's log that tell what failed with a cluster, each once.
pub fn told(log: &str, place: &Place) -> Vec<String> {
    let name = format!("cluster {}", place.name);
    let mut lines: Vec<String> = Vec::new();
    for line in log.lines().rev() {
        let Some(at) = line.find(&name).filter(|_| line.contains("error") || line.contains("fail")) else { continue };
        // Without the time and the level, so that a line that comes again is known.
        let line = line[..at].rfind('\t').map_or(line, |begin| &line[begin + 1..]).trim().to_owned();
        if lines.len() < MOST && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Whether istiod of this version can lose the endpoints of a cluster when its remote secret changes, until it is restarted.
pub fn loses_endpoints(version: &str) -> bool {
    Version::parse(version).is_ok_and(|version| (version.major, version.minor) < SAFE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mesh::{ClusterKey, Namespace};

    fn place() -> Place {
        let eu = ClusterKey::parse("eu").unwrap();
        Place { namespace: Namespace::parse("istio-system").unwrap(), remote: eu.clone(), name: eu }
    }

    #[test]
    fn a_replica_has_read_a_cluster_only_by_the_secret_that_is_meant() {
        let answer = |secret: &str, status: &str| {
            let clusters = json!([{"id": "us"}, {"id": "eu", "secretName": secret, "syncStatus": status}]);
            reading(&clusters.to_string(), &place())
        };
        assert_eq!(answer("istio-system/istio-remote-secret-eu", "synced"), Reading::Synced);
        for (secret, status, words) in [
            ("istio-system/istio-remote-secret-eu", "timeout", "\"timeout\""),
            ("istio-system/made-by-hand", "synced", "by the Secret istio-system/made-by-hand"),
        ] {
            assert!(matches!(answer(secret, status), Reading::Not(why) if why.contains(words)), "{secret} {status}");
        }
        assert!(
            matches!(reading("[]", &place()), Reading::Not(why) if why.contains("hasn't read Secret istio-system/istio-remote-secret-eu"))
        );
        assert!(matches!(reading("no", &place()), Reading::Not(_)));
    }

    #[test]
    fn a_log_tells_why_each_reason_once() {
        let line = |second: u32, text: &str| format!("2030-01-01T00:00:0{second}.0Z\terror\tkube\twatch error in cluster {text}\n");
        let log =
            [line(1, "eu: failed to list: Unauthorized"), line(2, "ap: failed"), line(3, "eu: failed to list: Unauthorized")].concat();
        assert_eq!(told(&log, &place()), ["watch error in cluster eu: failed to list: Unauthorized"]);
    }

    #[test]
    fn versions_that_lose_endpoints_are_known() {
        assert!(loses_endpoints("1.30.4") && !loses_endpoints("1.31.0") && !loses_endpoints("1.32.0-alpha.1") && !loses_endpoints("dev"));
        let pod = |image: &str| json!({"spec": {"containers": [{"name": "discovery", "image": image}]}, "status": {"phase": "Running"}});
        let pods = [pod("docker.io/istio/pilot:1.31.0-distroless"), pod("docker.io/istio/pilot:1.30.1"), pod("r/pilot:dev")];
        assert_eq!(version(&pods).unwrap().to_string(), "1.30.1");
        let labelled = json!({"metadata": {"labels": {"app.kubernetes.io/version": "1.29.0"}}, "status": {"phase": "Running"}});
        assert_eq!(version(&[labelled]).unwrap().to_string(), "1.29.0");
    }
}
