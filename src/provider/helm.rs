//! How charts are obtained and installed: the attributes of the block `helm`, and what they mean.

use std::{collections::BTreeMap, path::PathBuf};

use super::{filled, not_empty};
use crate::{
    adapters::{ChartSource, HelmSettings, PostRenderer, Repository, Storage},
    data::Secret,
};
use framework::{Parse, Value, model, optional, required};

/// The charts that are installed.
const CHARTS: [&str; 3] = ["base", "istiod", "gateway"];

model! {
    /// A repository of charts.
    pub struct RepositoryModel {
        /// The repository: `https://…`, `oci://…` or the path of a directory.
        repository: String => required(),
        /// User name for the repository.
        username: String => optional().requires(&["password"]),
        /// Password for the repository.
        password: String => optional().sensitive().requires(&["username"]),
        /// Whether the credentials are also sent to other hosts from which the repository's index has charts downloaded. Defaults to false.
        pass_credentials: bool => optional(),
        /// Path of a file with the certificate authority of the repository, PEM.
        ca_file: String => optional(),
        /// Path of a file with a client certificate for the repository, PEM.
        cert_file: String => optional().requires(&["key_file"]),
        /// Path of a file with the private key of the client certificate, PEM.
        key_file: String => optional().requires(&["cert_file"]),
        /// Whether to accept any certificate of the repository. Defaults to false.
        insecure_skip_tls_verify: bool => optional(),
        /// Whether to use plain HTTP for an OCI registry. Defaults to false.
        plain_http: bool => optional(),
    }
}

model! {
    /// A program that changes the manifests of every release between rendering and installing, as `helm install --post-renderer`.
    pub struct PostRendererModel {
        /// Path of the program, or its name on the PATH. It reads manifests from standard input and writes those to install to standard output.
        binary_path: String => required(),
        /// Its arguments. Other users of the machine can see them.
        args: Vec<Value<String>> => optional(),
    }
}

model! {
    /// How charts are fetched and installed. Helm's own settings (`HELM_*`, its configuration and its caches) are not used.
    pub struct HelmModel {
        /// Where Istio's charts come from: an HTTP repository (`https://…`), an OCI registry (`oci://…`) or a directory that contains the charts
        /// `base`, `istiod` and `gateway`. Defaults to Istio's own repository. A chart is fetched once a run.
        repository: String => optional(),
        /// Where single charts come from instead, by the chart's name: `base`, `istiod` or `gateway`. Such a repository has none of the settings
        /// of `repository`.
        repositories: BTreeMap<String, Value<RepositoryModel>> => optional(),
        /// Version of Istio's charts for resources that don't set one, for example `1.31.0`.
        version: String => optional(),
        /// Path of the `helm` program. Defaults to `helm` beside the provider's own executable, else on the PATH.
        binary: String => optional(),
        /// User name for `repository`.
        username: String => optional().requires(&["password"]),
        /// Password for `repository`.
        password: String => optional().sensitive().requires(&["username"]),
        /// Whether the credentials are also sent to other hosts from which the repository's index has charts downloaded. Defaults to false.
        pass_credentials: bool => optional(),
        /// Path of a file with the certificate authority of `repository`, PEM.
        ca_file: String => optional(),
        /// Path of a file with a client certificate for `repository`, PEM.
        cert_file: String => optional().requires(&["key_file"]),
        /// Path of a file with the private key of the client certificate, PEM.
        key_file: String => optional().requires(&["cert_file"]),
        /// Whether to accept any certificate of `repository`. Defaults to false.
        insecure_skip_tls_verify: bool => optional(),
        /// Whether to use plain HTTP for an OCI registry. Defaults to false.
        plain_http: bool => optional(),
        /// Path of a file with logins to OCI registries, as `helm registry login` writes it, for example `~/.config/helm/registry/config.json`. It
        /// is used where no `username` is set.
        registry_config_path: String => optional(),
        /// Where Helm stores releases. Defaults to `secret`.
        driver: String => optional().one_of(["secret", "configmap"]),
        /// How many revisions Helm keeps of each release; 0 keeps all. Defaults to 5.
        max_history: u32 => optional().between(0, 1000),
        /// Whether objects that exist and belong to no release, or to another one, become part of the release that is installed. Defaults to
        /// false: they are an error. Destroying the resource deletes them.
        take_ownership: bool => optional(),
        /// Program that changes the rendered manifests.
        post_renderer: PostRendererModel => optional(),
        /// Whether rendered manifests are not checked against the API server's OpenAPI schema. Defaults to false.
        disable_openapi_validation: bool => optional(),
    }
}

