terraform import mesh_eastwest_gateway.eu eu/istio-system/istio-eastwestgateway
