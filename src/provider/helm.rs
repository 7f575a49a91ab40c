//! How charts are obtained and installed: the attributes of the block `helm`, and what they mean.

use std::path::PathBuf;

use super::filled;
use crate::{
    adapters::{HelmSettings, Repository},
    data::Secret,
};
use framework::{Parse, Value, model, optional};

model! {
    /// How charts are had and installed.
    pub struct HelmModel {
        /// Where Istio's charts come from: an HTTP repository (`https://…`), an OCI registry (`oci://…`) or a directory that holds
        /// the charts `base`, `istiod` and `gateway`. Istio's own repository if left out.
        repository: String => optional(),
        /// Version of Istio's charts for resources that set none.
        version: String => optional(),
        /// Path of the `helm` program. If left out: `helm` beside the provider's own executable, else on the PATH.
        binary: String => optional(),
        /// User name for the repository.
        username: String => optional(),
        /// Password for the repository.
        password: String => optional().sensitive(),
        /// Whether an OCI registry is spoken to without TLS.
        plain_http: bool => optional(),
        /// Path of a file with the certificate authority of the repository, PEM.
        ca_file: String => optional(),
    }
}

/// Where Istio's own charts are.
const ISTIO_REPOSITORY: &str = "https://istio-release.storage.googleapis.com/charts";

/// Reads the settings for Helm. A setting that is unknown reads as left out; nothing is installed until all are known.
pub(super) fn parse_helm(helm: &Value<HelmModel>, parse: &mut Parse<'_>) -> Option<HelmSettings> {
    match helm {
        Value::Value(helm) => parse.inner(parse.path("helm"), |parse| parse_settings(helm, parse)),
        Value::Null => parse_settings(&HelmModel::default(), parse),
        Value::Unknown => parse_settings(&HelmModel::default(), parse).map(|settings| HelmSettings { is_known: false, ..settings }),
    }
}

fn parse_settings(helm: &HelmModel, parse: &mut Parse<'_>) -> Option<HelmSettings> {
    let repository = parse.optional("repository", &helm.repository, |text| Repository::parse(text));
    let version = parse.optional("version", &helm.version, |text| crate::world::parse_version(text));
    let binary = parse.optional("binary", &helm.binary, |path| filled(path).map(PathBuf::from));
    let username = parse.optional("username", &helm.username, |name| filled(name));
    let password = parse.optional("password", &helm.password, |text| filled(text).map(|text| Secret::new(&text)));
    if helm.username.is_null() != helm.password.is_null() {
        let missing = if helm.password.is_null() { "password" } else { "username" };
        parse.violation(parse.path(missing), &"`username` and `password` belong together: set both.");
    }
    let plain_http = parse.optional("plain_http", &helm.plain_http, |on| Ok::<_, String>(*on));
    let ca_file = parse.optional("ca_file", &helm.ca_file, |path| filled(path).map(PathBuf::from));
    Some(HelmSettings {
        repository: repository.flatten().or_else(|| Repository::parse(ISTIO_REPOSITORY).ok())?,
        version: version.flatten(),
        binary: binary.flatten(),
        username: username.flatten(),
        password: password.flatten(),
        plain_http: plain_http.flatten().unwrap_or(false),
        ca_file: ca_file.flatten(),
        is_known: !parse.is_unknown(),
    })
}

#[cfg(test)]
mod tests {
    use framework::Report;

    use super::*;

    fn read(helm: &Value<HelmModel>) -> (Vec<String>, Option<HelmSettings>) {
        let mut report = Report::new();
        let settings = parse_helm(helm, &mut Parse::new(&mut report));
        (report.into_diagnostics().errors.into_iter().map(|error| error.attribute.to_string()).collect(), settings)
    }

    #[test]
    fn an_unknown_setting_is_not_one_that_is_left_out() {
        let unknown = HelmModel { binary: Value::Unknown, ..HelmModel::default() };
        for (helm, is_known) in
            [(Value::Null, true), (Value::Value(HelmModel::default()), true), (Value::Unknown, false), (Value::Value(unknown), false)]
        {
            let (violations, settings) = read(&helm);
            assert_eq!((violations.len(), settings.unwrap().is_known), (0, is_known), "{helm:?}");
        }
    }

    #[test]
    fn an_empty_setting_is_a_mistake() {
        let empty = Value::Value(String::new());
        let model =
            HelmModel { binary: empty.clone(), version: empty.clone(), repository: empty.clone(), ca_file: empty, ..HelmModel::default() };
        assert_eq!(read(&Value::Value(model)).0, ["helm.repository", "helm.version", "helm.binary", "helm.ca_file"]);
    }
}
