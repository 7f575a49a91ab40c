//! Localities as Istio writes them: region, zone and subzone.

use std::fmt;

/// `region[/zone[/subzone]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locality(String);

impl Locality {
    /// Reads a locality.
    ///
    /// # Errors
    /// A message that says what is wrong and what would be valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fault = |fault: &str| {
            Err(format!("{text:?} is not a valid locality: {fault}. Write \"region\", \"region/zone\" or \"region/zone/subzone\"."))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return fault("a part of it is empty");
        }
        if text.contains('*') {
            return fault("it has a wildcard");
        }
        if text.contains(char::is_whitespace) {
            return fault("it has a space");
        }
        if parts.len() > 3 {
            return fault("it has more than three parts");
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_one_to_three_parts() {
        for text in ["eu", "eu-west-1/a", "eu-west-1/a/rack-3"] {
            assert_eq!(Locality::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "eu/", "/eu", "a/b/c/d", "eu/*", "e u"] {
            assert!(Locality::parse(text).unwrap_err().contains("region/zone"), "{text}");
        }
    }
}
