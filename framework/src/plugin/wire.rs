//! The generated messages and services of go-plugin.

#![allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]

tonic::include_proto!("plugin");
