//! Credentials that the configuration sets, as a kubeconfig's user.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};

use super::{absolute, encode};
use crate::data::Secret;

/// Credentials for an API server.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A bearer token.
    Token(Secret),
    /// A file with a bearer token, which somebody renews.
    TokenFile(PathBuf),
    /// A client certificate and its key, PEM.
    ClientCertificate {
        /// The certificate.
        certificate: String,
        /// The key.
        key: Secret,
    },
    /// A user name and its password, for HTTP basic authentication.
    Password {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A program that prints credentials.
    Exec(ExecPlugin),
}

/// A program that prints credentials, as in a kubeconfig.
#[derive(Clone, Debug)]
pub struct ExecPlugin {
    /// Version of the protocol that it speaks.
    pub api_version: String,
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables for it.
    pub env: BTreeMap<String, Secret>,
    /// What to show where the program isn't installed.
    pub install_hint: Option<String>,
    /// Whether it receives the cluster's address and certificate authority.
    pub provide_cluster_info: bool,
}

impl Credentials {
    pub(super) fn auth_info(&self) -> AuthInfo {
        match self {
            Self::Token(token) => AuthInfo { token: Some(token.reveal().to_owned().into()), ..AuthInfo::default() },
            Self::TokenFile(path) => AuthInfo { token_file: Some(absolute(path).display().to_string()), ..AuthInfo::default() },
            Self::ClientCertificate { certificate, key } => AuthInfo {
                client_certificate_data: Some(encode(certificate)),
                client_key_data: Some(encode(key.reveal()).into()),
                ..AuthInfo::default()
            },
            Self::Password { username, password } => {
                AuthInfo { username: Some(username.clone()), password: Some(password.reveal().to_owned().into()), ..AuthInfo::default() }
            }
            Self::Exec(plugin) => AuthInfo {
                exec: Some(ExecConfig {
                    api_version: Some(plugin.api_version.clone()),
                    command: Some(plugin.command.clone()),
                    args: Some(plugin.args.clone()),
                    env: Some(plugin.env.iter().map(|(name, value)| variable(name, value.reveal())).collect()),
                    drop_env: None,
                    install_hint: plugin.install_hint.clone(),
                    interactive_mode: Some(ExecInteractiveMode::Never),
                    provide_cluster_info: plugin.provide_cluster_info,
                    cluster: None,
                    other: BTreeMap::new(),
                }),
                ..AuthInfo::default()
            },
        }
    }
}

fn variable(name: &str, value: &str) -> HashMap<String, String> {
    HashMap::from([("name".to_owned(), name.to_owned()), ("value".to_owned(), value.to_owned())])
}
