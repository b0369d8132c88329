//! The simulated providers.

use crate::{Exercise, api::Api, leap::Leap, nvgrid::Nvgrid, openvolt::Openvolt, voltus::Voltus};

/// A provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simulated {
    /// Voltus' sandbox.
    Voltus,
    /// Leap.
    Leap,
    /// `NvGrid`.
    Nvgrid,
    /// Openvolt.
    Openvolt,
}

impl Simulated {
    pub(crate) fn api(self) -> Box<dyn Api> {
        match self {
            Self::Voltus => Box::new(Voltus::default()),
            Self::Leap => Box::new(Leap::default()),
            Self::Nvgrid => Box::new(Nvgrid::default()),
            Self::Openvolt => Box::new(Openvolt::default()),
        }
    }

    /// Its exercises.
    pub fn exercises(self) -> &'static [Exercise] {
        self.api().exercises()
    }
}
