terraform import mesh_cluster_ca_request.eu eu/istio-system/cacerts-request
