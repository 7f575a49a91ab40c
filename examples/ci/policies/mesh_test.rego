package main

import rego.v1

plan(type, after) := {"resource_changes": [{
	"address": "x",
	"type": type,
	"mode": "managed",
	"change": {"actions": ["create"], "before": null, "after": after, "after_unknown": {}},
}]}

good_export := {"host": "echo.eu.mesh.local", "service_accounts": ["echo"], "callers": ["spiffe://corp.local/ns/shop/sa/cart"]}

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

test_an_export_names_its_callers if {
	every export in [object.union(good_export, {"callers": null}), object.remove(good_export, ["callers"])] {
		deny["x: callers must name who may call echo.eu.mesh.local"] with input as plan("mesh_service_export", export)
	}
}

test_an_export_may_be_for_nobody if {
	count(deny) == 0 with input as plan("mesh_service_export", object.union(good_export, {"callers": []}))
}

test_a_global_service_names_its_servers_and_callers if {
	count(deny) == 0 with input as plan("mesh_global_service", good_export)
	every name in ["service_accounts", "callers"] {
		count(deny) == 1 with input as plan("mesh_global_service", object.union(good_export, {name: null}))
	}
}

test_a_gateway_is_open_for_named_services if {
	gateway := {"istio_version": "1.31.0", "exposed_services": ["shop/echo"]}
	count(deny) == 0 with input as plan("mesh_eastwest_gateway", gateway)
	deny["x: exposed_services must name Services, not all of a namespace (shop/*)"] with input as plan(
		"mesh_eastwest_gateway",
		object.union(gateway, {"exposed_services": ["shop/*"]}),
	)
}

# Istio's sample for discovery, and a namespace's own mode, by other providers and by Helm values.
test_nothing_is_opened_by_other_means if {
	manifest := {"manifest": {"kind": "Gateway", "spec": {"servers": [{"hosts": ["*.local"]}]}}}
	deny["x: manifest.spec.servers.0.hosts.0 has *.local, which opens a gateway for every Service of a cluster"] with input as plan(
		"kubernetes_manifest",
		manifest,
	)
	values := object.union(good_cluster, {"values": ["mode: PERMISSIVE"]})
	deny["x: values.0 has PERMISSIVE, which accepts calls in plain text"] with input as plan("mesh_cluster", values)
	narrow := {"manifest": {"kind": "Gateway", "spec": {"servers": [{"hosts": ["*.mesh.local"]}]}}}
	count(deny) == 0 with input as plan("kubernetes_manifest", narrow)
}

test_what_is_unknown_is_not_refused if {
	unknown := {"resource_changes": [{
		"address": "x",
		"type": "mesh_service_export",
		"change": {"actions": ["create"], "after": {"host": "h"}, "after_unknown": {"service_accounts": true, "callers": true}},
	}]}
	count(deny) == 0 with input as unknown
}

test_mtls_is_strict if {
	every mode in ["PERMISSIVE", "DISABLE", null] {
		deny == {"x: mtls_mode must be STRICT"} with input as plan("mesh_cluster", object.union(good_cluster, {"mtls_mode": mode}))
	}
}

test_definitions_stay if {
	deny["x: delete_crds must be false"] with input as plan("mesh_cluster", object.union(good_cluster, {"delete_crds": true}))
}

test_versions_are_pinned if {
	unpinned := plan("mesh_cluster", object.union(good_cluster, {"istio_version": null}))
	deny["x: istio_version or the provider's helm.version must be set"] with input as unpinned
	every helm in [{"constant_value": {"version": "1.31.0"}}, {"references": ["var.helm"]}, {"references": ["local.helm"]}] {
		count(deny) == 0 with input as with_helm(unpinned, helm, {"version": "1.31.0"})
	}
	every helm in [{"constant_value": {"binary": "/usr/bin/helm"}}, {"references": ["var.helm"]}] {
		count(deny) == 1 with input as with_helm(unpinned, helm, {"version": null})
	}
}

with_helm(plan_, expression, variable) := object.union(plan_, {
	"configuration": {"provider_config": {"mesh": {"expressions": {"helm": expression}}}},
	"variables": {"helm": {"value": variable}},
})

test_authorities_stay if {
	every actions in [["delete"], ["delete", "create"], ["create", "delete"]] {
		every type in ["mesh_root_ca", "mesh_cluster_ca"] {
			replaced := {"resource_changes": [{"address": "x", "type": type, "change": {"actions": actions, "before": {}, "after": null}}]}
			deny == {"x: a certificate authority must not be replaced or deleted"} with input as replaced
		}
	}
	count(deny) == 0 with input as plan("mesh_root_ca", {"cluster": "us"})
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
