//! `mesh_services`: the Services of a cluster, for `for_each` over exports.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};

use crate::{
    data::{Kind, ObjectRef},
    mesh::{
        ClusterKey, Namespace, ServicePort,
        export::{Candidate, Candidates},
        labels::selector_of,
        names,
    },
    ports::FailureKind,
    world::{ClusterAccess, World, reachable},
};
use framework::{AttributePath, Cx, DataSource, Error, Observed, Parse, Set, Value, computed, model, optional, required};

model! {
    /// A port of a Service.
    pub struct CalledPortModel {
        /// The port that callers use.
        number: i64 => computed(),
        /// The port's name, or one that is made of protocol and number.
        name: String => computed(),
        /// The protocol that the Service declares; `TCP` if it declares none.
        protocol: String => computed(),
    }
}

model! {
    /// A Service that can be exported.
    pub struct ServiceModel {
        /// The Service's namespace.
        namespace: String => computed(),
        /// The Service's name.
        name: String => computed(),
        /// The Service's labels.
        labels: BTreeMap<String, Value<String>> => computed(),
        /// The Service's TCP ports.
        ports: Vec<Value<CalledPortModel>> => computed(),
    }
}

model! {
    /// The Services of a cluster that can be exported, by namespace and labels: for `for_each` over `mesh_service_export`. So the owners of a
    /// Service decide with a label whether other clusters can call it.
    ///
    /// A label that is removed, and a Service that is deleted, end the export with the next apply, which the plan shows.
    ///
    /// The cluster must exist when the plan is made, because Terraform must know the keys of `for_each` then. If the provider's access to the
    /// cluster comes from the same apply, the read fails while planning (in a plan with `-allow-deferral` it is deferred): create the cluster
    /// first, with `-target`. For the same reason don't use `depends_on`, and write the key of `cluster` literally instead of a reference to
    /// a `mesh_cluster` that doesn't exist yet: a Service needs no mesh to be found.
    ///
    /// While the cluster can't be reached, the read fails, and with it the plan: an empty result would destroy every export.
    pub struct ServicesModel {
        /// Key of the cluster in the provider's `clusters`, for example `eu`.
        cluster: String => required(),
        /// The namespaces to look in, for example `["shop", "checkout"]`. All if not set.
        namespaces: Set<String> => optional(),
        /// The labels that the Services must have, for example `{ "mesh.example.com/export" = "true" }`. Services with any labels if not set.
        labels: BTreeMap<String, Value<String>> => optional(),
        /// The Services that can be exported, by `NAMESPACE/NAME`.
        services: BTreeMap<String, Value<ServiceModel>> => computed(),
        /// The Services that match but can't be exported, by `NAMESPACE/NAME`, each with the reason: it is headless, of type ExternalName, has
        /// no selector or no TCP port.
        skipped: BTreeMap<String, Value<String>> => computed(),
    }
}

/// What to look for.
pub struct Services {
    cluster: ClusterKey,
    /// All if `None`.
    namespaces: Option<Vec<Namespace>>,
    labels: BTreeMap<String, String>,
}

impl Services {
    /// Warns of namespaces that don't exist, as a misspelled one would remove its exports.
    async fn check_namespaces(&self, empty: &[&Namespace], cx: &Cx<'_, World>) -> Result<(), Error> {
        let looks = empty.iter().map(|namespace| async move {
            let object = ObjectRef::cluster_wide(Kind::NAMESPACE, namespace.as_str());
            match cx.cluster(&self.cluster).get(&object).await {
                Ok(None) => Ok(Some(namespace)),
                Ok(Some(_)) => Ok(None),
                // Without the permission the check is left out.
                Err(failure) if failure.kind == FailureKind::Denied => Ok(None),
                Err(failure) => Err(Error::from(failure)),
            }
        });
        for namespace in try_join_all(looks).await?.into_iter().flatten() {
            let detail =
                format!("Cluster \"{}\" has no namespace `{namespace}`, so there are no Services of it in the result.", self.cluster);
            cx.warn(Error::new("No such namespace", detail).at(AttributePath::new("namespaces")));
        }
        Ok(())
    }
}

#[async_trait]
impl DataSource for Services {
    type World = World;
    type Model = ServicesModel;
    type Spec = Self;
    type Status = Candidates;

