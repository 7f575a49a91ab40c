package main

import rego.v1

plan(type, after) := {"resource_changes": [{
	"address": "x",
	"type": type,
	"mode": "managed",
	"change": {"actions": ["create"], "before": null, "after": after, "after_unknown": {}},
}]}

good_export := {"host": "echo.eu.mesh.local", "service_accounts": ["echo"]}

good_cluster := {"mtls_mode": "STRICT", "delete_crds": false, "istio_version": "1.31.0"}

test_good_plans_pass if {
	count(deny) == 0 with input as plan("mesh_service_export", good_export)
	count(deny) == 0 with input as plan("mesh_cluster", good_cluster)
}

test_an_export_names_its_servers if {
	deny["x: service_accounts must name who answers for echo.eu.mesh.local"] with input as plan(
		"mesh_service_export",
		object.union(good_export, {"service_accounts": []}),
	)
}

test_unknown_service_accounts_are_not_refused if {
	unknown := {"resource_changes": [{
		"address": "x",
		"type": "mesh_service_export",
		"change": {"actions": ["create"], "after": {"host": "h"}, "after_unknown": {"service_accounts": true}},
	}]}
	count(deny) == 0 with input as unknown
}

test_mtls_is_strict if {
	some mode in ["PERMISSIVE", null]
	deny["x: mtls_mode must be STRICT"] with input as plan("mesh_cluster", object.union(good_cluster, {"mtls_mode": mode}))
}

test_definitions_stay if {
	deny["x: delete_crds must be false"] with input as plan("mesh_cluster", object.union(good_cluster, {"delete_crds": true}))
}

test_versions_are_pinned if {
	unpinned := plan("mesh_cluster", object.union(good_cluster, {"istio_version": null}))
	deny["x: istio_version or the provider's helm.version must be set"] with input as unpinned
	pinned := object.union(unpinned, {"configuration": {"provider_config": {"mesh": {"expressions": {"helm": {"constant_value": {"version": "1.31.0"}}}}}}})
	count(deny) == 0 with input as pinned
}

test_authorities_stay if {
	some actions in [["delete"], ["delete", "create"]]
	replaced := {"resource_changes": [{"address": "x", "type": "mesh_root_ca", "change": {"actions": actions, "before": {}, "after": null}}]}
	deny["x: a certificate authority must not be replaced or deleted"] with input as replaced
}

test_api_servers_are_verified if {
	access := {"us": {"insecure": true}}
	block := object.union(
		plan("mesh_cluster", good_cluster),
		{"configuration": {"provider_config": {"mesh": {"expressions": {"clusters": {"constant_value": access}}}}}},
	)
	deny["provider mesh: a cluster is insecure (provider_config.mesh.expressions.clusters.constant_value.us.insecure)"] with input as block
	variable := object.union(plan("mesh_cluster", good_cluster), {"variables": {"clusters": {"value": access}}})
	deny["provider mesh: a cluster is insecure (clusters.value.us.insecure)"] with input as variable
}

test_reverted_changes_are_named if {
	drifted := {"resource_changes": [{
		"address": "x",
		"type": "mesh_cluster",
		"change": {"actions": ["update"], "before": {"drift": ["Deployment/istiod: replicas"]}, "after": good_cluster, "after_unknown": {}},
	}]}
	warn["x: reverts a manual change: Deployment/istiod: replicas"] with input as drifted
}
