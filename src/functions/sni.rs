//! The function `sni`: the server name by which an east-west gateway routes a connection.

use super::argument;
use crate::mesh::{Host, names::port};
use framework::{ArgumentError, Datum, Dynamic, Field, Function, Parameter, Type};

/// `provider::mesh::sni(port, host)`
pub(super) struct Sni;

impl Function for Sni {
    fn name(&self) -> &'static str {
        "sni"
    }
    fn summary(&self) -> &'static str {
        "The SNI of a host's port at an east-west gateway"
    }
    fn description(&self) -> &'static str {
        "Returns the server name that sidecars send to an east-west gateway for a port of a host, such as \
         `outbound_.80_._.echo.eu.mesh.local`: for a probe with `openssl s_client -servername`, or a firewall rule."
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter { name: "port", description: "The port that clients call: 1 to 65535.", ty: i64::field_type() },
            Parameter { name: "host", description: "The exported host, for example `echo.eu.mesh.local`.", ty: String::field_type() },
        ]
    }
    fn returns(&self) -> Type {
        String::field_type()
    }
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError> {
        let port = port::number(argument(arguments, 0)?).map_err(ArgumentError::at(0))?;
        let host = Host::parse(&argument::<String>(arguments, 1)?).map_err(ArgumentError::at(1))?;
        Ok(host.sni(port).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framework::Value;

    #[test]
    fn the_name_contains_port_and_host() {
        let call = |port: i64, host: &str| Sni.call(&[Value::Value(port.into()), Value::Value(host.into())]);
        assert_eq!(call(80, "echo.eu.mesh.local"), Ok("outbound_.80_._.echo.eu.mesh.local".into()));
        assert_eq!(call(0, "echo.eu.mesh.local").unwrap_err().argument, Some(0));
        assert_eq!(call(80, "*").unwrap_err().argument, Some(1));
    }
}
