terraform import mesh_cluster.eu eu/istio-system