    const NAME: &'static str = "mesh_services";
    const TIMEOUT: Duration = Duration::from_secs(120);

    fn parse(model: &ServicesModel, parse: &mut Parse<'_>) -> Option<Self> {
        let cluster = parse.required("cluster", &model.cluster, |key| ClusterKey::parse(key));
        let namespaces = parse.optional_each("namespaces", &model.namespaces, |text| Namespace::parse(text));
        let labels = parse.entries("labels", &model.labels, |value| names::check_label_value(value).map(|()| value.clone()));
        for key in model.labels.as_ref_option().into_iter().flat_map(BTreeMap::keys) {
            if let Err(problem) = names::check_key(key) {
                parse.violation(parse.path("labels").key(key.clone()), &problem);
            }
        }
        Some(Self { cluster: cluster?, namespaces: namespaces?, labels: labels? })
    }

    async fn read(spec: &Self, cx: &Cx<'_, World>) -> Result<Observed<Candidates>, Error> {
        reachable(&spec.cluster, cx).map_err(|error| error.at(AttributePath::new("cluster")))?;
        let (cluster, selector) = (cx.cluster(&spec.cluster), selector_of(&spec.labels));
        let Some(namespaces) = &spec.namespaces else {
            return Ok(Observed::Found(Candidates::of(&cluster.list(Kind::SERVICE, None, &selector).await?)));
        };
        let lists = join_all(namespaces.iter().map(|namespace| cluster.list(Kind::SERVICE, Some(namespace.as_str()), &selector))).await;
        let lists = lists.into_iter().collect::<Result<Vec<_>, _>>()?;
        let empty: Vec<_> = namespaces.iter().zip(&lists).filter(|(_, list)| list.is_empty()).map(|(namespace, _)| namespace).collect();
        spec.check_namespaces(&empty, cx).await?;
        Ok(Observed::Found(Candidates::of(&lists.concat())))
    }

    fn record(found: &Candidates, model: &mut ServicesModel) {
        let services = found.services.iter().map(|(key, service)| (key.clone(), Value::Value(service.into())));
        model.services = Value::Value(services.collect());
        model.skipped = texts(&found.skipped);
    }
}

impl From<&Candidate> for ServiceModel {
    fn from(service: &Candidate) -> Self {
        Self {
            namespace: Value::Value(service.namespace.clone()),
            name: Value::Value(service.name.clone()),
            labels: texts(&service.labels),
            ports: Value::Value(service.ports.iter().map(|port| Value::Value(port.into())).collect()),
        }
    }
}

impl From<&ServicePort> for CalledPortModel {
    fn from(port: &ServicePort) -> Self {
        Self {
            number: Value::Value(i64::from(port.number)),
            name: Value::Value(port.name.clone()),
            protocol: Value::Value(port.protocol.to_string()),
        }
    }
}

