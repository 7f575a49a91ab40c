//! The server name by which a gateway knows where a connection shall go.

use super::host::Host;

/// The SNI of a connection to a port of a host: `outbound_.80_._.echo.eu.mesh.local`. Between the underscores stands the subset: none.
///
/// Source: Istio, `pilot/pkg/model/service.go`, `BuildDNSSrvSubsetKey`.
pub fn sni(port: u16, host: &Host) -> String {
    format!("outbound_.{port}_._.{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_istios() {
        assert_eq!(sni(80, &Host::parse("echo.eu.mesh.local").unwrap()), "outbound_.80_._.echo.eu.mesh.local");
    }
}
