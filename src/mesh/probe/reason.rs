//! Why a call failed: what the caller sees of it, told apart by curl's code and by the words of Envoy.

use super::{
    call::Reply,
    target::{Scheme, Target},
};

/// The result of a call, as far as the caller can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The application answered, with a status below 400; in TCP, the connection stayed open or something came.
    Ok,
    /// The application answered with a status of 400 or more.
    Application,
    /// A policy refused the caller.
    Denied,
    /// The name doesn't resolve.
    Dns,
    /// A proxy has no route for the host.
    NoRoute,
    /// No healthy endpoint is behind the host.
    NoEndpoint,
    /// No connection to an endpoint could be made.
    Unreachable,
    /// TLS failed.
    Tls,
    /// The connection was closed before an answer.
    Reset,
    /// Nothing listens at the address.
    NoListener,
    /// No answer came in time.
    Timeout,
    /// A proxy answered with another error.
    Proxy,
    /// Something else.
    Other,
    /// The call couldn't be made.
    NotTried,
    /// `enabled` is false.
    Disabled,
}

impl Reason {
    /// Its name in HCL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Application => "application",
            Self::Denied => "denied",
            Self::Dns => "dns",
            Self::NoRoute => "no_route",
            Self::NoEndpoint => "no_endpoint",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::NoListener => "no_listener",
            Self::Timeout => "timeout",
            Self::Proxy => "proxy",
            Self::Other => "other",
            Self::NotTried => "not_tried",
            Self::Disabled => "disabled",
        }
    }

    /// Why a call fails so, and what to do, for want of a better explanation.
    pub(super) const fn usual(self) -> (&'static str, &'static str) {
        match self {
            Self::Ok | Self::Disabled => ("", ""),
            Self::Application => {
                ("The application itself answered so: the way to it is open.", "Look at the application's logs, or call another path.")
            }
            Self::Denied => (
                "An AuthorizationPolicy at the host's pods, or at a proxy on the way, doesn't allow the caller.",
                "Add the caller to `callers` of the mesh_service_export, or correct the AuthorizationPolicies of the pods' namespace.",
            ),
            Self::Dns => (
                "Neither Kubernetes nor the sidecar knows the name: no ServiceEntry of the caller's cluster has it, or the sidecar resolves no names.",
                "Export the host to the caller's cluster, and set ISTIO_META_DNS_CAPTURE in its mesh, as mesh_cluster does unless told otherwise.",
            ),
            Self::NoRoute => (
                "The caller's sidecar knows the address, and no route for the host on this port.",
                "Check the port, and VirtualServices and Sidecar objects that the caller's namespace sees.",
            ),
            Self::NoEndpoint => (
                "All endpoints of the host are gone, or ejected because calls to them failed.",
                "Check that the host's pods are ready, and that the import has an endpoint.",
            ),
            Self::Unreachable => (
                "A proxy could make no connection to an endpoint: nothing answers at its address, the gateway closes connections to this host, or the \
                 certificate isn't one that the caller accepts.",
                "Check with mesh_status that the exporter's gateway is ready and open for the host, that the host has pods, and that the roots are the \
                 same.",
            ),
            Self::Tls => (
                "The two sides don't trust each other's certificates, or one of them doesn't speak TLS.",
                "Compare the roots of the clusters and the host's identities; a port that is called with https must speak TLS itself.",
            ),
            Self::Reset => (
                "The connection was closed before an answer: the other side expects mutual TLS and gets none or the other way round, or nothing is \
                 behind the gateway.",
                "Check that the DestinationRule of the host has the TLS mode ISTIO_MUTUAL, and that its pods have a sidecar.",
            ),
            Self::NoListener => ("The address is right, and nothing listens on the port.", "Check the port."),
            Self::Timeout => (
                "The application is slower than `timeout_seconds`, or packets to the address are lost: a firewall, or a port that the host doesn't have.",
                "Check the port, then raise `timeout_seconds`.",
            ),
            Self::Proxy | Self::Other => ("The words of the answer are all that is known.", "Look at the logs of the caller's sidecar."),
            Self::NotTried => ("Without a pod to call from, nothing is known of the host.", "Mend this first."),
        }
    }

    /// Who answered: the application, or a proxy in its place.
    pub const fn answered_by(self) -> Option<&'static str> {
        match self {
            Self::Ok | Self::Application => Some("application"),
            Self::Denied | Self::NoRoute | Self::NoEndpoint | Self::Unreachable | Self::Proxy => Some("proxy"),
            _ => None,
        }
    }
}

