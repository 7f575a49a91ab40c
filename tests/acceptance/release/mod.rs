//! What users install: the archives and mirrors that `make dist` has made. Needs no cluster, except where a test says so.

mod arm64;
mod chroot;
mod dist;
mod docs;
mod files;
mod install;
mod pipeline;
mod policies;
mod registry;
mod reproducible;
mod server;
mod signing;
