//! `[contacts]`, and `[sources.NAME.contacts]`, which overrides it: who is notified, how often, and who is notified
//! later.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::Channels;

/// Who is notified, by which sender, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contacts {
    /// Addresses of the people on duty.
    pub email: Vec<String>,
    /// The verified sender.
    pub from: String,
    /// The interval between reminders of an incident that no person has acknowledged, in seconds; 0: never.
    #[serde(default = "usual_remind_s", skip_serializing_if = "is_usual_remind")]
    pub remind_s: u32,
    /// The steps of the escalation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
    /// How long the first mail of a group waits for others, in seconds, unless it is urgent.
    #[serde(default = "usual_group_wait_s", skip_serializing_if = "is_usual_group_wait")]
    pub group_wait_s: u32,
    /// How long the next mail of a group waits after the previous one, in seconds, unless it is urgent.
    #[serde(default = "usual_group_interval_s", skip_serializing_if = "is_usual_group_interval")]
    pub group_interval_s: u32,
    /// The channels that ring besides mail.
    #[serde(default, skip_serializing_if = "Channels::is_usual")]
    pub channels: Channels,
}

/// Further people who are notified of an incident that no person has acknowledged after some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// This long after it opened, in seconds.
    pub after_s: u32,
    /// Addresses.
    pub email: Vec<String>,
}

/// People who are notified of one source; anything left out is as in the general contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceContacts {
    /// In place of the general addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Vec<String>>,
    /// In place of the general escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Vec<Escalation>>,
    /// In place of the general channels: all that ring for this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
}

fn usual_remind_s() -> u32 {
    900
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_remind(seconds: &u32) -> bool {
    *seconds == usual_remind_s()
}

fn usual_group_wait_s() -> u32 {
    30
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_group_wait(seconds: &u32) -> bool {
    *seconds == usual_group_wait_s()
}

fn usual_group_interval_s() -> u32 {
    300
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_group_interval(seconds: &u32) -> bool {
    *seconds == usual_group_interval_s()
}

impl Default for Contacts {
    fn default() -> Self {
        Self::usual(Vec::new(), String::new())
    }
}

impl Contacts {
    /// The people who are notified where a source has these contacts of its own.
    pub(crate) fn audience<'c>(&'c self, own: Option<&'c SourceContacts>) -> Audience<'c> {
        Audience {
            email: own.and_then(|own| own.email.as_deref()).unwrap_or(&self.email),
            escalate: own.and_then(|own| own.escalate.as_deref()).unwrap_or(&self.escalate),
        }
    }

    /// The channels that ring where a source has these contacts of its own.
    pub(crate) fn channels<'c>(&'c self, own: Option<&'c SourceContacts>) -> &'c Channels {
        own.and_then(|own| own.channels.as_ref()).unwrap_or(&self.channels)
    }

    /// Whether no person is notified: the file has no `[contacts]`.
    pub fn is_empty(&self) -> bool {
        self.email.is_empty()
    }

    /// These addresses with the default settings.
    pub fn usual(email: Vec<String>, from: String) -> Self {
        Self {
            email,
            from,
            remind_s: usual_remind_s(),
            escalate: Vec::new(),
            group_wait_s: usual_group_wait_s(),
            group_interval_s: usual_group_interval_s(),
            channels: Channels::default(),
        }
    }
}

/// The people who are notified of one source's incidents, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience<'c> {
    email: &'c [String],
    escalate: &'c [Escalation],
}

impl<'c> Audience<'c> {
    /// The steps of the escalation, the earliest first.
    pub fn steps(self) -> &'c [Escalation] {
        self.escalate
    }

    /// How many steps are due when an incident has been open for so long.
    pub fn level(self, age: SignedDuration) -> usize {
        self.escalate.iter().take_while(|step| SignedDuration::from_secs(i64::from(step.after_s)) <= age).count()
    }

    /// All addresses up to that step, each once.
    pub fn addresses(self, level: usize) -> Vec<String> {
        let steps = self.escalate.iter().take(level).flat_map(|step| &step.email);
        let mut addresses: Vec<String> = Vec::new();
        for address in self.email.iter().chain(steps) {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }
}
