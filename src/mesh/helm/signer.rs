//! Control planes whose istiod signs no certificates, because something else does, such as cert-manager by istio-csr.
//!
//! Source: Istio, `pilot/pkg/bootstrap/server.go` and `ENABLE_CA_SERVER` in `pilot/pkg/features/pilot.go`.

use serde_json::Value as Json;

use super::{
    lint::{Effect, Lint},
    values,
};

/// Where the chart takes istiod's variable; `pilot.env` wins.
const SWITCHES: [&[&str]; 2] = [&["pilot", "env", "ENABLE_CA_SERVER"], &["env", "ENABLE_CA_SERVER"]];

/// Returns the key of the value by which istiod signs no certificates.
pub(super) fn switched_off(own: &Json) -> Option<String> {
    let paths = SWITCHES.map(|path| path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
    let (path, value) = paths.iter().find_map(|path| Some((path, values::at(own, path)?)))?;
    let is_off =
        value.as_bool() == Some(false) || value.as_str().is_some_and(|text| matches!(text, "false" | "0" | "f" | "F" | "False" | "FALSE"));
    is_off.then(|| values::key(path))
}

/// Returns why that can't be together with `ca`.
pub(super) fn refusal(own: &Json) -> Option<Lint> {
    Some(Lint {
        key: switched_off(own)?,
        effect: Effect::Unsupported,
        message: "With it istiod signs no certificates and serves no root, so it would never use the CA that `ca` refers to. Remove `ca` if something \
                  else signs, such as cert-manager by istio-csr; the clusters of the mesh then need a root in common there. Otherwise remove the key."
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_istiod_that_signs_nothing_is_known_by_its_variable() {
        let key = |own: Json| switched_off(&own);
        assert_eq!(key(json!({"pilot": {"env": {"ENABLE_CA_SERVER": "false"}}})).as_deref(), Some("pilot.env.ENABLE_CA_SERVER"));
        assert_eq!(key(json!({"env": {"ENABLE_CA_SERVER": false}})).as_deref(), Some("env.ENABLE_CA_SERVER"));
        assert_eq!(key(json!({"env": {"ENABLE_CA_SERVER": false}, "pilot": {"env": {"ENABLE_CA_SERVER": true}}})), None, "`pilot` wins");
        assert_eq!(key(json!({"env": {"ENABLE_CA_SERVER": "true"}})), None);
        assert_eq!(key(json!({})), None);
        assert_eq!(
            refusal(&json!({"env": {"ENABLE_CA_SERVER": "false"}})).unwrap().title(),
            "Helm value env.ENABLE_CA_SERVER is not supported"
        );
    }
}
