terraform import mesh_root_ca.mesh us/istio-system/mesh-root-ca
