//! `mesh_probe`: calls of a host from a pod of a cluster, and why they fail.

mod call;
mod caller;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use crate::{
    mesh::{
        ClusterKey, Namespace, ServiceAccountName,
        names::{check_key, check_label_value},
        probe::{Attempt, Explanation, Reason, Target},
    },
    world::{World, reachable},
};
use caller::From;
use framework::{AttributePath, Cx, DataSource, Error, Observed, Parse, Value, computed, model, optional, required};

/// How many calls a read may make, and how long each and all of them may take, in seconds.
const MOST_CALLS: i64 = 20;
const LONGEST_CALL: i64 = 20;
const LONGEST: i64 = 60;

model! {
    /// Where the calls come from: a pod that exists, or one that is created for them.
    pub struct CallerModel {
        /// Namespace of the pod.
        namespace: String => required(),
        /// Labels of pods that exist, for example `{ app = "client" }`. Of those that are ready and have a sidecar the first, by name, makes the calls. It must
        /// have `curl` or `wget`. Either this or `image` is required.
        labels: BTreeMap<String, Value<String>> => optional(),
        /// The container that has `curl` or `wget`. Defaults to the pod's default container, or to its first one other than the sidecar. Only with `labels`.
        container: String => optional(),
        /// Image with `curl` or `wget`, and `sleep`, for example `docker.io/curlimages/curl:8.10.1`. A pod with a sidecar is created from it, makes the calls, and is deleted.
        /// If the run is killed, Kubernetes ends the pod after three minutes, and the next probe of the namespace deletes it.
        image: String => optional(),
        /// Service account of the pod that is created: its identity in the mesh. Defaults to `default`. Only with `image`.
        service_account: String => optional(),
    }
}

model! {
    /// The result of one call.
    pub struct CallModel {
        /// The result, see `reason` of the data source.
        reason: String => computed(),
        /// Status code of the answer; null without an answer in HTTP.
        status: i64 => computed(),
        /// Beginning of the body, 1024 characters at most; of TCP, of what the server said first.
        body: String => computed(),
        /// Duration of the call in milliseconds; null if the client doesn't measure it.
        latency_ms: i64 => computed(),
        /// What was seen.
        seen: String => computed(),
        /// Istio's name for the cluster that answered, see `answering_cluster` of the data source.
        answering_cluster: String => computed(),
        /// Identity that answered, see `answering_identity` of the data source.
        answering_identity: String => computed(),
    }
}

model! {
    /// Calls of a host from a pod of a cluster: whether they succeed, and if not, why. For `check` blocks and postconditions.
    ///
    /// The calls are made when the data source is read, which is at each plan: with `enabled` they can be left out. They come from a pod with a sidecar, so they go the way of any
    /// other call of the mesh. A host that doesn't answer is a result and not an error of the data source, and so is a cluster or a pod that can't be
    /// reached. The calls of a read take a minute at most.
    ///
    /// The body of the answer is stored in the state and shown in plans. Don't call what answers with a secret.
    ///
    /// A failed call is explained by what the clusters hold, as `mesh_status` reads it. That needs the permissions of `mesh_status`; without them
    /// the explanation is what the caller's side shows.
    pub struct ProbeModel {
        /// Key of the caller's cluster in the provider's `clusters`, for example `us`.
        cluster: String => required(),
        /// What is called: `http://HOST[:PORT][/PATH]`, `https://HOST[:PORT][/PATH]` (TLS of the caller's own), or `tcp://HOST:PORT`: a connection that stays open for two
        /// seconds, or on which the server says something. For example `http://echo.eu.mesh.local/`.
        url: String => required(),
        /// The pod that makes the calls.
        from: CallerModel => required(),
        /// Whether to make the calls. Defaults to true: to declare the data source is to ask for them, in each plan. `enabled = var.probe` makes them
        /// only when asked for. False contacts nothing; `reason` is `disabled` then.
        enabled: bool => optional(),
        /// Number of calls, one after the other, each on a new connection: 1 to 20. Defaults to 1.
        requests: i64 => optional(),
        /// How long one call may take, in seconds: 1 to 20. Defaults to 5. Together the calls may take 60 seconds.
        timeout_seconds: i64 => optional(),
        /// Whether all calls succeeded: each was answered with a status below 400; in TCP, each connection stayed open or brought something. False if `enabled` is false.
        ok: bool => computed(),
        /// Result of the first call that failed, or of the first call: `ok`; `application`: the application answered with 400 or more; `denied`: a policy refused the caller; `dns`: the
        /// name doesn't resolve; `no_route`; `no_endpoint`; `unreachable`: no connection to an endpoint; `tls`; `reset`: the connection was closed before an answer; `no_listener`; `timeout`;
        /// `proxy`: a proxy answered with another error; `other`; `not_tried`: no call could be made; `disabled`.
        reason: String => computed(),
        /// Status code of that call; null without an answer in HTTP.
        status: i64 => computed(),
        /// Beginning of the body of that call, 1024 characters at most.
        body: String => computed(),
        /// Duration of that call in milliseconds; null if the client doesn't measure it.
        latency_ms: i64 => computed(),
        /// Who answered that call: `application`, or `proxy` in its place; null without an answer.
        answered_by: String => computed(),
        /// Istio's name for the cluster that answered that call, as the sidecar of the pod that answered gives it: `cluster_name` of its `mesh_cluster`. It is read from the counters
        /// of the caller's sidecar (`istio_requests_total`, `istio_tcp_connections_opened_total`). Null if nobody answered, if the sidecar doesn't know or counts nothing, or if the pod called the
        /// host for its own ends at the same time and others answered that.
        answering_cluster: String => computed(),
        /// Identity that answered that call: the SPIFFE ID in the certificate that the caller's sidecar has verified. Null as `answering_cluster` is; the two are known
        /// independently. Neither was seen with a proxy of Istio's own build yet: the tests' proxies count nothing.
        answering_identity: String => computed(),
        /// What was seen of that call.
        seen: String => computed(),
        /// Why it failed. Empty if it didn't.
        cause: String => computed(),
        /// What to do. Empty if it didn't fail.
        fix: String => computed(),
        /// The check of `mesh_status` that explains the failure, for example `export.open`; null if no check does.
        check: String => computed(),
        /// All of it in one line, for `error_message`.
        summary: String => computed(),
        /// The pod that made the calls, as `NAMESPACE/NAME`; null if there was none.
        pod: String => computed(),
        /// Identities, as SPIFFE IDs, one of which the host's pods must have for the caller's sidecar to accept an answer. Empty if the caller's cluster
        /// doesn't say.
        identities: Vec<Value<String>> => computed(),
        /// Number of calls that succeeded.
        succeeded: i64 => computed(),
        /// The calls in their order.
        calls: Vec<Value<CallModel>> => computed(),
    }
}

