//! Checks of single clusters: access, istiod, its webhooks and certificates.

use time::{Duration, OffsetDateTime};

use super::{Check, list, untold};
use crate::{
    data::{CertificateFacts, Kind},
    mesh::{
        inventory::{ClusterInventory, ControlPlane, Home, Inventory, Unread, Validation, WebhookPurpose},
        names::ClusterKey,
    },
};

/// How long before its end a certificate is reported.
const SOON: Duration = Duration::days(30);

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    let of = |(key, cluster): (&ClusterKey, &Result<ClusterInventory, Unread>)| {
        let checks = match cluster {
            Ok(cluster) => of_cluster(cluster, inventory.at),
            Err(unread) => vec![unreachable(unread)],
        };
        checks.into_iter().map(|check| check.of(key)).collect::<Vec<_>>()
    };
    inventory.clusters.iter().flat_map(of).collect()
}

fn unreachable(unread: &Unread) -> Check {
    let id = "cluster.reachable";
    let check =
        if unread.is_unknown { Check::unknown(id, "The access is known only after an apply.") } else { Check::error(id, &unread.why) };
    check.because("Nothing of the cluster could be checked. Calls that do not need its API server may still succeed.", &unread.advice)
}

fn of_cluster(cluster: &ClusterInventory, at: OffsetDateTime) -> Vec<Check> {
    let mut checks = vec![Check::ok("cluster.reachable", "The API server answers."), readable(cluster), installed(cluster)];
    for (number, plane) in cluster.control_planes.iter().enumerate() {
        checks.extend([ready(plane), network(cluster, plane), served(cluster, plane)]);
        checks.extend(expiry(plane, at));
        // An istiod and its canary have the pods of one namespace in common.
        if cluster.control_planes[..number].iter().all(|before| before.namespace != plane.namespace) {
            checks.extend(plane.roots.used.iter().map(|(pod, used)| signs(pod, used, plane.roots.signer.as_ref())));
        }
        let home = Home::of(&plane.namespace);
        checks.extend(
            untold("ca.expiry", cluster, &[home.served_roots.to_string(), home.cacerts.to_string()])
                .map(|check| check.on(plane.full_name())),
        );
    }
    if !cluster.control_planes.is_empty() {
        checks.extend([webhook(cluster, WebhookPurpose::Injection), webhook(cluster, WebhookPurpose::Validation)]);
    }
    checks
}

fn readable(cluster: &ClusterInventory) -> Check {
    let id = "cluster.readable";
    if cluster.unread.is_empty() {
        return Check::ok(id, "Everything that the checks look at can be read.");
    }
    let unread: Vec<_> = cluster.unread.iter().map(|(what, why)| format!("{what} ({why})")).collect();
    Check::unknown(id, format!("Not everything can be read: {}.", list(&unread)))
        .because("Checks that need it are unknown.", "Give the credentials the permission to get and list these objects.")
}

fn installed(cluster: &ClusterInventory) -> Check {
    let id = "istiod.installed";
    if let Some(untold) = untold(id, cluster, &[Kind::DEPLOYMENT.plural.to_owned()]) {
        return untold;
    }
    let titles: Vec<_> = cluster.control_planes.iter().map(ControlPlane::full_name).collect();
    match cluster.control_planes.as_slice() {
        [] => Check::error(id, "There is no istiod.").because(
            "No Deployment has the label app=istiod, so pods get no sidecar, and sidecars get no configuration.",
            "Install istiod with a mesh_cluster.",
        ),
        [plane] => Check::ok(id, format!("istiod {} is installed.", plane.shown_version())).on(plane.full_name()),
        _ => Check::warning(id, format!("There are several: {}.", list(&titles))).because(
            "Sidecars of one revision do not get what another revision's istiod is configured with.",
            "Remove all but one when the migration from one to the other is over.",
        ),
    }
}

impl ControlPlane {
    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn shown_version(&self) -> String {
        self.version.as_ref().map_or_else(|| "of an unknown version".to_owned(), ToString::to_string)
    }
}

