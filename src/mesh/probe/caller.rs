//! The pod that a call is made from.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::{
    istio::well_known::PROXY_CONTAINER,
    mesh::{
        labels::{Owner, PROBE_RUN},
        names::{Namespace, ServiceAccountName},
        pod::{has_ended, has_sidecar, is_serving},
    },
};

/// The annotation that names the container to be meant where none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The container of a pod of ours.
pub const CONTAINER: &str = "probe";

/// A container of a pod of the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The account that the pod runs as.
    pub service_account: String,
}

/// Why there is no pod to call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoCaller {
    /// No pod matches.
    NoPod,
    /// None of those that match is ready.
    NotReady,
    /// None of those that are ready has a sidecar.
    NoSidecar,
    /// The pod has no container of this name, but these.
    NoContainer(Vec<String>),
}

/// Chooses among pods: the first, by name, that is ready and has a sidecar.
pub fn choose(pods: &[Json], container: Option<&str>) -> Result<Caller, NoCaller> {
    if pods.is_empty() {
        return Err(NoCaller::NoPod);
    }
    let ready: Vec<_> = pods.iter().filter(|pod| is_serving(pod)).collect();
    if ready.is_empty() {
        return Err(NoCaller::NotReady);
    }
    let name = |pod: &Json| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let pod = ready.into_iter().filter(|pod| has_sidecar(pod)).min_by_key(|pod| name(pod)).ok_or(NoCaller::NoSidecar)?;
    let containers: Vec<_> = pod["spec"]["containers"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    let default = pod["metadata"]["annotations"][DEFAULT_CONTAINER].as_str();
    let wanted = container.or(default).or_else(|| containers.iter().copied().find(|name| *name != PROXY_CONTAINER));
    let container = wanted.filter(|wanted| containers.contains(wanted));
    let container = container.ok_or_else(|| NoCaller::NoContainer(containers.iter().map(|name| (*name).to_owned()).collect()))?;
    Ok(Caller {
        pod: name(pod),
        container: container.to_owned(),
        service_account: pod["spec"]["serviceAccountName"].as_str().unwrap_or("default").to_owned(),
    })
}

/// Returns the manifest of a pod to call from, which Kubernetes ends after a time.
pub fn manifest(name: &str, namespace: &Namespace, image: &str, account: &ServiceAccountName, run: &str, time: Duration) -> Json {
    let mut labels = Owner::Probe.labels();
    labels.insert(PROBE_RUN.to_owned(), run.to_owned());
    labels.insert("sidecar.istio.io/inject".to_owned(), "true".to_owned());
    let seconds = time.as_secs();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace.as_str(), "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "terminationGracePeriodSeconds": 1,
            "serviceAccountName": account.as_str(),
            "automountServiceAccountToken": false,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": CONTAINER, "image": image, "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", seconds.to_string()],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                // What Pod Security's level "restricted" asks for; curl needs no account of its own.
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true, "runAsUser": 65534,
                },
            }],
        },
    })
}

/// Whether a pod of ours was left behind: it has ended, or its run has.
pub fn is_left(pod: &Json, is_alive: impl Fn(&str) -> Option<bool>) -> bool {
    let run = pod["metadata"]["labels"][PROBE_RUN].as_str().unwrap_or_default();
    has_ended(pod) || is_alive(run) == Some(false)
}

/// Whether a pod has come to where a call can be made from it, or never will.
pub fn is_decided(pod: Option<&Json>) -> bool {
    pod.is_none_or(|pod| is_serving(pod) || has_ended(pod))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::inventory::fixture::pod;

    #[test]
    fn the_first_ready_pod_with_a_sidecar_calls() {
        let mut ours = pod("client-2", true, true);
        ours["spec"]["serviceAccountName"] = json!("client");
        let pods = [pod("client-1", true, false), pod("client-3", true, true), ours, pod("client-0", false, true)];
        let caller = choose(&pods, None).unwrap();
        assert_eq!((caller.pod.as_str(), caller.container.as_str(), caller.service_account.as_str()), ("client-2", "client", "client"));
        assert_eq!(choose(&[], None), Err(NoCaller::NoPod));
        assert_eq!(choose(&pods[..1], None), Err(NoCaller::NotReady));
        assert_eq!(choose(&pods[3..], None), Err(NoCaller::NoSidecar));
    }

    #[test]
    fn the_container_is_the_named_one_or_the_default_or_the_first_that_is_no_proxy() {
        let mut many = pod("client-1", true, true);
        many["spec"]["containers"] = json!([{"name": "istio-proxy"}, {"name": "app"}, {"name": "tools"}]);
        let container = |pod: &Json, name| choose(std::slice::from_ref(pod), name).map(|caller| caller.container);
        assert_eq!(container(&many, None).as_deref(), Ok("app"));
        assert_eq!(container(&many, Some("tools")).as_deref(), Ok("tools"));
        assert!(matches!(container(&many, Some("tool")), Err(NoCaller::NoContainer(names)) if names.len() == 3));
        many["metadata"]["annotations"][DEFAULT_CONTAINER] = json!("tools");
        assert_eq!(container(&many, None).as_deref(), Ok("tools"));
    }

    #[test]
    fn a_pod_of_ours_ends_by_itself_and_is_found_again() {
        let namespace = Namespace::parse("echo").unwrap();
        let account = ServiceAccountName::parse("default").unwrap();
        let mut pod = manifest("mesh-probe-1", &namespace, "curl", &account, "here.1", Duration::from_secs(60));
        assert_eq!(pod["spec"]["activeDeadlineSeconds"], 60);
        assert!(crate::data::selects(&Owner::Probe.selector(), &pod));
        assert!(!is_left(&pod, |_| Some(true)) && !is_left(&pod, |_| None) && is_left(&pod, |run| Some(run != "here.1")));
        pod["status"]["phase"] = json!("Failed");
        assert!(is_left(&pod, |_| Some(true)) && is_decided(Some(&pod)));
    }
}
