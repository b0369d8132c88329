//! The simulated providers.

use crate::{Exercise, api::Api, leap::LEAP, nvgrid::NVGRID, openvolt::OPENVOLT, voltus::VOLTUS};

/// The providers that can be simulated, in the order in which they are listed to people. Nothing else outside a simulator's folder
/// has to name it.
pub static SIMULATED: &[&Simulated] = &[&VOLTUS, &LEAP, &NVGRID, &OPENVOLT];

/// The simulator of the provider of that name; not every provider has one.
pub fn simulated(name: &str) -> Option<&'static Simulated> {
    SIMULATED.iter().copied().find(|simulated| simulated.name == name)
}

/// A provider that can be simulated. Each folder has one.
pub struct Simulated {
    /// The provider's name.
    pub name: &'static str,
    /// What stands in the provider's base before the documented paths, such as `/v2`.
    pub base: &'static str,
    /// The description by which it is asked over gRPC, where it is.
    pub proto: Option<&'static str>,
    pub(crate) api: fn() -> Box<dyn Api>,
    /// What it can play.
    pub exercises: &'static [Exercise],
}

impl std::fmt::Debug for Simulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
