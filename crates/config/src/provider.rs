//! What the configuration must know of each provider: its name, its own addresses, whether it is asked with a key.

use serde::Serialize;

/// Whose webhooks a source takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Voltus.
    Voltus,
    /// Leap, meter and group bodies.
    Leap,
    /// `NvGrid`, which pushes everything: the functions never ask it.
    Nvgrid,
    /// Openvolt.
    Openvolt,
}

/// Which of the provider's worlds a source belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real dispatches.
    #[default]
    Production,
    /// Everything is a test.
    Sandbox,
}

impl Provider {
    /// All, in the order in which they are listed to people.
    pub const ALL: [Self; 4] = [Self::Voltus, Self::Leap, Self::Nvgrid, Self::Openvolt];

    /// The name in `gridbell.toml` and everywhere else.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voltus => "voltus",
            Self::Leap => "leap",
            Self::Nvgrid => "nvgrid",
            Self::Openvolt => "openvolt",
        }
    }

    /// The provider by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }

    /// The provider's own API, before the documented path; none where it is never asked.
    pub const fn default_api_url(self, environment: Environment) -> Option<&'static str> {
        Some(match (self, environment) {
            (Self::Voltus, Environment::Production) => "https://api.voltus.co",
            (Self::Voltus, Environment::Sandbox) => "https://sandbox.voltus.co",
            (Self::Leap, Environment::Production) => "https://api.leap.energy/v2",
            (Self::Leap, Environment::Sandbox) => "https://api.staging.leap.energy/v2",
            (Self::Openvolt, _) => "https://api.openvolt.com",
            (Self::Nvgrid, _) => return None,
        })
    }

    /// Whether it lists its dispatches, so that they can be polled.
    pub const fn lists_dispatches(self) -> bool {
        matches!(self, Self::Voltus | Self::Leap)
    }

    /// Whether a webhook of it can only be understood by asking it with a key.
    pub const fn needs_api_key(self) -> bool {
        !matches!(self, Self::Nvgrid)
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
