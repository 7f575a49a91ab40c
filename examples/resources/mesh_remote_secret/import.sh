terraform import mesh_remote_secret.us_reads_eu us/istio-system/eu