fn ready(plane: &ControlPlane) -> Check {
    let id = "istiod.ready";
    let seen = format!("{} of {} pods of istiod are ready.", plane.ready, plane.wanted);
    let reasons = plane.reasons.join(" ");
    let check = if plane.wanted == 0 {
        Check::error(id, "istiod is scaled to 0 pods.").because(
            "Running sidecars keep their last configuration. New pods are not created where they need a sidecar, and certificates expire within a day.",
            "Scale the Deployment up; the next apply of the mesh_cluster does so too.",
        )
    } else if plane.ready == 0 {
        Check::error(id, seen).because(
            format!("Running sidecars keep their last configuration, new pods get no sidecar. {reasons}"),
            "Mend what keeps the pods from becoming ready.",
        )
    } else if plane.ready < plane.wanted {
        Check::warning(id, seen)
            .because(format!("The others don't serve sidecars. {reasons}").trim_end(), "Mend what keeps the pods from becoming ready.")
    } else {
        Check::ok(id, seen)
    };
    check.on(plane.full_name())
}

fn network(cluster: &ClusterInventory, plane: &ControlPlane) -> Check {
    let id = "network.label";
    let check = match (untold(id, cluster, &[Home::of(&plane.namespace).namespace.to_string()]), &plane.network) {
        (Some(untold), _) => untold,
        (None, Some(network)) => Check::ok(id, format!("The network is {network}.")),
        (None, None) => Check::error(id, "The namespace has no label topology.istio.io/network.").because(
            "istiod takes pods of all clusters for directly reachable and does not use the east-west gateways.",
            "Apply the mesh_cluster, which sets the label to its `network`.",
        ),
    };
    check.on(format!("Namespace {}", plane.namespace))
}

fn webhook(cluster: &ClusterInventory, purpose: WebhookPurpose) -> Check {
    let (id, kind, cause) = match purpose {
        WebhookPurpose::Injection => ("webhook.injection", Kind::MUTATING_WEBHOOK, "New pods get no sidecar, so they are not in the mesh."),
        WebhookPurpose::Validation => {
            ("webhook.validation", Kind::VALIDATING_WEBHOOK, "Invalid objects of Istio are stored, and istiod ignores them.")
        }
    };
    if let Some(untold) = untold(id, cluster, &[kind.plural.to_owned()]) {
        return untold;
    }
    let is_ours = |namespace: &String| cluster.control_planes.iter().any(|plane| plane.namespace == *namespace);
    let all: Vec<_> =
        cluster.webhooks.iter().filter(|webhook| webhook.purpose == purpose && webhook.namespaces.iter().any(is_ours)).collect();
    let without: Vec<_> = all.iter().filter(|webhook| !webhook.has_certificate).map(|webhook| webhook.name.clone()).collect();
    let bad = |seen: String| {
        if purpose == WebhookPurpose::Injection { Check::error(id, seen) } else { Check::warning(id, seen) }
    };
    if all.is_empty() {
        return bad("The webhook is not registered.".to_owned()).because(cause, "Apply the mesh_cluster, which installs it.");
    }
    if without.is_empty() {
        let tried: Vec<_> = all.iter().filter_map(|webhook| Some((&webhook.name, webhook.validation.as_ref()?))).collect();
        return match purpose {
            WebhookPurpose::Injection => Check::ok(id, "The webhook is registered and has a certificate."),
            WebhookPurpose::Validation => validated(id, &tried),
        };
    }
    bad(format!("istiod has put no certificate into {}.", list(&without)))
        .because(format!("The API server can't call it. {cause}"), "Check the logs of istiod, which writes its certificate when it starts.")
}

/// Checks what webhooks have done with an object that they must refuse.
fn validated(id: &'static str, tried: &[(&String, &Validation)]) -> Check {
    for (name, validation) in tried {
        match validation {
            Validation::Refused => {}
            Validation::NotCalled(why) => {
                return Check::error(id, format!("The API server can't call {name}: {why}")).because(
                    "No object of Istio can be written as long as that is so, and applies fail. Most often a firewall between the API server and the nodes \
                     closes port 15017, or the certificate in the webhook isn't that of istiod.",
                    "Open the port. If the certificate is wrong, restart istiod, which writes it: kubectl rollout restart deployment.",
                );
            }
            Validation::Accepted => {
                return Check::warning(id, format!("{name} lets an invalid object pass.")).because(
                    "Invalid objects of Istio are stored, and istiod ignores them. The webhook's policy is Ignore, or it leaves out objects of istiod's \
                     namespace.",
                    "Check the logs of istiod, which sets the policy to Fail once it serves.",
                );
            }
        }
    }
    let seen =
        if tried.is_empty() { ". Whether it refuses an invalid object was not checked." } else { ", and refuses an invalid object." };
    Check::ok(id, format!("The webhook is registered and has a certificate{seen}"))
}

