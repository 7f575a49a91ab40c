//! A Terraform and OpenTofu provider for Istio meshes over several clusters and networks.
