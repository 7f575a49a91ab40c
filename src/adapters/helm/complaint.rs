//! Explains Helm's error messages.

use crate::{
    adapters::missing,
    ports::{Failure, FailureKind},
};

/// What to do about a release that another Helm is at work on.
pub(super) const AT_WORK: &str = "Let it end, and apply again. A revision that a killed Helm left pending is taken over: of a run of this provider on this machine at \
     once, of one on another machine once its time is over, and of any other Helm after ten minutes.";

/// A sort of error message: its phrases, in lower case, and the explanation.
struct Sort {
    phrases: &'static [&'static str],
    kind: FailureKind,
    why: &'static str,
    advice: &'static str,
}

/// In order: what is near the cause comes before what may be wrapped around it.
const SORTS: &[Sort] = &[
    Sort {
        phrases: &["another operation (install/upgrade/rollback) is in progress"],
        kind: FailureKind::Conflict,
        why: "Another Helm is at work on this release, or one was killed while it was.",
        advice: AT_WORK,
    },
    Sort {
        phrases: &["post render", "post-render"],
        kind: FailureKind::Rejected,
        why: "The provider's `helm.post_renderer` failed, or wrote no manifests.",
        advice: "Run it manually with the output of `helm template` as its standard input.",
    },
    Sort {
        phrases: &["invalid ownership metadata"],
        kind: FailureKind::Conflict,
        why: "An object of the chart exists already, and belongs to no Helm release or to another one, as after `istioctl install`.",
        advice: "Remove the object, or make it part of the release: with `adopt = true` on the resource, with the provider's `helm.take_ownership = \
                 true`, or manually. Then set its \
                 label `app.kubernetes.io/managed-by` to `Helm`, and its annotations `meta.helm.sh/release-name` and `meta.helm.sh/release-namespace` as the message below says.",
    },
    Sort {
        phrases: &["no matches for kind", "ensure crds are installed"],
        kind: FailureKind::NotReady,
        why: "The cluster doesn't have the kind of an object of the chart.",
        advice: "Kinds of Istio come with its base chart: apply the `mesh_cluster` of this cluster first.",
    },
    Sort {
        phrases: &["failed calling webhook"],
        kind: FailureKind::NotReady,
        why: "An admission webhook that must check an object of the chart doesn't answer.",
        advice: "If it is istiod's: look at its pods; the webhook serves once they are ready.",
    },
    Sort {
        phrases: &["denied the request", "denied request:", "violates podsecurity", "exceeded quota"],
        kind: FailureKind::Rejected,
        why: "A policy of the cluster refused an object of the chart.",
        advice: "Change `values` so that the object complies, or the policy; the message below is the policy's.",
    },
    Sort {
        phrases: &["values don't meet the specifications of the schema"],
        kind: FailureKind::Rejected,
        why: "The chart refuses the values.",
        advice: "Correct `values`; the message names the key.",
    },
    Sort {
        phrases: &[
            "execution error at (",
            "parse error at (",
            "error calling include",
            "error converting yaml to json",
            "nil pointer evaluating",
        ],
        kind: FailureKind::Rejected,
        why: "The chart can't be rendered with the values.",
        advice: "Correct `values`; the message names the template.",
    },
    Sort {
        phrases: &["401 unauthorized", "403 forbidden", "status code 401", "status code 403", "authentication required", "denied: "],
        kind: FailureKind::Denied,
        why: "The chart repository refuses the provider's `helm.username` and `helm.password`, or none are set.",
        advice: "Set both to what the repository accepts.",
    },
    Sort {
        phrases: &["getting credentials", "the server has asked for the client to provide credentials", "you must be logged in"],
        kind: FailureKind::Denied,
        why: "The API server doesn't accept the credentials, or Helm can't obtain them.",
        advice: "Renew the credentials in the provider's configuration. For short-lived tokens, use `exec`.",
    },
    Sort {
        phrases: FORBIDDEN,
        kind: FailureKind::Denied,
        why: "The credentials don't allow an operation that the chart needs.",
        advice: "",
    },
    Sort {
        phrases: &["cluster unreachable"],
        kind: FailureKind::Unreachable,
        why: "Helm can't reach the API server.",
        advice: "Check the address in the provider's `clusters` and the network on the way.",
    },
    Sort {
        phrases: &["context deadline exceeded", "timed out waiting", "would exceed context deadline", "not ready. status:"],
        kind: FailureKind::TimedOut,
        why: "The objects that the chart installs did not become ready in time.",
        advice: "See what the pods report. If they only need longer, raise the operation's time in `timeouts`.",
    },
    Sort {
        phrases: &[
            "failed to fetch",
            "failed to download",
            "failed to pull",
            "could not download",
            "is not a valid chart repository",
            "chart.yaml file is missing",
            "manifest unknown",
            "failed to perform \"fetchreference\"",
            "failed to perform \"resolve\"",
            "no cached repo found",
            "unable to detect chart",
        ],
        kind: FailureKind::NotFound,
        why: "Helm can't get the chart.",
        advice: CHART,
    },
    Sort {
        phrases: &["connection refused", "no route to host", "i/o timeout", "no such host", "connection reset by peer"],
        kind: FailureKind::Unreachable,
        why: "Helm can't reach a server.",
        advice: "The message below names it: check its address in the provider's configuration and the network on the way.",
    },
    Sort {
        phrases: PASSING,
        kind: FailureKind::Unreachable,
        why: "A server answered that it can't serve now, or the connection to it ended.",
        advice: "The message below is Helm's own. Apply again once the server, and what is on the way to it, is well.",
    },
];

