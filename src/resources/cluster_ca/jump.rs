//! A change of roots that would break calls, as far as the plan can tell without a cluster: a root signs that nobody trusts yet, or the old
//! root is dropped in the same step.

use super::{ClusterCaModel, model::RootCaRef, roots::planned_roots};
use crate::world::World;
use framework::{AttributePath, Error, Plan, Value};

/// Refuses a step that skips a stage, and names the stage that is next.
pub(super) fn check_jump(plan: &mut Plan<'_, ClusterCaModel, World>, world: &World) {
    let Some(prior) = plan.prior.as_ref().filter(|prior| prior.external != Value::Value(true)) else { return };
    if plan.planned.force_root_change == Value::Value(true) || is_rotated_in_place(prior, &plan.planned) {
        return;
    }
    let (Some(trusted), Some(signer)) = (planned_roots(prior, world), signer(prior, world)) else { return };
    let attribute = if plan.planned.root_ca.is_null() { "root_certificate" } else { "root_ca" };
    let next = self::signer(&plan.planned, world);
    let is_new_root = next.is_none() && is_another_secret(prior, &plan.planned);
    if is_new_root || next.as_ref().is_some_and(|next| !trusted.contains(next)) {
        plan.report.error(
            Error::new(
                "The next root isn't trusted yet",
                "If this cluster's CA were signed by the root now, other workloads would refuse every certificate of this cluster. Nothing is \
                 changed. The next stage is the first of three: keep the root that signs, add the certificate of the new one to `trusted_roots` of \
                 the mesh_cluster_ca of every cluster, and apply. Then exchange the two roots, apply, and in the end remove the old one from \
                 `trusted_roots`. To change the root at once, at the cost of failed calls, set `force_root_change = true`.",
            )
            .at(AttributePath::new(attribute)),
        );
    } else if next.is_some_and(|next| next != signer)
        && planned_roots(&plan.planned, world).is_some_and(|planned| !planned.contains(&signer))
    {
        plan.report.error(
            Error::new(
                "The old root is still needed",
                format!(
                    "Another root is to sign, and the one that has signed until now, {signer}, would no longer be trusted, although workloads have \
                     certificates of it. Nothing is changed. The next stage is the second of three: add the certificate of the old root to \
                     `trusted_roots`, and apply. Remove it in a later apply. To change the root at once, at the cost of failed calls, set \
                     `force_root_change = true`."
                ),
            )
            .at(AttributePath::new("trusted_roots")),
        );
    }
}

/// The root that signs; `None` if it isn't known, or is one of several.
fn signer(model: &ClusterCaModel, world: &World) -> Option<String> {
    if let Value::Value(root) = &model.root_ca {
        return root.fingerprint.as_ref_option().cloned();
    }
    let roots = model.root_certificate.as_ref_option()?;
    let roots = world.authority.inspect_all(roots).ok()?;
    match roots.as_slice() {
        [root] => Some(root.fingerprint.clone()),
        _ => None,
    }
}

fn secret_of(root: &RootCaRef) -> [&Value<String>; 3] {
    [&root.cluster, &root.namespace, &root.name]
}

fn is_another_secret(prior: &ClusterCaModel, planned: &ClusterCaModel) -> bool {
    match (&prior.root_ca, &planned.root_ca) {
        (Value::Value(one), Value::Value(other)) => {
            secret_of(one).iter().zip(secret_of(other)).any(|(one, other)| !other.is_unknown() && **one != *other)
        }
        _ => false,
    }
}

/// Whether the root's own resource puts another root in its place, as `rotation` asks for.
fn is_rotated_in_place(prior: &ClusterCaModel, planned: &ClusterCaModel) -> bool {
    match (&prior.root_ca, &planned.root_ca) {
        (Value::Value(one), Value::Value(other)) => secret_of(one) == secret_of(other) && one.fingerprint != other.fingerprint,
        _ => false,
    }
}
