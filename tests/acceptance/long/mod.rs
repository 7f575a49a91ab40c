//! Tests that take longer than a pull request may wait: `make test-long`. docs/reliability.md has their last results.

mod canary;
mod changes;
mod faults;
mod mesh;
mod side_by_side;
mod three_clusters;
mod three_clusters_as_one;
mod upgrade;