fn served(cluster: &ClusterInventory, plane: &ControlPlane) -> Check {
    let id = "ca.served";
    let home = Home::of(&plane.namespace);
    let fingerprints = |roots: &[CertificateFacts]| {
        let mut all: Vec<_> = roots.iter().map(|root| root.fingerprint.clone()).collect();
        all.sort();
        all
    };
    let (served, configured) = (fingerprints(&plane.roots.served), fingerprints(&plane.roots.configured));
    let check = if let Some(untold) = untold(id, cluster, &[home.served_roots.to_string(), home.cacerts.to_string()]) {
        untold
    } else if served.is_empty() {
        Check::unknown(id, "istiod has not written the ConfigMap istio-ca-root-cert.")
            .because("Without it no workload starts.", "Check the logs of istiod.")
    } else if !configured.is_empty() && served != configured {
        Check::error(id, format!("istiod serves {}, and the Secret cacerts holds {}.", shown(&served), shown(&configured))).because(
            "istiod reads a new root only when it starts.",
            "Restart istiod: kubectl rollout restart deployment. A mesh_cluster with `ca` does so by itself.",
        )
    } else {
        Check::ok(id, format!("istiod serves {}.", shown(&served)))
    };
    check.on(plane.full_name())
}

/// Checks what a pod of istiod signs with. Without `cacerts` it is whatever istiod has created.
fn signs(pod: &str, used: &Result<CertificateFacts, String>, wanted: Option<&CertificateFacts>) -> Check {
    let id = "ca.used";
    let short = |facts: &CertificateFacts| facts.fingerprint.chars().take(12).collect::<String>();
    let check = match (used, wanted) {
        (Err(why), _) => Check::unknown(id, format!("istiod can't be asked for its CA: {why}"))
            .because("Which CA it signs with isn't known.", "Check the pod's logs, and that the API server reaches its node."),
        (Ok(used), Some(wanted)) if used.fingerprint != wanted.fingerprint => {
            let seen = format!(
                "It signs with the CA {}, valid until {}, and the Secret cacerts holds {}.",
                short(used),
                used.not_after.date(),
                short(wanted)
            );
            Check::warning(id, seen).because(
                "istiod takes up a changed Secret within two minutes, unless its root is another one.",
                "If it stays like this, restart istiod: kubectl rollout restart deployment. An apply that changes the CA does so by itself.",
            )
        }
        (Ok(used), _) => Check::ok(id, format!("It signs with the CA {}, valid until {}.", short(used), used.not_after.date())),
    };
    check.on(format!("Pod {pod}"))
}

/// Names roots by the first digits of their fingerprints.
pub(super) fn shown(fingerprints: &[String]) -> String {
    let short: Vec<_> = fingerprints.iter().map(|fingerprint| fingerprint.chars().take(12).collect::<String>()).collect();
    format!("the root{} {}", if short.len() == 1 { "" } else { "s" }, list(&short))
}

fn expiry(plane: &ControlPlane, at: OffsetDateTime) -> Vec<Check> {
    let id = "ca.expiry";
    let roots = if plane.roots.configured.is_empty() { &plane.roots.served } else { &plane.roots.configured };
    let all = roots.iter().map(|root| ("root", root)).chain(plane.roots.signer.iter().map(|signer| ("CA certificate of istiod", signer)));
    let check = |(what, certificate): (&str, &CertificateFacts)| {
        let end = certificate.not_after.date();
        let object = format!("{what} {}", certificate.subject.text);
        let fix = "Issue a new one before it ends: see the guide Rotating the root.";
        if certificate.not_after <= at {
            let seen = format!("It has expired on {end}.");
            Check::error(id, seen).because("Sidecars refuse certificates that it has signed, so calls fail.", fix).on(object)
        } else if certificate.not_after <= at + SOON {
            let cause = "From then on sidecars refuse certificates that it has signed.";
            Check::warning(id, format!("It expires on {end}.")).because(cause, fix).on(object)
        } else {
            Check::ok(id, format!("It is valid until {end}.")).on(object)
        }
    };
    all.map(check).collect()
}
