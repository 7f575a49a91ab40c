//! security.istio.io/v1 `PeerAuthentication`.

use serde::Serialize;

/// What servers ask of their callers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerAuthentication {
    /// Mutual TLS.
    pub mtls: MutualTls,
}

/// Mutual TLS of servers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MutualTls {
    /// The mode.
    pub mode: MutualTlsMode,
}

/// Modes of mutual TLS of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MutualTlsMode {
    /// Only mutual TLS.
    Strict,
    /// Mutual TLS and plain text.
    Permissive,
    /// Only plain text.
    Disable,
}

impl MutualTlsMode {
    /// Every mode, with its name in Istio.
    pub const ALL: [(&str, Self); 3] = [("STRICT", Self::Strict), ("PERMISSIVE", Self::Permissive), ("DISABLE", Self::Disable)];

    /// Reads a mode's name.
    ///
    /// # Errors
    /// Anything but the three names, upper case as Istio writes them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode);
        found.ok_or_else(|| {
            format!("{text:?} is not a valid mode of mutual TLS: it must be \"STRICT\", \"PERMISSIVE\" or \"DISABLE\", in upper case")
        })
    }

    /// Its name in Istio.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "STRICT",
            Self::Permissive => "PERMISSIVE",
            Self::Disable => "DISABLE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MutualTlsMode;

    #[test]
    fn a_name_reads_as_the_mode_that_writes_it() {
        for (name, mode) in MutualTlsMode::ALL {
            assert_eq!(MutualTlsMode::parse(name), Ok(mode));
            assert_eq!(mode.as_str(), name);
            assert_eq!(serde_json::json!(mode), name);
        }
        assert!(MutualTlsMode::parse("strict").unwrap_err().contains("\"STRICT\""));
    }
}
