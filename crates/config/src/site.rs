//! `[sites."SOURCE/SITE"]`: what people need to know about a site at 3 a.m.

use serde::{Deserialize, Serialize};

/// The operator's data about a site, meter or power feed: for people, not for controllers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The IANA name of its time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whom to call there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// How to curtail by hand; may have several lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// A page with the full description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
    /// Further people who are notified of its dispatches, besides the source's contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<SiteContacts>,
}

/// Further people who are notified of a site's dispatches, besides the source's contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteContacts {
    /// Mail addresses.
    pub email: Vec<String>,
}