/// Where Istio's own charts are.
const ISTIO_REPOSITORY: &str = "https://istio-release.storage.googleapis.com/charts";

/// Reads the settings for Helm. A setting that is unknown reads as left out; nothing is installed until all are known.
pub(super) fn parse_helm(helm: &Value<HelmModel>, parse: &mut Parse<'_>) -> Option<HelmSettings> {
    match helm {
        Value::Value(helm) => parse.inner(parse.path("helm"), |parse| parse_settings(helm, parse)),
        Value::Null => parse_settings(&HelmModel::default(), parse),
        Value::Unknown => {
            let settings = parse_settings(&HelmModel::default(), parse);
            settings.map(|settings| HelmSettings { is_known: false, storage: None, ..settings })
        }
    }
}

fn parse_settings(helm: &HelmModel, parse: &mut Parse<'_>) -> Option<HelmSettings> {
    let switch = |on: &bool| Ok::<_, String>(*on);
    let source = parse_source(&main_repository(helm), parse);
    let sources = match &helm.repositories {
        Value::Value(repositories) => parse_sources(repositories, parse),
        Value::Null => Some(BTreeMap::new()),
        Value::Unknown => {
            parse.set_unknown();
            Some(BTreeMap::new())
        }
    };
    let version = parse.optional("version", &helm.version, |text| crate::world::parse_version(text));
    let binary = parse.optional("binary", &helm.binary, |path| parse_path(path));
    let registry_config = parse.optional("registry_config_path", &helm.registry_config_path, |path| parse_path(path));
    let storage = parse.optional("driver", &helm.driver, |driver| Storage::parse(driver));
    let max_history = parse.optional("max_history", &helm.max_history, |count| Ok::<_, String>(*count));
    let takes_ownership = parse.optional("take_ownership", &helm.take_ownership, switch);
    let post_renderer = parse.nested("post_renderer", &helm.post_renderer, |renderer, parse| {
        let program = parse.required("binary_path", &renderer.binary_path, |path| not_empty(path).map(PathBuf::from));
        let args = parse.each("args", &renderer.args, |text| Ok::<_, String>(text.clone()));
        Some(PostRenderer { program: program?, args: args? })
    });
    let no_validation = parse.optional("disable_openapi_validation", &helm.disable_openapi_validation, switch);
    Some(HelmSettings {
        sources: sources?,
        registry_config: registry_config.flatten(),
        version: version.flatten(),
        binary: binary.flatten(),
        // One that is unknown reads as `None`.
        storage: storage.map(|storage| storage.unwrap_or(Storage::Secrets)),
        max_history: max_history.flatten().unwrap_or(HelmSettings::MAX_HISTORY),
        takes_ownership: takes_ownership.flatten().unwrap_or(false),
        post_renderer: post_renderer.flatten(),
        validates_openapi: !no_validation.flatten().unwrap_or(false),
        is_known: !parse.is_unknown(),
        ..HelmSettings::from_source(source?)
    })
}

/// The attributes of the block itself that are a repository's.
fn main_repository(helm: &HelmModel) -> RepositoryModel {
    RepositoryModel {
        repository: match &helm.repository {
            Value::Null => Value::Value(ISTIO_REPOSITORY.to_owned()),
            repository => repository.clone(),
        },
        username: helm.username.clone(),
        password: helm.password.clone(),
        pass_credentials: helm.pass_credentials,
        ca_file: helm.ca_file.clone(),
        cert_file: helm.cert_file.clone(),
        key_file: helm.key_file.clone(),
        insecure_skip_tls_verify: helm.insecure_skip_tls_verify,
        plain_http: helm.plain_http,
    }
}

