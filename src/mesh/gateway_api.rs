//! The custom resource definitions of the Gateway API, as its releases publish them.

use serde_json::Value as Json;

use super::helm::values::parse_documents;
use crate::data::{Kind, ObjectRef};

/// The version that messages and docs name: the one that Istio 1.31 is built with.
pub const VERSION: &str = "v1.6.0";

/// The API group of the definitions.
const GROUP: &str = Kind::API_GATEWAY.group;

/// The definitions of a release.
pub struct Definitions {
    /// That of `Gateway`, of which links are. It is created last: where it is, the others are, too.
    pub of_links: Json,
    /// All others.
    pub others: Vec<Json>,
}

impl Definitions {
    /// Reads them from YAML documents, such as a release's `standard-install.yaml`. All that isn't a definition of the Gateway API is left out.
    ///
    /// # Errors
    /// What isn't YAML, or lacks the definitions that a link needs.
    pub fn parse(text: &str) -> Result<Self, String> {
        let documents = parse_documents(text).map_err(|malformed| format!("must be YAML: {}", malformed.message))?;
        let is_definition = |document: &Json| document["kind"] == Kind::CRD.kind && document["spec"]["group"] == GROUP;
        let mut others: Vec<_> = documents.into_iter().filter(is_definition).collect();
        let place = |definitions: &[Json], needed: &str| {
            let needed = reference(needed);
            let place = definitions.iter().position(|definition| definition["metadata"]["name"] == needed.name.as_str());
            place.ok_or_else(|| {
                format!("has no {needed}. Set it to the content of `standard-install.yaml` of a release of the Gateway API, for example {VERSION}.")
            })
        };
        // istiod makes the class of links, and takes up none without it.
        place(&others, "gatewayclasses")?;
        let of_links = others.remove(place(&others, Kind::API_GATEWAY.plural)?);
        Ok(Self { of_links, others })
    }
}

fn reference(plural: &str) -> ObjectRef {
    ObjectRef::cluster_wide(Kind::CRD, format!("{plural}.{GROUP}"))
}

/// Returns the reference of the definition of `Gateway`.
pub fn definition_of_links() -> ObjectRef {
    reference(Kind::API_GATEWAY.plural)
}

/// Returns whether the API server serves a definition's version `v1`, with which links are written.
pub fn serves_v1(definition: &Json) -> bool {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    versions.into_iter().any(|version| version["name"] == "v1" && version["served"] == true)
}

/// Returns whether the API server has taken a definition up.
pub fn is_established(definition: &Json) -> bool {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(plural: &str, group: &str) -> String {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {plural}.{group}}}\nspec: {{group: {group}}}\n"
        )
    }

    #[test]
    fn the_definitions_of_a_release_are_told_from_all_else_and_from_that_of_links() {
        let policy = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: safe-upgrades}\n";
        let texts = ["gateways", "httproutes", "gatewayclasses"].map(|plural| definition(plural, GROUP));
        let text = [texts.join("---\n"), policy.to_owned(), definition("others", "example.com")].join("---\n");
        let Definitions { of_links, others } = Definitions::parse(&format!("# A release\n---\n{text}")).expect("definitions");
        let names: Vec<_> =
            others.iter().chain([&of_links]).map(|definition| definition["metadata"]["name"].as_str().expect("a name")).collect();
        assert_eq!(names, ["httproutes", "gatewayclasses", "gateways"].map(|plural| format!("{plural}.{GROUP}")));
    }

    #[test]
    fn what_lacks_a_definition_is_refused() {
        for (text, problem) in [
            (String::new(), "has no CustomResourceDefinition gatewayclasses.gateway.networking.k8s.io"),
            (definition("gatewayclasses", GROUP), "has no CustomResourceDefinition gateways.gateway.networking.k8s.io"),
            ("a: [".to_owned(), "must be YAML"),
        ] {
            let refused = Definitions::parse(&text).err().expect("refused");
            assert!(refused.contains(problem), "{refused}");
        }
    }
}