/// What to call, and from where.
pub struct MeshProbe {
    cluster: ClusterKey,
    target: Target,
    from: From,
    is_enabled: bool,
    requests: u32,
    timeout: Duration,
}

/// What came of all calls.
#[derive(Debug, Default)]
pub struct Probed {
    /// The pod that made them.
    pod: Option<String>,
    identities: Vec<String>,
    calls: Vec<Attempt>,
    explanation: Explanation,
    /// The line before what was seen.
    place: String,
}

/// Parses a whole number within limits.
fn within(least: i64, most: i64, number: i64) -> Result<i64, String> {
    if (least..=most).contains(&number) { Ok(number) } else { Err(format!("must be between {least} and {most}, got {number}.")) }
}

fn parse_from(model: &CallerModel, parse: &mut Parse<'_>) -> Option<From> {
    let namespace = parse.required("namespace", &model.namespace, |name| Namespace::parse(name));
    let labels = parse.entries("labels", &model.labels, |value| check_label_value(value).map(|()| value.clone()));
    for key in model.labels.as_ref_option().into_iter().flat_map(BTreeMap::keys) {
        if let Err(problem) = check_key(key) {
            parse.violation(parse.path("labels").key(key.clone()), &problem);
        }
    }
    let container = parse.optional("container", &model.container, |name| Namespace::parse(name).map(|name| name.to_string()));
    let image = parse.optional("image", &model.image, |image| parse_image(image));
    let account = parse.optional("service_account", &model.service_account, |name| ServiceAccountName::parse(name));
    match (&model.labels, &model.image) {
        (Value::Null, Value::Null) => parse.violation(parse.path("labels"), &"either `labels` or `image` must be set."),
        (Value::Value(_), Value::Value(_)) => parse.violation(parse.path("image"), &"must not be set together with `labels`."),
        (Value::Value(labels), _) if labels.is_empty() => parse.violation(parse.path("labels"), &"must have one label at least."),
        _ => {}
    }
    for (name, is_set, other, is_other_set) in [
        ("container", !model.container.is_null(), "image", !model.image.is_null()),
        ("service_account", !model.service_account.is_null(), "labels", !model.labels.is_null()),
    ] {
        if is_set && is_other_set {
            parse.violation(parse.path(name), &format!("must not be set together with `{other}`."));
        }
    }
    let (namespace, labels, container, account) = (namespace?, labels?, container?, account?);
    Some(match image? {
        None => From::Existing { namespace, labels, container },
        Some(image) => From::Created { namespace, image, account: account.or(ServiceAccountName::parse("default").ok())? },
    })
}

/// Checks the reference of an image as far as a typing error shows; the rest is the container runtime's.
fn parse_image(image: &str) -> Result<String, String> {
    let is_of_a_reference = |character: char| character.is_ascii_alphanumeric() || "-._:/@".contains(character);
    if image.is_empty() || !image.chars().all(is_of_a_reference) {
        return Err(format!("{image:?} is not a valid image. For example: \"docker.io/curlimages/curl:8.10.1\"."));
    }
    Ok(image.to_owned())
}

