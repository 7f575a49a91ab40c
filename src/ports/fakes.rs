//! In-memory stand-ins for fast unit tests of the life cycles.
