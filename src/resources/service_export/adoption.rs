//! Taking over a host that somebody else has made callable: the export's objects are written first, then those that they replace are deleted.

use futures::future::join_all;
use serde_json::{Value as Json, json};

use super::{ServiceExport, ServiceExportModel};
use crate::{
    data::Kind,
    mesh::{
        ClusterKey, Export,
        export::{ByHand, by_hand},
        labels,
        observe::drift::own_differences,
    },
    ports::Failure,
    world::{ClusterAccess as _, World, adopts},
};
use framework::{Cx, Error, Parse, Prior, Report, Value};

impl ServiceExport {
    /// Returns the objects of others in a cluster that are about the host.
    async fn by_hand(&self, cluster: &ClusterKey, cx: &Cx<'_, World>) -> Result<Vec<(ByHand, Json)>, Failure> {
        let other = if *cluster == self.id.exporter { Kind::GATEWAY } else { Kind::DESTINATION_RULE };
        let unmanaged = labels::unmanaged_selector();
        let list = |kind| cx.cluster(cluster).list(kind, None, &unmanaged);
        let (entries, others) = tokio::try_join!(list(Kind::SERVICE_ENTRY), list(other))?;
        let found = entries.into_iter().chain(others);
        Ok(found.filter_map(|object| Some((by_hand(&object, &self.id.host)?, object))).collect())
    }

    /// Deletes what the export has replaced, if it takes over what exists and hasn't done so.
    pub(super) async fn remove_replaced(&self, export: &Export, prior: &Prior<Self>, cx: &Cx<'_, World>) -> Vec<Failure> {
        if !self.adopts || prior.finished().is_some() {
            return Vec::new();
        }
        let removals = export.members().map(|cluster| async move {
            let is_replaced = |live: &Json| matches!(by_hand(live, &self.id.host), Some(ByHand::Replaced(_)));
            for (_, live) in self.by_hand(cluster, cx).await? {
                if is_replaced(&live) {
                    cx.cluster(cluster).delete_found(&live, is_replaced).await?;
                }
            }
            Ok(())
        });
        join_all(removals).await.into_iter().filter_map(Result::err).collect()
    }

    /// Tells a plan what the create takes over. What can't be seen is a warning.
    async fn preview(&self, cx: &Cx<'_, World>) {
        let unseen = |cluster: &ClusterKey, error: Error| {
            let why = format!("{}: {}", error.summary, error.detail);
            cx.cluster(cluster).adoption_unseen(&format!("the export of {}", self.id.host), &why);
        };
        let members = std::iter::once(&self.id.exporter).chain(&self.request.importers).filter(|key| cx.world.clusters.is_known(key));
        let looks = join_all(members.map(|cluster| async move { (cluster, self.by_hand(cluster, cx).await) })).await;
        let mut found = Vec::new();
        for (cluster, look) in looks {
            match look {
                Ok(objects) if objects.is_empty() => {}
                Ok(objects) => found.push((cluster, objects)),
                Err(failure) => unseen(cluster, failure.into()),
            }
        }
        if found.is_empty() {
            return;
        }
        let export = match self.resolve(None, cx).await {
            Ok(resolved) => Some(resolved.export),
            Err(unresolved) => {
                unseen(&self.id.exporter, unresolved.into());
                None
            }
        };
        for (cluster, objects) in found {
            let lines: Vec<_> = objects.iter().flat_map(|(found, live)| self.changes(cluster, found, live, export.as_ref())).collect();
            cx.cluster(cluster).announce_adoption(&format!("what makes the host \"{}\" callable", self.id.host), &lines);
        }
    }

    /// Returns what happens to an object of others, one line each.
    fn changes(&self, cluster: &ClusterKey, found: &ByHand, live: &Json, export: Option<&Export>) -> Vec<String> {
        match found {
            ByHand::Kept(object) => vec![format!(
                "{object}: it stays, as it says more than the export does. If it conflicts with the export, remove \"{}\" from it",
                self.id.host
            )],
            ByHand::Replaced(object) => {
                let manifests = export.map(|export| export.manifests(cluster)).unwrap_or_default();
                let ours = manifests.iter().find(|manifest| Kind::of(manifest) == Some(object.kind));
                let differences = ours.map(|ours| own_differences(&json!({"spec": ours["spec"]}), &json!({"spec": live["spec"]})));
                let differences = differences.unwrap_or_default().into_iter().map(|line| format!("{object}: {line}"));
                let name = self.id.object_name();
                std::iter::once(format!("{object}: it is replaced by {name}")).chain(differences).collect()
            }
        }
    }
}

/// Tells a plan what an apply takes over.
pub(super) async fn preview(planned: &ServiceExportModel, cx: &Cx<'_, World>) -> Result<(), Error> {
    if !adopts(planned.adopt) {
        return Ok(());
    }
    if let Some(spec) = planned.parse(&mut Parse::new(&mut Report::new())) {
        spec.preview(cx).await;
    } else if let Value::Value(gateway) = &planned.gateway
        && let Value::Value(exporter) = &gateway.cluster
        && let Ok(exporter) = ClusterKey::parse(exporter)
    {
        cx.cluster(&exporter)
            .adoption_unseen(&format!("an export of {exporter}"), "Attributes of the resource are known only after apply.");
    }
    Ok(())
}
