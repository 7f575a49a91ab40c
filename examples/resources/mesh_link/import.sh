terraform import mesh_link.us_to_eu us/istio-system/eu-net
