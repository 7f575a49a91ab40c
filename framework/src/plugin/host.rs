//! What the host, Terraform or OpenTofu, passes by environment, and what the process prints to standard output.

use std::{ffi::OsString, ops::RangeInclusive, path::PathBuf, process::ExitCode};

use super::{Failure, listener::Address};

/// The variable and its value by which a host identifies itself.
const COOKIE: (&str, &str) = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// Version of go-plugin's own protocol, and of the provider's.
const VERSIONS: (u8, u8) = (1, 6);

/// How the process was started.
#[derive(Debug)]
pub struct Start {
    /// The host's certificate, PEM; absent in debug mode, and for hosts without mutual TLS.
    pub client_certificate: Option<String>,
    /// The folder in which the host wants the socket.
    pub socket_folder: Option<PathBuf>,
    /// The ports that may be listened on, where there are no Unix sockets.
    pub ports: Ports,
    /// The lowest level that is logged.
    pub log_level: tracing::level_filters::LevelFilter,
    /// Serve any client, and print how to connect.
    pub debug: bool,
}

/// The range of ports of `PLUGIN_MIN_PORT` and `PLUGIN_MAX_PORT`; any free port without them.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    min: Option<String>,
    max: Option<String>,
}

impl Ports {
    pub(super) fn new(min: Option<String>, max: Option<String>) -> Self {
        Self { min, max }
    }

    pub(super) fn range(&self) -> Result<RangeInclusive<u16>, Failure> {
        let port = |name: &str, value: &Option<String>| match value {
            None => Ok(0),
            Some(value) => value.parse::<u16>().map_err(|_| format!("{name} must be a port between 0 and 65535, got {value}")),
        };
        let (min, max) = (port("PLUGIN_MIN_PORT", &self.min)?, port("PLUGIN_MAX_PORT", &self.max)?);
        if min > max {
            return Err(format!("PLUGIN_MIN_PORT must not be greater than PLUGIN_MAX_PORT, got {min} and {max}").into());
        }
        Ok(min..=max)
    }
}

/// What is printed instead of serving.
#[derive(Debug, PartialEq, Eq)]
pub enum Text {
    /// `--version`
    Version,
    /// `--help`
    Help,
    /// The same, but as an error: without a host, or with an unknown argument.
    Usage,
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
            Some(argument) if argument == "--help" || argument == "-h" => return Err(Text::Help),
            Some(argument) if argument == "--debug" || argument == "-debug" => true,
            Some(_) => return Err(Text::Usage),
            None => false,
        };
        if !debug && variable(COOKIE.0).as_deref() != Some(COOKIE.1) {
            return Err(Text::Usage);
        }
        // The most specific first, as for providers in Go.
        let logs = [&format!("TF_LOG_PROVIDER_{}", name.to_ascii_uppercase().replace('-', "_")), "TF_LOG_PROVIDER", "TF_LOG"];
        Ok(Self {
            client_certificate: variable("PLUGIN_CLIENT_CERT").filter(|_| !debug),
            socket_folder: variable("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            ports: Ports::new(variable("PLUGIN_MIN_PORT"), variable("PLUGIN_MAX_PORT")),
            log_level: super::logging::level(logs.iter().find_map(|name| variable(name)).as_deref()),
            debug,
        })
    }
}

impl Text {
    /// Prints the text: as output where it was asked for, else as an error.
    pub(super) fn print(&self, name: &str, version: &str) -> ExitCode {
        let title = format!("terraform-provider-{name} {version}");
        let help = format!(
            "{title}\n\n\
             This program is a provider for Terraform and OpenTofu, which start it themselves. To use it, add it to the\n\
             `required_providers` of a configuration, and run `terraform init` or `tofu init`.\n\n\
             \x20 --version  print the version\n\
             \x20 --help     print this text\n\
             \x20 --debug    serve until interrupted, and print the value of TF_REATTACH_PROVIDERS that makes a CLI use this process.\n\
             \x20            All provider blocks share one configuration then: the last one."
        );
        match self {
            Self::Version => explain(true, &title),
            Self::Help => explain(true, &help),
            Self::Usage => explain(false, &help),
        }
    }
}

/// Prints a text for a person; apart from the handshake, the only thing that is printed.
#[allow(clippy::print_stdout, clippy::print_stderr)]
pub(super) fn explain(was_asked_for: bool, text: &str) -> ExitCode {
    if was_asked_for {
        println!("{text}");
        ExitCode::SUCCESS
    } else {
        eprintln!("{text}");
        ExitCode::FAILURE
    }
}

/// Returns the line by which the host finds the provider: versions, address, and our certificate.
pub(super) fn handshake(address: &Address, certificate: Option<&str>) -> String {
    let Address { network, address } = address;
    format!("{}|{}|{network}|{address}|grpc|{}", VERSIONS.0, VERSIONS.1, certificate.unwrap_or_default())
}

/// Returns the assignment, for a shell, of the variable by which a CLI uses a process that runs already.
pub(super) fn reattach(name: &str, address: &Address) -> String {
    let entry = serde_json::json!({
        "Protocol": "grpc", "ProtocolVersion": VERSIONS.1, "Pid": std::process::id(), "Test": true,
        "Addr": {"Network": address.network, "String": address.address},
    });
    let of = |host: &str| (format!("{host}/terraform-provider-{name}/{name}"), entry.clone());
    let providers: serde_json::Map<_, _> = [of("registry.terraform.io"), of("registry.opentofu.org")].into_iter().collect();
    format!("TF_REATTACH_PROVIDERS='{}'", serde_json::Value::Object(providers).to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn an_argument_that_is_not_utf8_is_an_unknown_one() {
        use std::os::unix::ffi::OsStringExt as _;

        let argument = OsString::from_vec(b"--\xff".to_vec());
        assert_eq!(Start::read("mesh", [argument].into_iter(), |_| None).err(), Some(Text::Usage));
    }

    #[test]
    fn help_is_no_error_if_it_is_asked_for() {
        assert_eq!(Start::read("mesh", ["--help".into()].into_iter(), |_| None).err(), Some(Text::Help));
        assert_eq!(Start::read("mesh", std::iter::empty(), |_| None).err(), Some(Text::Usage));
    }

    #[test]
    fn a_path_is_quoted_for_the_shell() {
        let line = reattach("mesh", &Address { network: "unix", address: "/tmp/it's/s".to_owned() });
        assert!(line.contains(r#""String":"/tmp/it'\''s/s""#), "{line}");
    }

    #[test]
    fn ports_are_checked() {
        let range =
            |min: &str, max: &str| Ports::new(Some(min.to_owned()), Some(max.to_owned())).range().map_err(|error| error.to_string());
        assert_eq!(range("10000", "25000"), Ok(10000..=25000));
        assert_eq!(Ports::default().range().ok(), Some(0..=0));
        assert!(range("2", "1").is_err_and(|error| error.contains("got 2 and 1")));
        assert!(range("x", "1").is_err_and(|error| error.contains("PLUGIN_MIN_PORT must be a port")));
    }
}
