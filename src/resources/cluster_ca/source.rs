//! Where a cluster's CA comes from: issued by a root, ready-made, or written by something else.

use std::time::Duration;

use super::{
    super::authority::{LONGEST_VALIDITY, default_common_name, parse_days, parse_subject},
    model::ClusterCaModel,
    request::{RequestSource, parse_request},
    root::{RootSource, parse_root},
};
use crate::{
    data::{CaSubject, KeyAlgorithm, NewIntermediate, Secret},
    mesh::ClusterKey,
};
use framework::{Parse, Value};

/// Where the CA comes from.
pub(super) enum Source {
    /// The provider issues it.
    Issued(Issued),
    /// The user has it.
    Given(Given),
    /// Something else writes it; these roots are expected.
    External { roots: Option<String> },
}

/// A CA to be issued.
pub(super) struct Issued {
    pub(super) root: RootSource,
    pub(super) wanted: NewIntermediate,
    pub(super) renew_before: Duration,
}

/// A ready-made CA. The key is there only in an apply.
pub(super) struct Given {
    pub(super) certificate: String,
    pub(super) chain: String,
    pub(super) roots: String,
    pub(super) key: Option<Secret>,
    pub(super) request: Option<RequestSource>,
}

pub(super) fn parse_source(cluster: Option<&ClusterKey>, model: &ClusterCaModel, parse: &mut Parse<'_>) -> Option<Source> {
    let external = parse.optional("external", &model.external, |external| Ok::<_, String>(*external));
    let issued = parse_issue(cluster, model, parse);
    let pem = |text: &String| Ok::<_, String>(text.clone());
    let certificate = parse.optional("intermediate_certificate", &model.intermediate_certificate, pem);
    let chain = parse.optional("intermediate_chain", &model.intermediate_chain, pem);
    let key = parse.optional("intermediate_private_key_wo", &model.intermediate_private_key_wo, |pem| Ok::<_, String>(Secret::new(pem)));
    parse.optional("intermediate_private_key_wo_version", &model.intermediate_private_key_wo_version, |version| Ok::<_, String>(*version));
    let request = parse_request(cluster, model, parse);
    let roots = parse.optional("root_certificate", &model.root_certificate, pem);

    if external? == Some(true) {
        only(model, parse, "An external CA is only verified", EXTERNAL);
        return Some(Source::External { roots: roots? });
    }
    if !model.intermediate_certificate.is_null() {
        only(model, parse, "A ready-made intermediate is not issued", GIVEN);
        if model.root_certificate.is_null() {
            parse.violation(parse.path("root_certificate"), &"Set it to the root, PEM, that `intermediate_certificate` leads to.");
        }
        let (certificate, roots) = (certificate??, roots??);
        return Some(Source::Given(Given { certificate, chain: chain?.unwrap_or_default(), roots, key: key?, request: request? }));
    }
    only(model, parse, "There is no `intermediate_certificate`", ISSUED);
    let root = parse_root(model, parse)?;
    let (wanted, renew_before) = issued?;
    Some(Source::Issued(Issued { root, wanted, renew_before }))
}

/// Reads the subject and the dates of a CA to be issued.
fn parse_issue(cluster: Option<&ClusterKey>, model: &ClusterCaModel, parse: &mut Parse<'_>) -> Option<(NewIntermediate, Duration)> {
    let common_name = parse.optional("common_name", &model.common_name, |text| parse_subject(text));
    let organization = parse.required("organization", &model.organization, |text| parse_subject(text));
    let algorithm = parse.optional("key_algorithm", &model.key_algorithm, |name| KeyAlgorithm::parse(name));
    let validity = parse.required_or("validity_days", &model.validity_days, |days| parse_days(*days), LONGEST_VALIDITY);
    let renew_before = parse.required("renew_before_days", &model.renew_before_days, |days| parse_days(*days));
    if let (Some(validity), Some(renew_before)) = (validity, renew_before)
        && renew_before >= validity
    {
        parse.violation(
            parse.path("renew_before_days"),
            &"The intermediate would be renewed at every apply: `renew_before_days` must be less than `validity_days`.",
        );
    }
    let common_name = common_name?.unwrap_or(default_common_name(cluster?));
    let subject = CaSubject { common_name, organization: organization?, algorithm: algorithm?.unwrap_or_default() };
    Some((NewIntermediate { subject, validity: validity? }, renew_before?))
}

/// The attributes that belong to one source, and not to each.
type Group = &'static [&'static str];
const ROOT_KEY: Group = &["root_ca", "root_private_key_wo", "root_private_key_wo_version"];
const INTERMEDIATE: Group =
    &["intermediate_certificate", "intermediate_private_key_wo", "intermediate_private_key_wo_version", "intermediate_chain", "request"];
const EXTERNAL: &[Group] = &[ROOT_KEY, INTERMEDIATE, &["trusted_roots"]];
const GIVEN: &[Group] = &[ROOT_KEY];
const ISSUED: &[Group] = &[INTERMEDIATE];

/// Reports attributes that are set and have no effect.
fn only(model: &ClusterCaModel, parse: &mut Parse<'_>, reason: &str, others: &[Group]) {
    fn is_set<T>(value: &Value<T>) -> bool {
        !value.is_null()
    }
    let set = [
        ("root_ca", is_set(&model.root_ca)),
        ("root_private_key_wo", is_set(&model.root_private_key_wo)),
        ("root_private_key_wo_version", is_set(&model.root_private_key_wo_version)),
        ("intermediate_certificate", is_set(&model.intermediate_certificate)),
        ("intermediate_private_key_wo", is_set(&model.intermediate_private_key_wo)),
        ("intermediate_private_key_wo_version", is_set(&model.intermediate_private_key_wo_version)),
        ("intermediate_chain", is_set(&model.intermediate_chain)),
        ("request", is_set(&model.request)),
        ("trusted_roots", is_set(&model.trusted_roots)),
    ];
    for (name, _) in set.into_iter().filter(|(name, set)| *set && others.iter().any(|group| group.contains(name))) {
        parse.violation(parse.path(name), &format!("{reason}, so `{name}` would have no effect. Remove it."));
    }
}
