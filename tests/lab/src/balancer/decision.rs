//! Decides what to do about one Service: pure, from its state and the settings.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;

use super::{CLASS, FINALIZER, ledger::Lease, settings::Answer};

/// A cloud takes its time to tear a load balancer down.
const TEARDOWN: Duration = Duration::from_millis(300);

/// The next thing to do about a Service.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    /// Take the Service on: set the finalizer.
    Adopt,
    /// Complain in an event.
    Refuse,
    /// Give it an address, or another one.
    Lease {
        by_name: bool,
    },
    /// Write the address into the status.
    Publish,
    /// Take the address back and let the Service go.
    Release,
}

/// The circumstances of a Service beside the object itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) answer: Answer,
    pub(super) lease: Option<&'a Lease>,
    /// How many changes of address were requested.
    pub(super) moves: u64,
    /// Since it was first seen in its present condition.
    pub(super) age: Duration,
}

pub(super) fn decide(service: &Service, around: Circumstances<'_>) -> Action {
    let finalizers = service.metadata.finalizers.as_deref().unwrap_or_default();
    let adopted = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    if !is_wanted(service) {
        if !adopted && around.lease.is_none() {
            return Action::Nothing;
        }
        return if around.age < TEARDOWN { Action::Nothing } else { Action::Release };
    }
    if !adopted {
        return Action::Adopt;
    }
    let Some(lease) = around.lease else {
        return match around.answer {
            Answer::Never => Action::Refuse,
            Answer::Late { seconds } if around.age < Duration::from_secs(seconds) => Action::Nothing,
            Answer::Ip | Answer::Late { .. } => Action::Lease { by_name: false },
            Answer::Hostname => Action::Lease { by_name: true },
        };
    };
    if lease.moves < around.moves {
        return Action::Lease { by_name: around.answer == Answer::Hostname };
    }
    if is_published(service, lease) { Action::Nothing } else { Action::Publish }
}

/// Whether the Service asks for one of our load balancers.
pub(super) fn is_wanted(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    let of_type = spec.and_then(|spec| spec.type_.as_deref()) == Some("LoadBalancer");
    let class = spec.and_then(|spec| spec.load_balancer_class.as_deref());
    of_type && class.is_none_or(|class| class == CLASS) && service.metadata.deletion_timestamp.is_none()
}

fn is_published(service: &Service, lease: &Lease) -> bool {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    let [only] = ingress else { return false };
    match &lease.hostname {
        Some(hostname) => only.hostname.as_ref() == Some(hostname) && only.ip.is_none(),
        None => only.ip.as_deref() == Some(&lease.address.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use serde_json::{Value, json};

    use super::{Action, Answer, Circumstances, Lease, decide};

    const LONG: Duration = Duration::from_mins(1);

    fn mk_service(patch: &Value) -> super::Service {
        let mut service = json!({
            "metadata": {"name": "gateway", "finalizers": [super::FINALIZER]},
            "spec": {"type": "LoadBalancer"},
        });
        for (part, fields) in patch.as_object().unwrap() {
            for (name, value) in fields.as_object().unwrap() {
                service[part][name] = value.clone();
            }
        }
        serde_json::from_value(service).unwrap()
    }

    fn mk_lease() -> Lease {
        Lease { address: Ipv4Addr::new(198, 51, 100, 129), hostname: None, moves: 0, uid: String::new() }
    }

    fn around(answer: Answer, lease: Option<&Lease>) -> Circumstances<'_> {
        Circumstances { answer, lease, moves: 0, age: LONG }
    }

    #[test]
    fn a_new_service_is_adopted_first() {
        let service = mk_service(&json!({"metadata": {"finalizers": []}}));
        assert_eq!(decide(&service, around(Answer::Never, None)), Action::Adopt);
    }

    #[test]
    fn it_answers_as_it_was_told() {
        let service = mk_service(&json!({}));
        let by = |answer| decide(&service, around(answer, None));
        assert_eq!(by(Answer::Ip), Action::Lease { by_name: false });
        assert_eq!(by(Answer::Hostname), Action::Lease { by_name: true });
        assert_eq!(by(Answer::Never), Action::Refuse);
        assert_eq!(by(Answer::Late { seconds: 61 }), Action::Nothing);
        assert_eq!(by(Answer::Late { seconds: 60 }), Action::Lease { by_name: false });
    }

    #[test]
    fn a_lease_is_published_and_then_left_alone() {
        let lease = mk_lease();
        let service = mk_service(&json!({}));
        assert_eq!(decide(&service, around(Answer::Never, Some(&lease))), Action::Publish);
        let ingress = json!({"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.129"}]}}});
        let service = mk_service(&ingress);
        assert_eq!(decide(&service, around(Answer::Never, Some(&lease))), Action::Nothing);
        let moved = Circumstances { moves: 1, ..around(Answer::Ip, Some(&lease)) };
        assert_eq!(decide(&service, moved), Action::Lease { by_name: false });
    }

    #[test]
    fn what_is_not_wanted_any_more_is_released_after_a_while() {
        let lease = mk_lease();
        let service = mk_service(&json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        let young = Circumstances { age: Duration::ZERO, ..around(Answer::Ip, Some(&lease)) };
        assert_eq!(decide(&service, young), Action::Nothing);
        assert_eq!(decide(&service, around(Answer::Ip, Some(&lease))), Action::Release);
        let plain = mk_service(&json!({"spec": {"type": "ClusterIP"}}));
        assert_eq!(decide(&plain, around(Answer::Ip, None)), Action::Release);
    }

    #[test]
    fn other_classes_are_not_ours() {
        let foreign = json!({"metadata": {"finalizers": []}, "spec": {"loadBalancerClass": "example.com/other"}});
        assert_eq!(decide(&mk_service(&foreign), around(Answer::Ip, None)), Action::Nothing);
        let ours = json!({"spec": {"loadBalancerClass": super::CLASS}});
        assert_eq!(decide(&mk_service(&ours), around(Answer::Ip, None)), Action::Lease { by_name: false });
    }
}
