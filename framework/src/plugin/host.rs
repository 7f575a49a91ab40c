//! What the host, Terraform or OpenTofu, tells by environment, and what it is told on standard output.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// By this variable and value a host shows that it is one.
const COOKIE: (&str, &str) = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// Version of go-plugin's own protocol, and of the provider's.
const VERSIONS: (u8, u8) = (1, 6);

/// How the process was started.
#[derive(Debug)]
pub struct Start {
    /// The host's certificate, PEM; none in debug mode, and for hosts without mutual TLS.
    pub client_certificate: Option<String>,
    /// Where the host wants the socket.
    pub socket_folder: Option<PathBuf>,
    /// From where on to log.
    pub log_level: tracing::level_filters::LevelFilter,
    /// Serve whoever connects, and tell how.
    pub debug: bool,
}

/// What a person who starts the program is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Text {
    /// `--version`
    Version,
    /// `--help`, no argument, or one that is unknown.
    Help,
}

impl Start {
    /// Reads the arguments after the program's name, and the environment through `variable`, for the provider of this name. Pure, so that it
    /// can be fuzzed.
    pub fn read(
        name: &str,
        mut arguments: impl Iterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Text> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let debug = match arguments.next() {
            Some(argument) if argument == "--version" => return Err(Text::Version),
            Some(argument) if argument == "--debug" || argument == "-debug" => true,
            Some(_) => return Err(Text::Help),
            None => false,
        };
        if !debug && variable(COOKIE.0).as_deref() != Some(COOKIE.1) {
            return Err(Text::Help);
        }
        // The most specific first, as for providers in Go.
        let logs = [&format!("TF_LOG_PROVIDER_{}", name.to_ascii_uppercase().replace('-', "_")), "TF_LOG_PROVIDER", "TF_LOG"];
        Ok(Self {
            client_certificate: variable("PLUGIN_CLIENT_CERT").filter(|_| !debug),
            socket_folder: variable("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            log_level: super::logging::level(logs.iter().find_map(|name| variable(name)).as_deref()),
            debug,
        })
    }
}

impl Text {
    pub(super) fn render(self, name: &str, version: &str) -> (bool, String) {
        let program = format!("terraform-provider-{name}");
        match self {
            Self::Version => (true, format!("{program} {version}")),
            Self::Help => (
                false,
                format!(
                    "{program} {version}\n\n\
                     This program is a provider for Terraform and OpenTofu: they start it themselves. To use it, name it in a configuration's\n\
                     `required_providers`, and run `terraform init` or `tofu init`.\n\n\
                     \x20 --version  print the version\n\
                     \x20 --debug    serve until stopped, and print the TF_REATTACH_PROVIDERS with which a CLI uses this very process"
                ),
            ),
        }
    }
}

/// Tells a person; the only printing apart from the handshake.
#[allow(clippy::print_stdout, clippy::print_stderr)]
pub(super) fn explain((wanted, text): &(bool, String)) -> ExitCode {
    if *wanted {
        println!("{text}");
        ExitCode::SUCCESS
    } else {
        eprintln!("{text}");
        ExitCode::FAILURE
    }
}

/// The line by which the host finds us: versions, address, and our certificate.
pub(super) fn handshake(socket: &Path, certificate: Option<&str>) -> String {
    format!("{}|{}|unix|{}|grpc|{}", VERSIONS.0, VERSIONS.1, socket.display(), certificate.unwrap_or_default())
}

/// The variable by which a CLI uses a process that runs already.
pub(super) fn reattach(name: &str, socket: &Path) -> String {
    let entry = serde_json::json!({
        "Protocol": "grpc", "ProtocolVersion": VERSIONS.1, "Pid": std::process::id(), "Test": true,
        // A path that is no text isn't JSON either.
        "Addr": {"Network": "unix", "String": socket.to_string_lossy()},
    });
    let of = |host: &str| (format!("{host}/terraform-provider-{name}/{name}"), entry.clone());
    let providers: serde_json::Map<_, _> = [of("registry.terraform.io"), of("registry.opentofu.org")].into_iter().collect();
    format!("TF_REATTACH_PROVIDERS='{}'", serde_json::Value::Object(providers))
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    };

    use super::*;

    #[test]
    fn an_argument_that_is_no_text_is_an_unknown_one() {
        let argument = OsString::from_vec(b"--\xff".to_vec());
        assert_eq!(Start::read("mesh", [argument].into_iter(), |_| None).err(), Some(Text::Help));
    }

    #[test]
    fn a_socket_whose_path_is_no_text_is_told_all_the_same() {
        let told = reattach("mesh", Path::new(OsStr::from_bytes(b"/tmp/\xff/mesh.sock")));
        assert!(told.contains("/tmp/\u{fffd}/mesh.sock"), "{told}");
    }
}