/// The words with which Envoy's own answers begin. Source: Envoy, `source/common/router/router.cc` and `source/common/http/codes.h`.
const RESET: &str = "upstream connect error or disconnect/reset before headers";
const NO_ENDPOINT: &str = "no healthy upstream";
const TIMEOUT: &str = "upstream request timeout";
const DENIED: &str = "RBAC: access denied";

/// Tells what came of a call.
pub(super) fn of(target: &Target, reply: &Reply) -> Reason {
    match reply.status {
        Some(status) => of_answer(status, reply),
        None if target.scheme == Scheme::Tcp => of_connection(reply),
        None => of_failure(reply),
    }
}

fn of_answer(status: u16, reply: &Reply) -> Reason {
    let body = reply.body.trim_start();
    let is_of_envoy = reply.header("server").is_some_and(|server| server.contains("envoy"));
    // Envoy writes this header into every answer that came from behind it.
    let came_through = reply.header("x-envoy-upstream-service-time").is_some();
    match status {
        ..400 => Reason::Ok,
        403 if body.starts_with(DENIED) => Reason::Denied,
        503 if body.starts_with(NO_ENDPOINT) => Reason::NoEndpoint,
        504 if body.starts_with(TIMEOUT) => Reason::Timeout,
        502..=504 if body.starts_with(RESET) => of_reset(body),
        404 | 502 if is_of_envoy && !came_through && body.is_empty() => Reason::NoRoute,
        400.. if is_of_envoy && !came_through => Reason::Proxy,
        _ => Reason::Application,
    }
}

/// Tells why an upstream's connection failed.
fn of_reset(body: &str) -> Reason {
    let says = |words: &[&str]| words.iter().any(|word| body.contains(word));
    if says(&["TLS_error", "CERTIFICATE_VERIFY_FAILED", "SSL routines"]) {
        Reason::Tls
    } else if says(&["connection timeout"]) {
        Reason::Timeout
    } else if says(&["connection failure", "Connection refused", "No route to host", "Network is unreachable"]) {
        Reason::Unreachable
    } else {
        Reason::Reset
    }
}

fn of_connection(reply: &Reply) -> Reason {
    match reply.code {
        _ if !reply.body.is_empty() => Reason::Ok,
        // It was open until curl gave up.
        Some(28) if !is_early(&reply.complaint) => Reason::Ok,
        // The sidecar takes every connection, and closes those that it can't pass on.
        Some(0) => Reason::Reset,
        _ => of_failure(reply),
    }
}

/// Whether the time was over before there was a connection.
fn is_early(complaint: &str) -> bool {
    ["Resolving timed out", "Connection timed out", "Connection timeout", "Failed to connect"].iter().any(|words| complaint.contains(words))
}

