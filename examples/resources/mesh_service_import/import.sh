terraform import mesh_service_import.cart us/istio-system/cart.eu.mesh.local