fn parse_sources(repositories: &BTreeMap<String, Value<RepositoryModel>>, parse: &mut Parse<'_>) -> Option<BTreeMap<String, ChartSource>> {
    let mut sources = BTreeMap::new();
    for (chart, repository) in repositories {
        let path = parse.path("repositories").key(chart.clone());
        if !CHARTS.contains(&chart.as_str()) {
            let charts = CHARTS.map(|chart| format!("`{chart}`")).join(", ");
            parse.violation(path, &format!("`{chart}` is not a chart that the provider installs. The charts are {charts}."));
            continue;
        }
        match repository {
            Value::Null => {}
            Value::Unknown => parse.set_unknown(),
            Value::Value(repository) => {
                sources.insert(chart.clone(), parse.inner(path, |parse| parse_source(repository, parse))?);
            }
        }
    }
    Some(sources)
}

/// Reads a repository. A setting that is unknown reads as left out.
fn parse_source(model: &RepositoryModel, parse: &mut Parse<'_>) -> Option<ChartSource> {
    let switch = |on: &bool| Ok::<_, String>(*on);
    let repository = parse.optional("repository", &model.repository, |text| Repository::parse(text));
    let username = parse.optional("username", &model.username, |name| filled(name));
    let password = parse.optional("password", &model.password, |text| filled(text).map(Secret::new));
    let passes_credentials = parse.optional("pass_credentials", &model.pass_credentials, switch);
    let ca_file = parse.optional("ca_file", &model.ca_file, |path| parse_path(path));
    let cert_file = parse.optional("cert_file", &model.cert_file, |path| parse_path(path));
    let key_file = parse.optional("key_file", &model.key_file, |path| parse_path(path));
    let insecure = parse.optional("insecure_skip_tls_verify", &model.insecure_skip_tls_verify, switch);
    let plain_http = parse.optional("plain_http", &model.plain_http, switch);
    // Where the URL is unknown, nothing is fetched until it is known.
    let repository = repository.flatten().or_else(|| Repository::parse(ISTIO_REPOSITORY).ok())?;
    Some(ChartSource {
        repository,
        credentials: username.flatten().zip(password.flatten()),
        passes_credentials: passes_credentials.flatten().unwrap_or(false),
        plain_http: plain_http.flatten().unwrap_or(false),
        ca_file: ca_file.flatten(),
        cert_file: cert_file.flatten(),
        key_file: key_file.flatten(),
        insecure: insecure.flatten().unwrap_or(false),
    })
}

fn parse_path(path: &str) -> Result<PathBuf, String> {
    filled(path).map(PathBuf::from)
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
        assert_eq!(read(&Value::Value(model)).0, ["helm.repository", "helm.ca_file", "helm.version", "helm.binary"]);
    }

    #[test]
    fn a_chart_can_come_from_a_repository_of_its_own() {
        let text = |text: &str| Value::Value(text.to_owned());
        let repository = |url: &str| Value::Value(RepositoryModel { repository: text(url), ..RepositoryModel::default() });
        let repositories = |chart: &str, model| Value::Value(BTreeMap::from([(chart.to_owned(), model)]));
        let model = HelmModel {
            username: text("ann"),
            password: text("s3cret"),
            repositories: repositories("gateway", repository("oci://mirror.example/istio")),
            ..HelmModel::default()
        };
        let settings = read(&Value::Value(model)).1.unwrap();
        assert_eq!(settings.sources["gateway"].repository, Repository::Oci("oci://mirror.example/istio".to_owned()));
        assert!(settings.sources["gateway"].credentials.is_none(), "credentials of one host are not sent to another");
        assert!(settings.source.credentials.is_some());
        let typo = HelmModel { repositories: repositories("gateways", repository("oci://x")), ..HelmModel::default() };
        assert_eq!(read(&Value::Value(typo)).0, ["helm.repositories[\"gateways\"]"]);
    }

    #[test]
    fn a_driver_is_one_that_can_be_read() {
        let driver = |driver: &str| HelmModel { driver: Value::Value(driver.to_owned()), ..HelmModel::default() };
        assert_eq!(read(&Value::Value(driver("configmap"))).1.unwrap().storage, Some(Storage::ConfigMaps));
        assert_eq!(read(&Value::Value(driver("sql"))).0, ["helm.driver"]);
        let unknown = HelmModel { driver: Value::Unknown, ..HelmModel::default() };
        assert_eq!(read(&Value::Value(unknown)).1.unwrap().storage, None);
    }
}