const CHART: &str = "Check the provider's `helm.repository` and the version: `helm.version`, or `istio_version` of the resource.";

/// An API server's words on what access control doesn't allow, in lower case.
const FORBIDDEN: &[&str] = &["is forbidden: "];

/// Helm's words on an API server that doesn't answer now and will later, in lower case.
const PASSING: &[&str] = &[
    "connection reset by peer",
    "connection refused",
    "broken pipe",
    ": eof",
    "unexpected eof",
    "http2: server sent goaway",
    "http2: client connection lost",
    "http2: client connection force closed",
    "server closed idle connection",
    "use of closed network connection",
    "i/o timeout",
    "tls handshake timeout",
    "no route to host",
    "etcdserver: ",
    "too many requests",
    "unable to handle the request",
    "the server is currently unable",
    "an error on the server (",
    "request did not complete within",
    "in the time allotted",
    "no endpoints available for service",
];

/// A policy's own words: a request that it has refused is refused again, whatever trouble there was besides.
const POLICIES: &[&str] = &["denied the request", "denied request:", "violates podsecurity", "exceeded quota", "is forbidden"];

/// Returns whether a failure, explained by [`complaint`], is an API server's passing trouble.
pub(super) fn is_passing(failure: &Failure) -> bool {
    let lower = failure.raw.as_deref().unwrap_or_default().to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    // The other kinds have a cause of their own: credentials, values, another release's object, time that is over.
    let is_unexplained = matches!(failure.kind, FailureKind::Unreachable | FailureKind::NotReady | FailureKind::Other);
    // Of Helm's versions that don't log the cause of a failed uninstall as this provider reads it.
    let is_without_cause = lower.strip_prefix("failed to delete release: ").is_some_and(|rest| !rest.contains(": "));
    is_unexplained && !has(POLICIES) && (has(PASSING) || is_without_cause)
}

/// Explains the text that Helm wrote to standard error.
pub(super) fn complaint(title: &str, errors: &str) -> Failure {
    let is_log = |line: &str| ["WARNING", "level=", "time="].iter().any(|prefix| line.starts_with(prefix)) || is_of_klog(line);
    let is_noise = |line: &&str| line.trim().is_empty() || is_log(line);
    let lines: Vec<_> = errors.lines().filter(|line| !is_noise(line)).collect();
    let text = lines.join("\n");
    let text = text.trim_start_matches("Error: ");
    let lower = text.to_lowercase();
    let sort = SORTS.iter().find(|sort| sort.phrases.iter().any(|phrase| lower.contains(phrase)));
    let failure = match sort {
        Some(sort) if sort.phrases == FORBIDDEN => Failure::new(sort.kind, title, sort.why).advice(missing::advice(text)),
        Some(sort) => Failure::new(sort.kind, title, sort.why).advice(sort.advice),
        None if is_of_chart(&lower) => Failure::new(FailureKind::NotFound, title, "Helm can't get the chart.").advice(CHART),
        None => Failure::new(FailureKind::Other, title, "Helm failed.").advice("The message below is Helm's own."),
    };
    failure.raw(text)
}

