terraform import mesh_cluster_ca.eu eu/istio-system
