//! Fields of a chart's objects that others own, as `ignore_drift` lists them: `Deployment istio-system/istiod: spec.replicas`. A pattern is
//! written like the beginning of a line of `drift`.

use crate::data::{Kind, ObjectRef};

/// A field of objects, with all that is below it, or objects as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredField {
    kind: Kind,
    /// The object as drift names it, `NAMESPACE/NAME` or `NAME`; `*` stands for any characters.
    object: String,
    /// The field as drift names it; `None` for the object as a whole.
    field: Option<String>,
}

impl IgnoredField {
    /// Parses an element of `ignore_drift`.
    ///
    /// # Errors
    /// A sentence that describes the problem and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| {
            format!(
                "`{text}` is not a valid pattern: {problem}. Write it like the beginning of a line of `drift`, such as `Deployment \
                 istio-system/istiod: spec.replicas`."
            )
        };
        let (object, field) = match text.split_once(": ") {
            Some((object, field)) => (object, Some(field.trim())),
            None => (text, None),
        };
        if object.ends_with(':') || field.is_some_and(str::is_empty) {
            return Err(wrong("the field after the colon is empty; leave out the colon for the object as a whole"));
        }
        let Some((kind, object)) = object.trim().split_once(' ') else { return Err(wrong("it doesn't name an object after its kind")) };
        let kind = Kind::ALL
            .iter()
            .copied()
            .find(|known| known.kind == kind)
            .ok_or_else(|| wrong(&format!("the provider compares no objects of the kind `{kind}`")))?;
        if kind == Kind::PEER_AUTHENTICATION {
            return Err(wrong("the policy is the provider's own. To set it yourself, leave out `mtls_mode`"));
        }
        if object.contains(char::is_whitespace) {
            return Err(wrong("there is a space in the object's name"));
        }
        if kind.namespaced && !object.contains('/') && !object.contains('*') {
            return Err(wrong(&format!("a {} is in a namespace: `NAMESPACE/NAME`", kind.kind)));
        }
        Ok(Self { kind, object: object.to_owned(), field: field.map(str::to_owned) })
    }

    fn names(&self, object: &ObjectRef) -> bool {
        let name = object.namespace.as_ref().map_or_else(|| object.name.clone(), |namespace| format!("{namespace}/{}", object.name));
        self.kind == object.kind && matches(&self.object, &name)
    }

    /// Returns whether the field, or one that it is in, is the pattern's.
    fn covers(&self, field: &str) -> bool {
        let Some(pattern) = &self.field else { return true };
        let ends = field.match_indices(['.', '[']).map(|(end, _)| end).chain([field.len()]);
        ends.filter_map(|end| field.get(..end)).any(|outer| matches(pattern, outer))
    }
}

/// Returns whether differences of a field of an object are ignored.
pub fn is_ignored(ignored: &[IgnoredField], object: &ObjectRef, field: &str) -> bool {
    ignored.iter().any(|pattern| pattern.names(object) && pattern.covers(field))
}

/// Returns whether an object is ignored as a whole, so that it may be missing, too.
pub fn is_ignored_as_a_whole(ignored: &[IgnoredField], object: &ObjectRef) -> bool {
    ignored.iter().any(|pattern| pattern.field.is_none() && pattern.names(object))
}

/// Whether a text is as the pattern says, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter_map(|skipped| text.get(skipped..)).any(|text| matches(rest, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, object: &ObjectRef, field: &str) -> bool {
        is_ignored(&[IgnoredField::parse(pattern).unwrap()], object, field)
    }

    #[test]
    fn a_pattern_covers_a_field_and_all_below_it() {
        let istiod = ObjectRef::namespaced(Kind::DEPLOYMENT, "istio-system", "istiod");
        for (pattern, field, expected) in [
            ("Deployment istio-system/istiod: spec.replicas", "spec.replicas", true),
            ("Deployment istio-system/istiod: spec", "spec.replicas", true),
            ("Deployment istio-system/istiod: spec.rep", "spec.replicas", false),
            ("Deployment istio-system/istiod: spec.replicas", "spec", false),
            ("Deployment *: spec.template.spec.containers[*].image", "spec.template.spec.containers[discovery].image", true),
            ("Deployment *: spec.template.spec.containers[*].image", "spec.template.spec.containers[discovery].env[A].value", false),
            ("Deployment istio-system/*: *.resources", "spec.template.spec.containers[discovery].resources.limits.cpu", true),
            ("Deployment istio-system/istiod", "metadata.labels.team", true),
            ("Deployment other/istiod", "spec.replicas", false),
            ("ConfigMap istio-system/istiod: spec.replicas", "spec.replicas", false),
        ] {
            assert_eq!(covers(pattern, &istiod, field), expected, "{pattern} and {field}");
        }
        let injector = ObjectRef::cluster_wide(Kind::MUTATING_WEBHOOK, "istio-sidecar-injector");
        let field = "webhooks[rev.namespace.sidecar-injector.istio.io].namespaceSelector.matchExpressions";
        assert!(covers("MutatingWebhookConfiguration istio-sidecar-injector: webhooks[*].namespaceSelector", &injector, field));
    }

    #[test]
    fn only_a_pattern_without_a_field_lets_an_object_be_missing() {
        let scaler = ObjectRef::namespaced(Kind::AUTOSCALER, "istio-system", "istiod");
        let whole = |pattern: &str| is_ignored_as_a_whole(&[IgnoredField::parse(pattern).unwrap()], &scaler);
        assert!(whole("HorizontalPodAutoscaler istio-system/istiod"));
        assert!(!whole("HorizontalPodAutoscaler istio-system/istiod: spec"));
    }

    #[test]
    fn a_wrong_pattern_is_refused_with_what_to_write() {
        for (pattern, part) in [
            ("Deployment", "it doesn't name an object"),
            ("Deployments istio-system/istiod", "no objects of the kind `Deployments`"),
            ("Deployment istiod: spec", "`NAMESPACE/NAME`"),
            ("Deployment istio-system/istiod:", "after the colon"),
            ("Deployment istio-system/istiod: ", "after the colon"),
            ("Deployment istio-system/a b", "a space"),
            ("PeerAuthentication istio-system/default: spec", "leave out `mtls_mode`"),
        ] {
            let problem = IgnoredField::parse(pattern).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
