//! The function `vip`: a stable virtual address for a host, different from that of every other host.

use std::collections::BTreeSet;

use super::argument;
use crate::mesh::{Host, Vip};
use framework::{ArgumentError, Datum, Dynamic, Field, Function, Parameter, Set, Type, Value};

/// `provider::mesh::vip(host, hosts)`
pub(super) struct StableVip;

impl Function for StableVip {
    fn name(&self) -> &'static str {
        "vip"
    }
    fn summary(&self) -> &'static str {
        "A stable virtual address for a host"
    }
    fn description(&self) -> &'static str {
        "Returns an address of 240.241.0.0/16 for a host, for the `vip` of a `mesh_service_export`. It is derived from the host's name, so it is the \
         same in every plan and cluster. `hosts` lists all hosts that need an address, so that no two of them get the same.\n\n\
         An export without `vip` has a computed address anyway, in a range so large that the function is rarely needed. A host that is added to \
         `hosts` may take the address of another one that comes later in the alphabet, if both have the same hash: the later one then moves, \
         and clients that have cached its name keep the old address for a while."
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter { name: "host", description: "The host, for example `echo.eu.mesh.local`.", ty: String::field_type() },
            Parameter {
                name: "hosts",
                description: "All hosts whose addresses must differ, with or without `host` itself.",
                ty: Set::<String>::field_type(),
            },
        ]
    }
    fn returns(&self) -> Type {
        String::field_type()
    }
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError> {
        let host = Host::parse(&argument::<String>(arguments, 0)?).map_err(ArgumentError::at(0))?;
        let others = argument::<Set<String>>(arguments, 1)?;
        let mut hosts = others
            .iter()
            .filter_map(Value::as_ref_option)
            .map(|text| Host::parse(text))
            .collect::<Result<BTreeSet<_>, _>>()
            .map_err(ArgumentError::at(1))?;
        hosts.insert(host.clone());
        // In the order of names, so that the result doesn't depend on the order of `hosts`.
        let mut taken = BTreeSet::new();
        for each in hosts {
            let vip = Vip::stable(&each, &taken).ok_or_else(|| {
                let problem = "There are more hosts than addresses in 240.241.0.0/16. Set the `vip` of some of them to another address.";
                ArgumentError::at(1)(problem.to_owned())
            })?;
            if each == host {
                return Ok(vip.to_string().into());
            }
            taken.insert(vip);
        }
        Err(ArgumentError::whole("The host has no address."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(host: &str, hosts: &[&str]) -> String {
        let hosts = Datum::List(hosts.iter().map(|host| Value::Value((*host).into())).collect());
        match StableVip.call(&[Value::Value(host.into()), Value::Value(hosts)]) {
            Ok(Datum::String(address)) => address,
            other => panic!("no address: {other:?}"),
        }
    }

    #[test]
    fn an_address_is_stable_and_unique() {
        assert!(call("echo.eu.mesh.local", &[]).starts_with("240.241."));
        assert_eq!(call("echo.eu.mesh.local", &[]), call("echo.eu.mesh.local", &["a.b", "echo.eu.mesh.local"]));
        let hosts: Vec<_> = (0..300).map(|number| format!("h{number}.mesh.local")).collect();
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        let addresses: BTreeSet<_> = hosts.iter().map(|host| call(host, &hosts)).collect();
        assert_eq!(addresses.len(), hosts.len());
    }
}
