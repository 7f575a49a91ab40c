//! The kubeconfig in a remote secret: as much as istiod accepts of one, which is no file, no program and no client certificate.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};

use crate::{data::Secret, mesh::names::ClusterKey};

/// An API server, and the token for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubeconfig {
    /// The URL of the API server.
    pub server: String,
    /// Its certificate authority, PEM; `None` for those of istiod's image.
    pub ca_certificate: Option<String>,
    /// The name in its certificate, if it isn't the URL's.
    pub tls_server_name: Option<String>,
    /// The token.
    pub token: Secret,
}

impl Kubeconfig {
    /// Renders it as YAML. Cluster, user and context have Istio's name of the cluster.
    pub fn render(&self, name: &ClusterKey) -> Secret {
        let mut cluster = json!({"server": self.server});
        if let Some(pem) = &self.ca_certificate {
            cluster["certificate-authority-data"] = STANDARD.encode(pem).into();
        }
        if let Some(server_name) = &self.tls_server_name {
            cluster["tls-server-name"] = server_name.as_str().into();
        }
        let name = name.as_str();
        let file = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name, "preferences": {},
            "clusters": [{"name": name, "cluster": cluster}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": {"token": self.token.reveal()}}],
        });
        Secret::new(serde_saphyr::to_string(&file).unwrap_or_else(|_| file.to_string()))
    }

    /// Reads the current context of a kubeconfig; `None` if it has no server or no token.
    pub fn read(text: &str) -> Option<Self> {
        let file: Json = serde_saphyr::from_str(text).ok()?;
        let named = |list: &str, name: &Json| file[list].as_array()?.iter().find(|entry| entry["name"] == *name).cloned();
        let context = &named("contexts", &file["current-context"])?["context"];
        let (cluster, user) = (&named("clusters", &context["cluster"])?["cluster"], &named("users", &context["user"])?["user"]);
        let text = |value: &Json| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let pem = text(&cluster["certificate-authority-data"]).map(|data| String::from_utf8(STANDARD.decode(data).ok()?).ok());
        Some(Self {
            server: text(&cluster["server"])?,
            ca_certificate: pem.map_or(Some(None), |pem| pem.map(Some))?,
            tls_server_name: text(&cluster["tls-server-name"]),
            token: Secret::new(text(&user["token"])?),
        })
    }

    /// Describes how one that was found differs in the server, a line each.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let shown = |text: Option<&str>| text.map_or_else(|| "null".to_owned(), |text| format!("{text:?}"));
        let differs = |what: &str, wanted: Option<&str>, found: Option<&str>| {
            (wanted != found).then(|| format!("{what}: {} wanted, {} found", shown(wanted), shown(found)))
        };
        let server = differs("the API server", Some(&self.server), Some(&found.server));
        let name = differs("the API server's TLS name", self.tls_server_name.as_deref(), found.tls_server_name.as_deref());
        // Spaces and line ends are no difference.
        let pem = |text: &Option<String>| text.as_ref().map(|pem| pem.split_whitespace().collect::<String>());
        let ca = (pem(&self.ca_certificate) != pem(&found.ca_certificate))
            .then(|| "the API server's certificate authority is another one".to_owned());
        [server, name, ca].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_of_istioctl_is_read() {
        let text = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: QQ==\n    server: https://198.51.100.12:6443\n  name: eu\n\
                    contexts:\n- context:\n    cluster: eu\n    user: eu\n  name: eu\ncurrent-context: eu\nkind: Config\npreferences: {}\nusers:\n\
                    - name: eu\n  user:\n    token: t0ken\n";
        let read = Kubeconfig::read(text).unwrap();
        assert_eq!(
            (read.server.as_str(), read.ca_certificate.as_deref(), read.token.reveal()),
            ("https://198.51.100.12:6443", Some("A"), "t0ken")
        );
        assert!(!format!("{read:?}").contains("t0ken"));
        let again = read.render(&ClusterKey::parse("eu").unwrap());
        assert_eq!(Kubeconfig::read(again.reveal()), Some(read));
        for broken in
            ["", "- a", &text.replace("QQ==", "'!'"), &text.replace("token: t0ken", "exec: {}"), &text.replace("current-context: eu", "")]
        {
            assert_eq!(Kubeconfig::read(broken), None, "{broken}");
        }
    }
}
