//! The function `load_balancer`: annotations for a cloud's load balancer.

use std::{collections::BTreeMap, sync::LazyLock};

use super::argument;
use crate::mesh::helm::load_balancer::{Refused, annotations, documentation};
use framework::{ArgumentError, Datum, Dynamic, Field, Function, Parameter, Type, Value};

/// `provider::mesh::load_balancer(cloud, options)`
pub(super) struct LoadBalancer;

static DESCRIPTION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "Returns the annotations by which a Service of type LoadBalancer gets the load balancer that a gateway needs on a cloud: one that passes TCP \
         on as it is. For `service_annotations` of a `mesh_eastwest_gateway`; `merge` adds others.\n\nThe options of each cloud, all of which can be \
         left out, and the annotations that they become:{}",
        documentation()
    )
});

impl Function for LoadBalancer {
    fn name(&self) -> &'static str {
        "load_balancer"
    }
    fn summary(&self) -> &'static str {
        "The annotations of a cloud's load balancer"
    }
    fn description(&self) -> &'static str {
        &DESCRIPTION
    }
    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter {
                name: "cloud",
                description: "`eks`, `gke`, `aks`, `digitalocean`, `hetzner` or `metallb`.",
                ty: String::field_type(),
            },
            Parameter {
                name: "options",
                description: "The cloud's options by name, for example `{ internal = true }`; `{}` for none. Values that are null are left out.",
                ty: BTreeMap::<String, Value<String>>::field_type(),
            },
        ]
    }
    fn returns(&self) -> Type {
        BTreeMap::<String, Value<String>>::field_type()
    }
    fn call(&self, arguments: &[Dynamic]) -> Result<Datum, ArgumentError> {
        let cloud: String = argument(arguments, 0)?;
        let options: BTreeMap<String, Value<String>> = argument(arguments, 1)?;
        let options = options.into_iter().filter_map(|(name, value)| value.as_ref_option().map(|value| (name, value.clone())));
        let found = annotations(&cloud, &options.collect()).map_err(|refused| match refused {
            Refused::Cloud(problem) => ArgumentError::at(0)(format!("The cloud {problem}")),
            Refused::Options(problem) => ArgumentError::at(1)(problem),
        })?;
        Ok(found.into_iter().map(|(key, value)| (key, Value::Value(value))).collect::<BTreeMap<_, _>>().encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(cloud: &str, options: &[(&str, Value<String>)]) -> Result<BTreeMap<String, Value<String>>, ArgumentError> {
        let options: BTreeMap<_, _> = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let found = LoadBalancer.call(&[Value::Value(cloud.into()), Value::Value(options.encode())])?;
        Ok(BTreeMap::decode(&found, &framework::AttributePath::root()).unwrap())
    }

    #[test]
    fn options_become_annotations() {
        let text = |text: &str| Value::Value(text.to_owned());
        let found = call("hetzner", &[("location", text("fsn1")), ("name", Value::Null)]).unwrap();
        assert_eq!(found, [("load-balancer.hetzner.cloud/location".to_owned(), text("fsn1"))].into());
        let refused = call("aws", &[]).unwrap_err();
        assert!(refused.argument == Some(0) && refused.problem.starts_with("The cloud must be \"eks\""), "{refused:?}");
        assert_eq!(call("eks", &[("zone", text("a"))]).unwrap_err().argument, Some(1));
    }
}