fn texts(texts: &BTreeMap<String, String>) -> Value<BTreeMap<String, Value<String>>> {
    Value::Value(texts.iter().map(|(key, text)| (key.clone(), Value::Value(text.clone()))).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value as Json, json};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        ports::{
            Failure,
            fakes::{FakeClock, FakeObjects, FakeReleases},
        },
        world::Clusters,
    };
    use framework::{Datum, Diagnostics, Outcome, decode, encode, erase_data_source};

    fn service(namespace: &str, name: &str, labels: &Json) -> Json {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        })
    }

    fn objects() -> Arc<FakeObjects> {
        let objects = Arc::new(FakeObjects::default());
        for (namespace, name, export) in
            [("shop", "cart", "yes"), ("shop", "internal", "no"), ("bank", "cart", "yes"), ("other", "x", "yes")]
        {
            objects.put("eu", service(namespace, name, &json!({"export": export})));
        }
        let mut headless = service("shop", "db", &json!({"export": "yes"}));
        headless["spec"]["clusterIP"] = json!("None");
        objects.put("eu", headless);
        objects.put("us", service("shop", "us-only", &json!({"export": "yes"})));
        objects
    }

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    fn of_eu() -> ServicesModel {
        ServicesModel { cluster: text("eu"), ..ServicesModel::default() }
    }

    fn within(namespaces: &[&str]) -> ServicesModel {
        let namespaces = Value::Value(namespaces.iter().map(|name| text(name)).collect());
        ServicesModel { namespaces, labels: Value::Value([("export".to_owned(), text("yes"))].into()), ..of_eu() }
    }

    async fn read_in(world: &World, model: ServicesModel) -> Outcome {
        erase_data_source::<Services>().read(&encode(&Value::Value(model)), world, CancellationToken::new()).await
    }

    async fn read(objects: &Arc<FakeObjects>, model: ServicesModel) -> (Option<ServicesModel>, Diagnostics) {
        let world = World::fake(objects, &Arc::new(FakeReleases::default()), &FakeClock::default());
        let outcome = read_in(&world, model).await;
        let found = match decode(&outcome.found, &AttributePath::root()).unwrap() {
            Value::Value(found) => Some(found),
            _ => None,
        };
        (found, outcome.diagnostics)
    }

    fn keys<T>(entries: &Value<BTreeMap<String, T>>) -> Vec<&str> {
        entries.as_ref_option().into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
    }

    #[tokio::test]
    async fn services_are_found_by_namespace_and_labels() {
        let objects = objects();
        let (found, diagnostics) = read(&objects, within(&["shop", "bank"])).await;
        let found = found.unwrap_or_else(|| panic!("{diagnostics:?}"));
        assert_eq!(keys(&found.services), ["bank/cart", "shop/cart"]);
        assert_eq!(keys(&found.skipped), ["shop/db"]);
        let Datum::Map(services) = framework::Field::encode(found.services.as_ref_option().unwrap()) else { panic!("no map") };
        let shown = format!("{:?}", services["shop/cart"]);
        assert!(shown.contains("HTTP") && shown.contains("cart") && shown.contains("80"), "{shown}");
        assert!(diagnostics.warnings.is_empty(), "{diagnostics:?}");

        let (all, _) = read(&objects, of_eu()).await;
        assert_eq!(keys(&all.unwrap().services), ["bank/cart", "other/x", "shop/cart", "shop/internal"]);
        let (none, _) = read(&objects, within(&[])).await;
        assert!(keys(&none.unwrap().services).is_empty(), "no namespace is not all of them");
    }

    #[tokio::test]
    async fn a_namespace_that_does_not_exist_is_warned_of() {
        let objects = objects();
        objects.put("eu", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "empty"}}));
        let (found, diagnostics) = read(&objects, within(&["shop", "empty", "shpo"])).await;
        assert_eq!(keys(&found.unwrap().services), ["shop/cart"]);
        assert_eq!(diagnostics.warnings.len(), 1, "{diagnostics:?}");
        assert!(diagnostics.warnings[0].detail.contains("no namespace `shpo`"));
        objects.fail("eu", &ObjectRef::cluster_wide(Kind::NAMESPACE, "shpo"), Failure::new(FailureKind::Denied, "Forbidden", "no"));
        let (found, diagnostics) = read(&objects, within(&["shpo"])).await;
        assert!(found.is_some() && diagnostics.warnings.is_empty(), "{diagnostics:?}");
    }

    #[tokio::test]
    async fn a_cluster_that_cannot_be_asked_is_an_error_and_not_an_empty_result() {
        let objects = objects();
        objects.take_down("eu", Failure::new(FailureKind::Unreachable, "Can't reach", "refused"));
        let (found, diagnostics) = read(&objects, of_eu()).await;
        assert!(found.is_none() && diagnostics.errors[0].detail.contains("refused"), "{diagnostics:?}");
        objects.mend();
        let (found, diagnostics) = read(&objects, ServicesModel { cluster: text("asia"), ..of_eu() }).await;
        assert!(found.is_none() && diagnostics.errors[0].detail.contains("it has `eu`, `us`"), "{diagnostics:?}");

        let mut world = World::fake(&objects, &Arc::new(FakeReleases::default()), &FakeClock::default());
        world.clusters = Clusters::Known([("eu".to_owned(), false)].into());
        let outcome = read_in(&world, of_eu()).await;
        assert!(outcome.is_deferred && outcome.diagnostics.errors[0].detail.contains("-target"), "{:?}", outcome.diagnostics);
    }
}