/// `E1128 02:33:51.545314   31910 memcache.go:381] "Couldn't get current server API group list" err="…"`, which the error itself repeats.
fn is_of_klog(line: &str) -> bool {
    let head = line.split(' ').next().unwrap_or_default();
    let is_dated = head.strip_prefix(['E', 'W', 'I']).is_some_and(|date| date.len() == 4 && date.bytes().all(|byte| byte.is_ascii_digit()));
    is_dated && line.contains(".go:")
}

/// `chart "istiod" version "9.9.9" not found in …`, `chart "istiod" matching 9.9.9 not found in … index`, `path "…" not found`.
fn is_of_chart(lower: &str) -> bool {
    lower.lines().any(|line| {
        line.ends_with("not found") && (line.contains("path \"") || line.starts_with("error: repo ") || line.starts_with("repo "))
            || line.contains("chart \"") && line.contains("not found")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_trouble_of_an_api_server_is_told_from_what_lasts() {
        for (errors, passes) in [
            ("Error: create: failed to create: Post \"https://eu/api/v1/namespaces/istio-system/secrets\": EOF", true),
            (
                "Error: kubernetes cluster unreachable: Get \"https://eu/version\": read tcp 10.0.0.1:5->10.0.0.2:443: read: connection reset by peer",
                true,
            ),
            ("Error: update: failed to update: etcdserver: request timed out", true),
            ("Error: UPGRADE FAILED: the server is currently unable to handle the request (patch services istiod)", true),
            ("Error: UPGRADE FAILED: http2: server sent GOAWAY and closed the connection; LastStreamID=11", true),
            (
                "Error: Internal error occurred: failed calling webhook \"namespace.sidecar-injector.istio.io\": Post \"https://istiod\": dial tcp 10.0.0.1:443: connect: connection refused",
                true,
            ),
            ("Error: failed to delete release: istiod", true),
            ("Error: failed to delete release: istiod: Delete \"https://eu/api/v1/services/istiod\": unexpected EOF", true),
            ("Error: failed to delete release: istiod: services \"istiod\" is forbidden: User \"ann\" cannot delete resource", false),
            (
                "Error: admission webhook \"a\" denied the request: no owner; failed calling webhook \"b\": connect: connection refused",
                false,
            ),
            (
                "Error: Kubernetes cluster unreachable: Get \"https://eu\": getting credentials: exec: Get \"https://sso\": connection refused",
                false,
            ),
            ("Error: UPGRADE FAILED: context deadline exceeded", false),
            ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", false),
            ("Error: execution error at (istiod/templates/zzz_profile.yaml:30:11): unexpected EOF", false),
            ("Error: services \"istiod\" is forbidden: User \"ann\" cannot patch resource \"services\"; too many requests", false),
            ("Error: something else", false),
        ] {
            assert_eq!(is_passing(&complaint("Can't", errors)), passes, "{errors}");
        }
        assert!(!is_passing(&Failure::new(FailureKind::Other, "Can't", "Helm can't be run.")));
    }

    #[test]
    fn error_messages_of_helm_are_recognized() {
        for (errors, kind, word) in [
            ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", FailureKind::Conflict, "Another Helm"),
            ("Error: chart \"istiod\" version \"9.9.9\" not found in https://x repository", FailureKind::NotFound, "chart"),
            (
                "Error: chart \"istiod\" matching 9.9.9 not found in mesh index. (try 'helm repo update'): no chart version found for istiod-9.9.9",
                FailureKind::NotFound,
                "chart",
            ),
            ("Error: path \"/charts/istiod\" not found", FailureKind::NotFound, "chart"),
            ("Error: repo mesh not found", FailureKind::NotFound, "chart"),
            (
                "Error: unable to detect chart at /x/Chart.yaml: open /x/Chart.yaml: no such file or directory",
                FailureKind::NotFound,
                "chart",
            ),
            (
                "Error: Get \"http://r/v2/x/istiod/tags/list\": dial tcp 127.0.0.1:1: connect: connection refused",
                FailureKind::Unreachable,
                "names it",
            ),
            (
                "Error: looks like \"https://x\" is not a valid chart repository or cannot be reached: Get \"https://x/index.yaml\": dial tcp: lookup x: no such host",
                FailureKind::NotFound,
                "chart",
            ),
            ("Error: failed to perform \"FetchReference\" on source: ghcr.io/x/istiod:9.9.9: not found", FailureKind::NotFound, "chart"),
            ("Error: failed to fetch https://x/index.yaml : 401 Unauthorized", FailureKind::Denied, "helm.username"),
            (
                "Error: GET \"https://x/v2/istiod/manifests/1\": response status code 401: unauthorized: authentication required",
                FailureKind::Denied,
                "helm.username",
            ),
            ("Error: UPGRADE FAILED: context deadline exceeded", FailureKind::TimedOut, "in time"),
            (
                "Error: UPGRADE FAILED: resource Deployment/istio-system/istiod not ready. status: InProgress, message: Available: 0/1\ncontext deadline exceeded",
                FailureKind::TimedOut,
                "in time",
            ),
            ("Error: UPGRADE FAILED: timed out waiting for the condition", FailureKind::TimedOut, "in time"),
            (
                "Error: kubernetes cluster unreachable: Get \"https://x\": dial tcp: connect: connection refused",
                FailureKind::Unreachable,
                "API server",
            ),
            (
                "Error: Kubernetes cluster unreachable: Get \"https://x\": getting credentials: exec: fork/exec /opt/aws: no such file or directory",
                FailureKind::Denied,
                "credentials",
            ),
            (
                "Error: unable to build kubernetes objects from release manifest: resource mapping not found for name: \"a\" namespace: \"b\" from \"\": no matches for kind \"Gateway\" in version \"networking.istio.io/v1\"\nensure CRDs are installed first",
                FailureKind::NotReady,
                "doesn't have the kind",
            ),
            (
                "Error: Unable to continue with install: ServiceAccount \"istiod\" in namespace \"istio-system\" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\"",
                FailureKind::Conflict,
                "istioctl install",
            ),
            (
                "Error: UPGRADE FAILED: failed to create resource: Internal error occurred: failed calling webhook \"validation.istio.io\": Post \"https://istiod\": context deadline exceeded",
                FailureKind::NotReady,
                "webhook",
            ),
            ("Error: admission webhook \"validate.kyverno.svc-fail\" denied the request: no latest tag", FailureKind::Rejected, "policy"),
            (
                "Error: values don't meet the specifications of the schema(s) in the following chart(s):\nistiod:\n- at '/x'",
                FailureKind::Rejected,
                "values",
            ),
            (
                "Error: execution error at (istiod/templates/zzz_profile.yaml:30:11): unknown profile nope",
                FailureKind::Rejected,
                "rendered",
            ),
            ("Error: UPGRADE FAILED: secrets is forbidden: User \"ann\" cannot list resource \"secrets\"", FailureKind::Denied, "Role"),
            (
                "Error: error while running post render on files: error while running command /opt/patch. error output:",
                FailureKind::Rejected,
                "helm.post_renderer",
            ),
            // The OpenAPI schema of the API server, not the chart's.
            ("Error: something about a schema that is not ready", FailureKind::Other, "Helm failed"),
            ("level=WARN msg=\"unable to find exact version\"\nError: something else", FailureKind::Other, "Helm failed"),
            (
                "E1128 02:33:51.545314   31910 memcache.go:381] \"Couldn't get current server API group list\" err=\"EOF\"\nError: something else",
                FailureKind::Other,
                "below is Helm's own.\n\nThe error: something else",
            ),
        ] {
            let failure = complaint("Can't", errors);
            assert_eq!(failure.kind, kind, "{errors}");
            assert!(failure.to_string().contains(word), "{errors}\n{failure}");
            let own = errors.lines().last().unwrap_or_default().trim_start_matches("Error: ");
            assert!(failure.detail().contains(own), "{failure}");
        }
    }
}
