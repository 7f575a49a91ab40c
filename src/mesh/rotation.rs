//! A change of roots without a failed call: which workloads trust a root by now, and which may still present a certificate of one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value as Json, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    labels::TRUST_RECORD,
    pod::{has_ended, proxy},
};
use crate::istio::well_known;

/// For how long a workload's certificate is valid, unless its sidecar says otherwise. It is renewed at half of it.
const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Until when an istiod that is replaced may still sign, after the new one has written its ConfigMap.
const HANDOVER: Duration = Duration::from_secs(30);

/// How long it takes at most to push a change of roots to a sidecar that follows them.
const PUSH: Duration = Duration::from_secs(60);

/// What the Secret `cacerts` records of the roots in it. Roots are named by their fingerprints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustRecord {
    /// Since when istiod has served a root, for the roots before the last change.
    served: BTreeMap<String, OffsetDateTime>,
    /// The roots that are still trusted because istiod has signed for them before.
    signed: BTreeSet<String>,
}

impl TrustRecord {
    /// Reads the record of a Secret; empty if there is none.
    pub fn read(secret: &Json) -> Self {
        let text = secret["metadata"]["annotations"][TRUST_RECORD].as_str().unwrap_or_default();
        let record: Json = serde_json::from_str(text).unwrap_or_default();
        let served = record["served"].as_object().into_iter().flatten();
        Self {
            served: served.filter_map(|(root, at)| Some((root.clone(), time(at)?))).collect(),
            signed: record["signed"].as_array().into_iter().flatten().filter_map(|root| root.as_str().map(str::to_owned)).collect(),
        }
    }

    /// Returns the annotation's value; `None` if there is nothing to record.
    pub fn annotation(&self) -> Option<String> {
        let served: BTreeMap<_, _> = self.served.iter().filter_map(|(root, at)| Some((root, at.format(&Rfc3339).ok()?))).collect();
        (!served.is_empty() || !self.signed.is_empty()).then(|| json!({"served": served, "signed": self.signed}).to_string())
    }

    /// Returns the record of the next roots. `serving` is what istiod serves before the change.
    #[must_use]
    pub fn next(&self, before: &Signing, serving: Option<&Serving>, after: &Signing) -> Self {
        let mut next = self.clone();
        if let Some(serving) = serving {
            for root in &serving.roots {
                next.served.entry(root.clone()).or_insert(serving.since);
            }
        }
        if before.signer != after.signer {
            next.signed.insert(before.signer.clone());
            next.signed.remove(&after.signer);
        }
        next.served.retain(|root, _| after.roots.contains(root));
        next.signed.retain(|root| after.roots.contains(root));
        next
    }

    /// Returns since when istiod has served a root.
    pub fn served_since(&self, root: &str, serving: &Serving) -> OffsetDateTime {
        self.served.get(root).copied().unwrap_or(serving.since)
    }

    /// Reports whether istiod signed for a root before.
    pub fn has_signed(&self, root: &str) -> bool {
        self.signed.contains(root)
    }
}

/// What a cluster's CA leads to, and all roots that it has workloads trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The root that its certificate leads to.
    pub signer: String,
    /// All roots, the signer included.
    pub roots: Vec<String>,
}

/// What istiod serves, by its ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// All roots.
    pub roots: Vec<String>,
    /// When it began to serve exactly these.
    pub since: OffsetDateTime,
}

/// Reads when an object's contents were changed last.
pub fn changed_at(object: &Json) -> Option<OffsetDateTime> {
    let metadata = &object["metadata"];
    let changes = metadata["managedFields"].as_array().into_iter().flatten().map(|fields| &fields["time"]);
    changes.chain([&metadata["creationTimestamp"]]).filter_map(time).max()
}

fn time(json: &Json) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(json.as_str()?, &Rfc3339).ok()
}

/// Reports whether istiod pushes roots to sidecars that follow them.
pub fn pushes_roots(istiod: &Json) -> bool {
    let containers = istiod["spec"]["template"]["spec"]["containers"].as_array();
    containers.into_iter().flatten().any(|container| variable(container, "ISTIO_MULTIROOT_MESH").is_some_and(|on| on == "true"))
}

fn variable<'a>(container: &'a Json, name: &str) -> Option<&'a str> {
    container["env"].as_array()?.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}

/// A pod with a proxy that istiod gives certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Namespace and name.
    pub name: String,
    created: OffsetDateTime,
    /// Whether its proxy takes roots that istiod pushes.
    follows: bool,
    lifetime: Duration,
}

impl Workload {
    /// Selects the pods of a mesh: injection labels each of them, gateways included.
    pub const SELECTOR: &str = well_known::INJECTED_LABEL;

