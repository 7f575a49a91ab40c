//! What a plan checks of a remote secret without a cluster: that pods can reach the API server at all, and when the token ends.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{RemoteSecret, RemoteSecretModel};
use crate::{data::Secret, mesh::remote_secret::loses_endpoints, world::World};
use framework::{AttributePath, Error, Parsed, Plan, Value};

/// Checks the plan, and opens what a new token changes.
pub(super) fn check(plan: &mut Plan<'_, RemoteSecretModel, World>, spec: &Parsed<RemoteSecret>) {
    let (Some(world), Parsed::Ready(spec)) = (plan.world, spec) else { return };
    crate::world::check_cluster(Some(world), &spec.cluster, AttributePath::new("cluster"), plan.report);
    crate::world::check_cluster(Some(world), &spec.place.remote, AttributePath::new("remote").attribute("cluster"), plan.report);
    // What is in place stays as it is, whatever the provider's configuration says by now.
    if plan.prior.as_ref().is_none_or(|prior| *prior != plan.planned)
        && world.clusters.is_known(&spec.place.remote)
        && let Err(error) = spec.kubeconfig(&Secret::new(""), world)
        // A file that can't be read is a matter of the apply: in a plan it may not be there yet.
        && error.path != AttributePath::root()
    {
        plan.report.error(error);
    }
    check_token(plan, spec, world);
}

/// Plans a new token where the one in place is about to end, and warns of what can be lost.
fn check_token(plan: &mut Plan<'_, RemoteSecretModel, World>, spec: &RemoteSecret, world: &World) {
    let Some(prior) = &plan.prior else { return };
    let time = |value: &Value<String>| OffsetDateTime::parse(value.as_ref_option()?, &Rfc3339).ok();
    let (granted, version) = (time(&prior.issued_at).zip(time(&prior.expires_at)), prior.istiod_version.clone());
    let is_asked_for = prior.rotation != plan.planned.rotation
        || prior.token_lifetime_hours != plan.planned.token_lifetime_hours
        || (prior.legacy_token == Value::Value(true)) != spec.is_endless
        || prior.service_account != plan.planned.service_account;
    let is_due = granted.is_some_and(|(issued, expires)| spec.policy.due_at(issued, expires) <= world.clock.now());
    if is_due {
        (plan.planned.issued_at, plan.planned.expires_at) = (Value::Unknown, Value::Unknown);
    }
    if let Some((issued, expires)) = granted {
        if is_due {
            plan.report.warning(ending(spec, expires, world.clock.now()));
        } else if !is_asked_for && spec.policy.is_cut_short(issued, expires) {
            plan.report.warning(cut_short(spec, issued, expires));
        }
    }
    if (is_due || is_asked_for)
        && let Value::Value(version) = version
        && loses_endpoints(&version)
    {
        plan.report.warning(rotation_of(spec, &version));
    }
}

fn text(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

fn ending(spec: &RemoteSecret, expires: OffsetDateTime, now: OffsetDateTime) -> Error {
    let (reader, remote) = (&spec.cluster, &spec.place.remote);
    let when = if expires <= now {
        format!("expired at {}: istiod reads no changes any more, and a replica that starts anew finds no endpoints there", text(expires))
    } else {
        format!("expires at {}", text(expires))
    };
    Error::new(
        format!("The token of cluster \"{reader}\" for cluster \"{remote}\" ends"),
        format!("The token by which istiod of cluster \"{reader}\" reads cluster \"{remote}\" {when}. The apply of this plan renews it."),
    )
    .at(AttributePath::new("expires_at"))
}

fn cut_short(spec: &RemoteSecret, issued: OffsetDateTime, expires: OffsetDateTime) -> Error {
    let hours = (expires - issued).whole_hours();
    Error::new(
        format!("Cluster \"{}\" grants shorter tokens", spec.place.remote),
        format!(
            "A token of {} hours was asked for, and the API server granted one of {hours}, until {}. It is renewed by the first apply after {}, so apply at \
             least that often, or discovery ends. Set `token_lifetime_hours = {}` to confirm it.",
            spec.lifetime_hours,
            text(expires),
            text(spec.policy.due_at(issued, expires)),
            hours.max(1)
        ),
    )
    .at(AttributePath::new("token_lifetime_hours"))
}

fn rotation_of(spec: &RemoteSecret, version: &str) -> Error {
    Error::new(
        "A new token can interrupt discovery",
        format!(
            "istiod of cluster \"{}\" is of version {version}. Before 1.31 it can lose the endpoints of cluster \"{}\", or go on with the old token, when the \
             Secret changes, until it is restarted (istio/istio issues 60612 and 61043). Upgrade Istio first, or restart istiod after the apply: \
             `kubectl rollout restart deployment -n {} istiod`.",
            spec.cluster, spec.place.remote, spec.place.namespace
        ),
    )
    .at(AttributePath::new("rotation"))
}
