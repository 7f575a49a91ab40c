# What a mesh of this company must not do, as rules for conftest over `terraform show -json`. Change them to your own.
package main

import rego.v1

planned contains change if {
	some change in input.resource_changes
	some action in change.change.actions
	action in {"create", "update"}
}

# An export without service_accounts accepts any certificate of the mesh as the server's.
deny contains message if {
	some change in planned
	change.type == "mesh_service_export"
	not names_its_servers(change.change)
	message := sprintf("%s: service_accounts must name who answers for %s", [change.address, change.change.after.host])
}

names_its_servers(change) if count(change.after.service_accounts) > 0

names_its_servers(change) if change.after_unknown.service_accounts == true

deny contains message if {
	some change in planned
	change.type == "mesh_cluster"
	object.get(change.change.after, "mtls_mode", null) != "STRICT"
	not object.get(change.change.after_unknown, "mtls_mode", false)
	message := sprintf("%s: mtls_mode must be STRICT", [change.address])
}

# A replaced or deleted CA ends every call between the clusters.
deny contains message if {
	some change in input.resource_changes
	change.type in {"mesh_root_ca", "mesh_cluster_ca"}
	"delete" in change.change.actions
	message := sprintf("%s: a certificate authority must not be replaced or deleted", [change.address])
}

# Deleting the definitions deletes every object of Istio's kinds, those of other teams too.
deny contains message if {
	some change in planned
	change.type == "mesh_cluster"
	change.change.after.delete_crds == true
	message := sprintf("%s: delete_crds must be false", [change.address])
}

# An apply in a year's time must not install another version than today's.
deny contains message if {
	some change in planned
	change.type in {"mesh_cluster", "mesh_eastwest_gateway"}
	object.get(change.change.after, "istio_version", null) == null
	not helm_version
	message := sprintf("%s: istio_version or the provider's helm.version must be set", [change.address])
}

helm_version if input.configuration.provider_config.mesh.expressions.helm

# Nobody checks whose certificate that is. The setting is in the provider's block, or in a variable that it refers to.
deny contains message if {
	some part in ["configuration", "variables"]
	walk(input[part], [path, true])
	path[count(path) - 1] == "insecure"
	message := sprintf("provider mesh: a cluster is insecure (%s)", [concat(".", [sprintf("%v", [step]) | some step in path])])
}

# What differs in a cluster from the last apply is reverted by this one: somebody should know.
warn contains message if {
	some change in planned
	some line in change.change.before.drift
	message := sprintf("%s: reverts a manual change: %s", [change.address, line])
}
