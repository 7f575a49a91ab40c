output "expires_at" {
  description = "When the tokens expire, by the reading cluster and the one that it reads."
  value       = { for pair, secret in mesh_remote_secret.this : pair => secret.expires_at }
}
