//! The function `spiffe_id`: the SPIFFE identity of a workload.

use super::argument;
use crate::mesh::{Namespace, ServiceAccountName, TrustDomain, trust::spiffe_id};
use framework::{ArgumentError, Datum, Dynamic, Field, Function, Parameter, Type};

/// `provider::mesh::spiffe_id(trust_domain, namespace, service_account)`
pub(super) struct SpiffeId;

impl Function for SpiffeId {
    fn name(&self) -> &'static str {
        "spiffe_id"
    }
    fn summary(&self) -> &'static str {
        "The SPIFFE identity of a service account"
    }
    fn description(&self) -> &'static str {
        "Returns the identity of a service account's workloads in the mesh, such as `spiffe://corp.local/ns/echo/sa/echo`: for the \
         `principals` of an authorization policy (there without `spiffe://`), or for a test."
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter { name: "trust_domain", description: "The mesh's trust domain.", ty: String::field_type() },
            Parameter { name: "namespace", description: "The workload's namespace.", ty: String::field_type() },
            Parameter { name: "service_account", description: "The workload's service account.", ty: String::field_type() },
        ]
    }
    fn returns(&self) -> Type {
        String::field_type()
    }
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError> {
        let trust_domain = TrustDomain::parse(&argument::<String>(arguments, 0)?).map_err(ArgumentError::at(0))?;
        let namespace = Namespace::parse(&argument::<String>(arguments, 1)?).map_err(ArgumentError::at(1))?;
        let account = ServiceAccountName::parse(&argument::<String>(arguments, 2)?).map_err(ArgumentError::at(2))?;
        Ok(spiffe_id(&trust_domain, &namespace, &account).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framework::Value;

    #[test]
    fn the_identity_is_the_workloads() {
        let call = |texts: [&str; 3]| SpiffeId.call(&texts.map(|text| Value::Value(text.into())));
        assert_eq!(call(["corp.local", "echo", "echo"]), Ok("spiffe://corp.local/ns/echo/sa/echo".into()));
        assert_eq!(call(["corp.local", "Echo", "echo"]).unwrap_err().argument, Some(1));
    }
}
