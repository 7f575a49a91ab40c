//! Being a plugin process of Terraform.