    /// Reads a pod; `None` if it has no proxy, or has ended.
    pub fn of(pod: &Json) -> Option<Self> {
        let metadata = &pod["metadata"];
        let proxy = proxy(pod).filter(|_| !has_ended(pod))?;
        Some(Self {
            name: format!("{}/{}", metadata["namespace"].as_str().unwrap_or_default(), metadata["name"].as_str().unwrap_or_default()),
            created: time(&metadata["creationTimestamp"])?,
            follows: variable(proxy, "PROXY_CONFIG_XDS_AGENT").is_some_and(|on| on == "true"),
            lifetime: variable(proxy, "SECRET_TTL").and_then(duration).unwrap_or(CERTIFICATE_LIFETIME),
        })
    }

    /// Returns when the workload certainly has what istiod began to serve at some time: its roots, and a certificate that it signed.
    pub fn has_it_from(&self, began: OffsetDateTime, istiod_pushes: bool) -> OffsetDateTime {
        if self.created > began + HANDOVER {
            self.created
        } else if self.follows && istiod_pushes {
            began + PUSH
        } else {
            began + HANDOVER + self.lifetime
        }
    }
}

/// Reads a duration as Go writes it, such as `24h0m0s`.
fn duration(text: &str) -> Option<Duration> {
    let (mut seconds, mut number) = (0_u64, String::new());
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    (number.is_empty() && seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOON: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn roots(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn signing(signer: &str, names: &[&str]) -> Signing {
        Signing { signer: signer.to_owned(), roots: roots(names) }
    }

    #[test]
    fn a_record_goes_through_the_stages_and_is_read_as_it_was_written() {
        let serving = |names: &[&str], hours: i64| Serving { roots: roots(names), since: NOON + time::Duration::hours(hours) };
        let (old, both, new) = (signing("old", &["old"]), signing("old", &["old", "new"]), signing("new", &["new", "old"]));
        let first = TrustRecord::default().next(&old, Some(&serving(&["old"], 0)), &both);
        let second = first.next(&both, Some(&serving(&["old", "new"], 1)), &new);
        assert_eq!(second.served_since("old", &serving(&["new", "old"], 2)), NOON);
        assert_eq!(second.served_since("new", &serving(&["new", "old"], 2)), NOON + time::Duration::hours(1));
        assert!(second.has_signed("old") && !second.has_signed("new") && !first.has_signed("old"));
        let secret = json!({"metadata": {"annotations": {TRUST_RECORD: second.annotation().unwrap()}}});
        assert_eq!(TrustRecord::read(&secret), second);
        assert!(!second.next(&new, None, &both).has_signed("old"), "it signs again");
        assert!(!second.next(&new, None, &signing("new", &["new"])).has_signed("old"), "nobody trusts it");
        assert_eq!(TrustRecord::read(&json!({})).annotation(), None);
    }

    fn pod(created: &str, variables: &[(&str, &str)]) -> Json {
        let env: Vec<_> = variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({
            "metadata": {"namespace": "echo", "name": "echo-1", "creationTimestamp": created},
            "spec": {"containers": [{"name": "echo"}, {"name": "istio-proxy", "env": env}]},
        })
    }

    #[test]
    fn a_workload_has_what_istiod_serves_once_it_starts_is_pushed_to_or_renews() {
        let from = |pod: &Json, pushes| Workload::of(pod).unwrap().has_it_from(NOON, pushes);
        let (early, late) = ("2026-11-25T08:00:00Z", "2026-11-25T12:01:00Z");
        assert_eq!(from(&pod(late, &[]), false), datetime!(2026-11-25 12:01 UTC));
        assert_eq!(from(&pod("2026-11-25T12:00:20Z", &[]), false), datetime!(2026-11-26 12:00:30 UTC), "the old istiod may have signed");
        assert_eq!(from(&pod(early, &[("SECRET_TTL", "1h30m0s")]), true), datetime!(2026-11-25 13:30:30 UTC));
        let follower = pod(early, &[("PROXY_CONFIG_XDS_AGENT", "true")]);
        assert_eq!(from(&follower, true), datetime!(2026-11-25 12:01 UTC));
        assert_eq!(from(&follower, false), datetime!(2026-11-26 12:00:30 UTC));
        let mut ended = follower;
        ended["status"]["phase"] = json!("Succeeded");
        assert_eq!((Workload::of(&ended), Workload::of(&json!({"spec": {"containers": [{"name": "echo"}]}}))), (None, None));
    }

    #[test]
    fn istiods_own_records_are_read() {
        let config = json!({"metadata": {
            "creationTimestamp": "2026-11-25T08:00:00Z", "managedFields": [{"time": "2026-11-25T12:00:00Z"}, {"time": "2026-11-25T09:00:00Z"}],
        }});
        assert_eq!(changed_at(&config), Some(NOON));
        let istiod = |value: &str| json!({"spec": {"template": {"spec": {"containers": [{"env": [{"name": "ISTIO_MULTIROOT_MESH", "value": value}]}]}}}});
        assert!(pushes_roots(&istiod("true")) && !pushes_roots(&istiod("false")) && !pushes_roots(&json!({})));
        assert_eq!(
            [duration("90s"), duration("24h0m0s"), duration("1d"), duration("12")].map(|read| read.map(|read| read.as_secs())),
            [Some(90), Some(86400), None, None]
        );
    }
}