/// Tells why there was no answer, by curl's code (curl(1), EXIT CODES), or by wget's words.
fn of_failure(reply: &Reply) -> Reason {
    let says = |words: &[&str]| words.iter().any(|word| reply.complaint.contains(word));
    let is_of_wget = reply.complaint.contains("wget:") || !reply.complaint.contains("curl:");
    match reply.code {
        Some(6) if !is_of_wget => Reason::Dns,
        Some(28) if says(&["Resolving timed out"]) => Reason::Dns,
        Some(28 | 124 | 143) => Reason::Timeout,
        Some(7) if !is_of_wget && says(&["timed out"]) => Reason::Timeout,
        Some(7) if !is_of_wget => Reason::NoListener,
        Some(35 | 51 | 53 | 54 | 58 | 59 | 60 | 77 | 83 | 91) => Reason::Tls,
        Some(52 | 55 | 56) => Reason::Reset,
        _ if says(&["bad address", "unable to resolve", "Name or service not known"]) => Reason::Dns,
        _ if says(&["Connection refused"]) => Reason::NoListener,
        _ if says(&["timed out"]) => Reason::Timeout,
        _ if says(&["reset by peer", "error getting response", "No data received"]) => Reason::Reset,
        _ if says(&["SSL", "TLS", "certificate"]) => Reason::Tls,
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        data::{CommandEnd, Printed},
        mesh::probe::call::Client,
    };

    fn reason(client: Client, url: &str, output: &str, errors: &str, code: i32) -> Reason {
        let target = Target::parse(url).unwrap();
        let printed = Printed { output: output.into(), errors: errors.into(), end: CommandEnd::Exited(code) };
        of(&target, &Reply::of(client, &target, &printed))
    }

    const HTTP: &str = "http://echo.eu.mesh.local/";

    #[test]
    fn answers_are_told_apart_by_who_gave_them() {
        let through = "x-envoy-upstream-service-time: 4\r\nserver: envoy";
        let own = "content-type: text/plain\r\nserver: envoy";
        // Bodies as the lab's sidecars (Envoy 1.40) and those of Istio's own builds give them.
        for (status, headers, body, expected) in [
            ("200 OK", through, "Cluster=eu", Reason::Ok),
            ("301 Moved", "server: nginx", "", Reason::Ok),
            ("404 Not Found", through, "", Reason::Application),
            ("503 Service Unavailable", through, "ServiceVersion=", Reason::Application),
            ("503 Service Unavailable", "server: nginx", "", Reason::Application),
            ("404 Not Found", own, "", Reason::NoRoute),
            ("502 Bad Gateway", own, "", Reason::NoRoute),
            ("403 Forbidden", through, "RBAC: access denied", Reason::Denied),
            ("403 Forbidden", through, "no", Reason::Application),
            ("503 Service Unavailable", own, "no healthy upstream", Reason::NoEndpoint),
            ("504 Gateway Timeout", own, "upstream request timeout", Reason::Timeout),
            (
                "503 Service Unavailable",
                own,
                "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure",
                Reason::Unreachable,
            ),
            (
                "503 Service Unavailable",
                own,
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                Reason::Reset,
            ),
            (
                "503 Service Unavailable",
                own,
                "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: \
                 TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify SAN list:TLS_error_end",
                Reason::Tls,
            ),
            (
                "503 Service Unavailable",
                own,
                "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
                Reason::Timeout,
            ),
            ("426 Upgrade Required", own, "", Reason::Proxy),
        ] {
            let output = format!("HTTP/1.1 {status}\r\n{headers}\r\n\r\n{body}");
            assert_eq!(reason(Client::Curl, HTTP, &output, "\nmesh-probe 0.01\n", 0), expected, "{output}");
        }
    }

    #[test]
    fn failures_are_told_apart_by_the_code_and_words_of_the_client() {
        for (client, errors, code, expected) in [
            (Client::Curl, "curl: (6) Could not resolve host: echo.eu.mesh.local", 6, Reason::Dns),
            (Client::Curl, "curl: (28) Resolving timed out after 5000 milliseconds", 28, Reason::Dns),
            (Client::Curl, "curl: (28) Operation timed out after 5001 milliseconds with 0 bytes received", 28, Reason::Timeout),
            (Client::Curl, "curl: (7) Failed to connect to a port 80: Connection refused", 7, Reason::NoListener),
            (Client::Curl, "curl: (56) Recv failure: Connection reset by peer", 56, Reason::Reset),
            (Client::Curl, "curl: (35) error:0A00010B:SSL routines::wrong version number", 35, Reason::Tls),
            (Client::Curl, "curl: (1) Received HTTP/0.9 when not allowed", 1, Reason::Other),
            (Client::Wget, "wget: bad address 'echo.eu.mesh.local'", 1, Reason::Dns),
            (Client::Wget, "wget: can't connect to remote host (240.0.0.2): Connection refused", 1, Reason::NoListener),
            (Client::Wget, "wget: download timed out", 1, Reason::Timeout),
            (Client::Wget, "", 143, Reason::Timeout),
            (Client::Wget, "wget: error getting response", 1, Reason::Reset),
        ] {
            assert_eq!(reason(client, HTTP, "", errors, code), expected, "{errors}");
        }
    }

    #[test]
    fn a_connection_is_made_if_it_stays_open_or_brings_something() {
        const TCP: &str = "tcp://echo.eu.mesh.local:9090";
        assert_eq!(reason(Client::Curl, TCP, "", "curl: (28) Time-out\n\nmesh-probe 2.006857\n", 28), Reason::Ok);
        assert_eq!(reason(Client::Curl, TCP, "220 mail ESMTP\r\n", "", 0), Reason::Ok);
        assert_eq!(reason(Client::Curl, TCP, "", "\nmesh-probe 0.003045\n", 0), Reason::Reset);
        assert_eq!(reason(Client::Curl, TCP, "", "curl: (28) Connection timed out after 2001 milliseconds", 28), Reason::Timeout);
        assert_eq!(reason(Client::Curl, TCP, "", "curl: (6) Could not resolve host: a", 6), Reason::Dns);
        assert_eq!(
            Client::Curl.arguments(&Target::parse(TCP).unwrap(), Duration::ZERO).last().unwrap(),
            "telnet://echo.eu.mesh.local:9090"
        );
    }
}
