//! What kube's client is made from: a server's address, its proxy, and what its certificate is verified with.

use std::time::Duration;

use base64::Engine as _;
use kube::{
    Config,
    config::{AuthInfo, Cluster},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::proxy;

/// How long to try a connection, and how long one request may take; the operation's own deadline is above both.
const CONNECT: Duration = Duration::from_secs(5);
/// Longer than the 30 s that a webhook may take at most.
const ANSWER: Duration = Duration::from_secs(40);

/// Describes a server to kube. Its own reading of a kubeconfig has rules of its own for proxies, which aren't those of kubectl and Helm.
pub(super) fn client_config(server: &Cluster, auth_info: AuthInfo) -> Result<Config, String> {
    let address = server.server.as_deref().unwrap_or_default();
    let url: http::Uri = address.parse().map_err(|error| format!("{address} is not a valid URL: {error}"))?;
    let proxy = proxy::proxy_for(&url, server.proxy_url.as_deref(), &proxy::Environment::read());
    let mut config = Config::new(url);
    let proxy = proxy.map(|url| proxy::parse_proxy_url(&url).map_err(|error| format!("the URL of the proxy {error}"))).transpose()?;
    config.proxy_url = proxy.and_then(|url| url.parse().ok());
    config.accept_invalid_certs = server.insecure_skip_tls_verify.unwrap_or(false);
    config.root_cert = authorities(server)?;
    // Without any, kube loads the system's, and fails where there are none. Who verifies nothing needs none.
    if config.root_cert.is_none() && (config.accept_invalid_certs || config.cluster_url.scheme_str() == Some("http")) {
        config.root_cert = Some(vec![]);
    }
    config.disable_compression = server.disable_compression.unwrap_or(false);
    config.tls_server_name.clone_from(&server.tls_server_name);
    config.auth_info = auth_info;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(ANSWER);
    // An idle connection that is used again starts anew.
    config.reset_reader_on_write = true;
    // We try again ourselves, bound by the deadline.
    config.default_retry = false;
    Ok(config)
}

/// The certificate authorities that a kubeconfig names, DER. The data counts before the file.
fn authorities(server: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let pem = match (&server.certificate_authority_data, &server.certificate_authority) {
        (Some(data), _) if !data.is_empty() => base64::engine::general_purpose::STANDARD
            .decode(data.split_ascii_whitespace().collect::<String>())
            .map_err(|error| format!("the certificate authority is not base64: {error}"))?,
        (_, Some(file)) if !file.is_empty() => {
            std::fs::read(file).map_err(|error| format!("the certificate authority in {file} can't be read: {error}"))?
        }
        _ => return Ok(None),
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).map(|der| der.map(|der| der.to_vec())).collect();
    let certificates = certificates.map_err(|error| format!("the certificate authority is not in PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("the certificate authority has no block `BEGIN CERTIFICATE`; one in base64 has to be decoded first".to_owned());
    }
    Ok(Some(certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_authority_in_base64_or_not_in_pem_is_refused() {
        let encode = |text: &str| Some(base64::engine::general_purpose::STANDARD.encode(text));
        let server = Cluster { certificate_authority_data: encode("LS0tLS1CRUdJTi"), ..Cluster::default() };
        assert!(authorities(&server).unwrap_err().contains("has to be decoded first"));
        assert_eq!(authorities(&Cluster::default()).unwrap(), None);
    }

    #[test]
    fn a_proxy_that_can_not_be_used_is_named_without_its_password() {
        let server = Cluster {
            server: Some("https://eu.example".to_owned()),
            proxy_url: Some("ftp://me:s3cret@proxy".to_owned()),
            ..Cluster::default()
        };
        let error = client_config(&server, AuthInfo::default()).err().unwrap();
        assert!(error.contains("`ftp`") && !error.contains("s3cret"), "{error}");
    }

    /// In a process of its own, as it is about the environment: the variables name a store that isn't there.
    #[tokio::test]
    async fn without_a_store_of_authorities_only_verifying_by_it_fails() {
        const STORE: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
        if STORE.iter().any(|name| std::env::var_os(name).is_none_or(|path| path != "/nonexistent")) {
            let name = "adapters::client_config::tests::without_a_store_of_authorities_only_verifying_by_it_fails";
            let mut again = std::process::Command::new(std::env::current_exe().unwrap());
            let output = again.args(["--exact", name]).envs(STORE.map(|name| (name, "/nonexistent"))).output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
            return;
        }
        let client = |address: &str, insecure: bool| {
            let server = Cluster { server: Some(address.to_owned()), insecure_skip_tls_verify: Some(insecure), ..Cluster::default() };
            kube::Client::try_from(client_config(&server, AuthInfo::default()).unwrap())
        };
        let error = client("https://eu.example", false).err().unwrap();
        assert!(error.to_string().contains("No CA certificates were loaded"), "{error}");
        client("https://eu.example", true).unwrap();
        client("http://eu.example", false).unwrap();
    }
}