#[async_trait]
impl DataSource for MeshProbe {
    type World = World;
    type Model = ProbeModel;
    type Spec = Self;
    type Status = Probed;

    const NAME: &'static str = "mesh_probe";
    // A pod of its own may need to be pulled, and to be deleted.
    const TIMEOUT: Duration = Duration::from_secs(150);

    fn parse(model: &ProbeModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let target = parse.required("url", &model.url, |url| Target::parse(url));
        let from = parse.nested("from", &model.from, parse_from);
        let is_enabled = parse.optional("enabled", &model.enabled, |on| Ok::<_, String>(*on));
        let requests = parse.optional("requests", &model.requests, |number| within(1, MOST_CALLS, *number));
        let timeout = parse.optional("timeout_seconds", &model.timeout_seconds, |seconds| within(1, LONGEST_CALL, *seconds));
        let (requests, seconds) = (requests?.unwrap_or(1), timeout?.unwrap_or(5));
        if requests * seconds > LONGEST {
            let problem =
                format!("{requests} calls of {seconds} seconds each may take {} seconds; the limit is {LONGEST}.", requests * seconds);
            parse.violation(parse.path("requests"), &problem);
            return None;
        }
        Some(Self {
            cluster: cluster?,
            target: target?,
            from: from??,
            is_enabled: is_enabled?.unwrap_or(true),
            requests: u32::try_from(requests).ok()?,
            timeout: Duration::from_secs(u64::try_from(seconds).ok()?),
        })
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<Probed>, Error> {
        if !spec.is_enabled {
            let seen = "`enabled` is false, so no call was made.".to_owned();
            let calls = vec![Attempt::none(Reason::Disabled, seen)];
            return Ok(Observed::Found(Probed { calls, ..Probed::default() }));
        }
        reachable(&spec.cluster, cx).map_err(|error| error.at(AttributePath::new("cluster")))?;
        spec.probe(cx).await.map(Observed::Found)
    }

    fn record(probed: &Probed, model: &mut ProbeModel) {
        let text = |text: &str| Value::Value(text.to_owned());
        let Some(call) = probed.worst() else { return };
        let of_call = CallModel::from(call);
        model.ok = Value::Value(probed.calls.iter().all(Attempt::is_ok));
        (model.reason, model.status, model.body, model.latency_ms, model.seen) =
            (of_call.reason, of_call.status, of_call.body, of_call.latency_ms, of_call.seen);
        model.answered_by = call.reason.answered_by().map_or(Value::Null, text);
        (model.answering_cluster, model.answering_identity) = (of_call.answering_cluster, of_call.answering_identity);
        model.cause = text(&probed.explanation.cause);
        model.fix = text(&probed.explanation.fix);
        model.check = probed.explanation.check.map_or(Value::Null, text);
        model.summary = Value::Value(probed.summary());
        model.pod = probed.pod.as_deref().map_or(Value::Null, text);
        model.identities = Value::Value(probed.identities.iter().map(|identity| text(identity)).collect());
        let is_call = |call: &&Attempt| !matches!(call.reason, Reason::Disabled | Reason::NotTried);
        model.succeeded = number(probed.calls.iter().filter(|call| call.is_ok()).count());
        model.calls = Value::Value(probed.calls.iter().filter(is_call).map(|call| Value::Value(CallModel::from(call))).collect());
    }
}

fn number(number: impl TryInto<i64>) -> Value<i64> {
    number.try_into().map_or(Value::Null, Value::Value)
}

impl Probed {
    /// The first call that failed; the first one if none did.
    fn worst(&self) -> Option<&Attempt> {
        self.calls.iter().find(|call| !call.is_ok()).or(self.calls.first())
    }

    fn summary(&self) -> String {
        let Some(call) = self.worst() else { return String::new() };
        let parts = [
            format!("{} {}", call.reason.as_str(), self.place),
            call.seen.clone(),
            self.explanation.cause.clone(),
            self.explanation.fix.clone(),
        ];
        parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

impl std::convert::From<&Attempt> for CallModel {
    fn from(call: &Attempt) -> Self {
        Self {
            reason: Value::Value(call.reason.as_str().to_owned()),
            status: call.status.map_or(Value::Null, |status| Value::Value(i64::from(status))),
            body: Value::Value(call.body.clone()),
            latency_ms: call.time.map_or(Value::Null, |time| number(time.as_millis())),
            seen: Value::Value(call.seen.clone()),
            answering_cluster: call.answerer.cluster.clone().map_or(Value::Null, Value::Value),
            answering_identity: call.answerer.identity.clone().map_or(Value::Null, Value::Value),
        }
    }
}
