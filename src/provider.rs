//! The provider: its configuration and its resources.
