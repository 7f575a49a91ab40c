//! The API servers as the kubeconfigs of the configured clusters have them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::config::Cluster;

use super::Kubernetes;
use crate::ports::{ApiServer, ApiServers, Failure, FailureKind};

impl ApiServers for Kubernetes {
    fn api_server(&self, cluster: &str) -> Result<ApiServer, Failure> {
        let kubeconfig = self.kubeconfig(cluster)?;
        let server = kubeconfig.clusters.iter().find_map(|named| named.cluster.as_ref());
        server.map_or_else(|| Err("it names no API server".to_owned()), read).map_err(|problem| {
            let title = format!("Can't connect to cluster \"{cluster}\"");
            Failure::new(FailureKind::Unconfigured, title, format!("The access in the provider's configuration can't be used: {problem}."))
        })
    }
}

fn read(server: &Cluster) -> Result<ApiServer, String> {
    let ca_certificate = match (&server.certificate_authority_data, &server.certificate_authority) {
        (Some(data), _) if !data.is_empty() => {
            let pem = STANDARD.decode(data.split_ascii_whitespace().collect::<String>());
            let pem = pem.ok().and_then(|pem| String::from_utf8(pem).ok());
            Some(pem.ok_or("the certificate authority is not PEM in base64")?)
        }
        (_, Some(file)) if !file.is_empty() => {
            let pem = std::fs::read_to_string(file);
            Some(pem.map_err(|error| format!("the certificate authority in {file} can't be read: {error}"))?)
        }
        _ => None,
    };
    Ok(ApiServer {
        url: server.server.clone().unwrap_or_default(),
        ca_certificate,
        tls_server_name: server.tls_server_name.clone(),
        is_insecure: server.insecure_skip_tls_verify.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_read_from_data_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt").display().to_string();
        std::fs::write(&file, "from the file").unwrap();
        let mut server = Cluster { server: Some("https://eu:6443".to_owned()), certificate_authority: Some(file), ..Cluster::default() };
        assert_eq!(read(&server).unwrap().ca_certificate.as_deref(), Some("from the file"));
        server.certificate_authority_data = Some(STANDARD.encode("from the data"));
        let read_of = read(&server).unwrap();
        assert_eq!((read_of.ca_certificate.as_deref(), read_of.url.as_str()), (Some("from the data"), "https://eu:6443"));
        server.certificate_authority_data = Some("!".to_owned());
        assert!(read(&server).unwrap_err().contains("not PEM in base64"));
    }
}
