# What a mesh of this company must not do, as rules for conftest over `terraform show -json`. Change them to your own.
package main

import rego.v1

planned contains change if {
	some change in input.resource_changes
	some action in change.change.actions
	action in {"create", "update"}
}

exported contains change if {
	some change in planned
	change.type in {"mesh_service_export", "mesh_global_service"}
}

# Without service_accounts, any certificate of the mesh is accepted as the server's.
deny contains message if {
	some change in exported
	not names_its_servers(change.change)
	message := sprintf("%s: service_accounts must name who answers for %s", [change.address, host(change.change)])
}

names_its_servers(change) if count(change.after.service_accounts) > 0

names_its_servers(change) if change.after_unknown.service_accounts == true

# Without callers, any workload of the mesh may call. An empty list is one: nobody may.
deny contains message if {
	some change in exported
	not names_its_callers(change.change)
	message := sprintf("%s: callers must name who may call %s", [change.address, host(change.change)])
}

names_its_callers(change) if is_array(change.after.callers)

names_its_callers(change) if change.after_unknown.callers == true

host(change) := object.get(change.after, "host", "a host that isn't known yet")

# Whoever is in the mesh can call every Service of the namespace, those of tomorrow too.
deny contains message if {
	some change in planned
	change.type == "mesh_eastwest_gateway"
	some service in change.change.after.exposed_services
	endswith(service, "/*")
	message := sprintf("%s: exposed_services must name Services, not all of a namespace (%s)", [change.address, service])
}

# The same by other means: in Helm values, or in a manifest that another provider applies.
deny contains message if {
	some change in planned
	some words, meaning in {"*.local": "opens a gateway for every Service of a cluster", "PERMISSIVE": "accepts calls in plain text"}
	walk(change.change.after, [path, value])
	path != ["mtls_mode"]
	path[0] != "drift"
	contains(value, words)
	message := sprintf("%s: %s has %s, which %s", [change.address, dotted(path), words, meaning])
}

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

helm := input.configuration.provider_config.mesh.expressions.helm

helm_version if helm.constant_value.version != null

helm_version if {
	some reference in helm.references
	variable(reference).version != null
}

# Of other expressions, the plan doesn't say what they are.
helm_version if {
	some reference in helm.references
	not is_object(variable(reference))
}

variable(reference) := object.get(input, ["variables", trim_prefix(reference, "var."), "value"], null)

# Nobody checks whose certificate that is. The setting is in the provider's block, or in a variable that it refers to.
deny contains message if {
	some part in ["configuration", "variables"]
	walk(input[part], [path, true])
	path[count(path) - 1] == "insecure"
	message := sprintf("provider mesh: a cluster is insecure (%s)", [dotted(path)])
}

dotted(path) := concat(".", [sprintf("%v", [step]) | some step in path])

# What differs in a cluster from the last apply is reverted by this one: somebody should know.
warn contains message if {
	some change in planned
	some line in change.change.before.drift
	message := sprintf("%s: reverts a manual change: %s", [change.address, line])
}
