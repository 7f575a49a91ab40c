//! Going on with an export of which an interrupted create has left a part. The exporter's ServiceEntry is written first and carries the mark
//! until all objects are in place; the others belong to it by their labels.

use serde_json::Value as Json;

use super::{ServiceExport, objects::Claim};
use crate::{
    data::Kind,
    mesh::{ClusterKey, Export, export::Request, labels},
    world::{ClusterAccess as _, Creation, World, marked},
};
use framework::{Cx, Error, Prior};

impl ServiceExport {
    /// Returns the exporter's ServiceEntry, if this provider wrote it, and what an interrupted create of this export has left, with the inputs that it
    /// had.
    pub(super) async fn left(&self, cx: &Cx<'_, World>) -> Result<(Option<Json>, Option<Prior<Self>>), Error> {
        let exporter = cx.cluster(&self.id.exporter);
        // What this misses, the create of the ServiceEntry doesn't.
        if !exporter.may_have(&self.entry()).await? {
            return Ok((None, None));
        }
        loop {
            let live = self.live_entry(cx).await?;
            let of_export = live.as_ref().filter(|live| labels::exporter_of(live).as_ref() == Some(&self.id.exporter));
            let Some((found, mark)) = of_export.and_then(|live| Some((live, exporter.mark_on(live)?))) else { return Ok((live, None)) };
            let object = self.entry().to_string();
            if !exporter.is_at_work(&mark, &object).await? {
                exporter.continues(&object);
                let request = Request::read(found).unwrap_or_else(|_| self.request.clone());
                let left = Self { id: self.id.clone(), request, addresses: self.addresses.clone(), adopts: self.adopts };
                return Ok((live, Some(Prior::none().and_attempted(left))));
            }
        }
    }

    /// Begins a create: writes the exporter's ServiceEntry with its mark, before anything else. False if somebody has made it since the look, and
    /// nothing was written.
    pub(super) async fn begin(&self, export: &Export, creation: &Creation, claim: &Claim, cx: &Cx<'_, World>) -> Result<bool, Error> {
        let exporter = cx.cluster(&self.id.exporter);
        for entry in manifests(export, &self.id.exporter, Some(creation)).into_iter().filter(is_entry) {
            if !exporter.put_own(&entry, claim.new.contain(&self.id.exporter, &entry)).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns the manifests of an export for a cluster, with the mark of a create, if there is one, on the exporter's ServiceEntry.
pub(super) fn manifests(export: &Export, cluster: &ClusterKey, creation: Option<&Creation>) -> Vec<Json> {
    let creation = creation.filter(|_| *cluster == export.id.exporter);
    let with_mark = |manifest| if is_entry(&manifest) { marked(manifest, creation) } else { manifest };
    export.manifests(cluster).into_iter().map(with_mark).collect()
}

pub(super) fn is_entry(manifest: &Json) -> bool {
    Kind::of(manifest) == Some(Kind::SERVICE_ENTRY)
}
