//! The tfplugin protocol, version 6.
