//! Certificates: one authority for each cluster's Kubernetes, and the shared root of a mesh that is set up manually.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate and its key, in PEM.
pub(crate) struct Credentials {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A root of trust.
pub(crate) struct Root(Authority);

impl Root {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let parameters = authority_parameters(name, 1)?;
        Ok(Self(Authority::self_signed(parameters, KeyPair::generate()?)?))
    }

    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str) -> Result<Credentials> {
        self.sign(authority_parameters(name, 0)?)
    }

    /// A certificate for a server and a client at once.
    pub(crate) fn issue(&self, name: &str, organization: Option<&str>, hosts: &[&str]) -> Result<Credentials> {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts)?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        if let Some(organization) = organization {
            parameters.distinguished_name.push(DnType::OrganizationName, organization);
        }
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(parameters)
    }

    fn sign(&self, mut parameters: CertificateParams) -> Result<Credentials> {
        parameters.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok(Credentials { certificate: parameters.signed_by(&key, &self.0)?.pem(), key: key.serialize_pem() })
    }
}

fn authority_parameters(name: &str, depth: u8) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::new(Vec::<String>::new())?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.distinguished_name.push(DnType::OrganizationName, "mesh-lab");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(depth));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    Ok(parameters)
}

/// The files of one cluster's Kubernetes: `ca`, `apiserver`, `admin`, `kubelet` (.crt and .key) and `sa` (.pub and .key).
#[derive(Debug, Clone)]
pub(crate) struct Pki {
    folder: PathBuf,
}

impl Pki {
    /// Makes all the files, unless they are there. The folder appears when it is complete.
    pub(crate) fn ensure(folder: &Path, node: &str, address: &str) -> Result<Self> {
        let pki = Self { folder: folder.to_owned() };
        if folder.is_dir() {
            return Ok(pki);
        }
        let draft = folder.with_extension("draft");
        let _ = fs::remove_dir_all(&draft);
        fs::create_dir_all(&draft)?;
        let save = |name: &str, credentials: &Credentials| -> Result<()> {
            fs::write(draft.join(format!("{name}.crt")), &credentials.certificate)?;
            Ok(fs::write(draft.join(format!("{name}.key")), &credentials.key)?)
        };
        let root = Root::new("kubernetes")?;
        save("ca", &Credentials { certificate: root.certificate(), key: root.0.key().serialize_pem() })?;
        let server_names = [
            address,
            "127.0.0.1",
            "10.96.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        save("apiserver", &root.issue("kube-apiserver", None, &server_names)?)?;
        save("admin", &root.issue("admin", Some("system:masters"), &[])?)?;
        let kubelet = format!("system:node:{node}");
        save("kubelet", &root.issue(&kubelet, Some("system:nodes"), &[address, node])?)?;
        let tokens = KeyPair::generate()?;
        fs::write(draft.join("sa.key"), tokens.serialize_pem())?;
        fs::write(draft.join("sa.pub"), tokens.public_key_pem())?;
        fs::rename(&draft, folder).context("cannot put the certificates in place")?;
        Ok(pki)
    }

    /// The path of one of the files.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// Reads one of the files.
    pub(crate) fn read(&self, name: &str) -> Result<String> {
        let file = self.folder.join(name);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }
}
