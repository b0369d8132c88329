//! The on-call person: reads the mails, opens their links, and acknowledges.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::driver::{Done, Driver, Event, Purpose};
use crate::{Function, functions::PUBLIC_URL};

/// A person opens a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Follows {
    secret: String,
    /// Whether the person presses a button. If not, only the page is opened, as mail scanners do.
    presses: bool,
    /// Whether it is the other button: that the person has curtailed by hand.
    curtails: bool,
    attempt: u32,
}

impl Follows {
    /// What is pressed: a link has two buttons.
    fn button(&self) -> String {
        format!("{}{}", self.secret, if self.curtails { ", by hand" } else { "" })
    }
}

/// How often a person retries after the answer 503.
const MOST_ATTEMPTS: u32 = 40;

impl Driver<'_> {
    /// The person reads the new mails and decides what to do about their links.
    pub(super) fn read_mails(&mut self, now: Timestamp) {
        let links: Vec<String> = self.sim.with(|state| {
            let new = state.mails.get(self.mails_read..).unwrap_or_default();
            self.mails_read = state.mails.len();
            new.iter().filter_map(|(_, mail)| secret_in(&mail.text)).collect()
        });
        if !self.live(|live| live.scenario.reads_mail) {
            return;
        }
        for secret in links {
            let (scanned, takes_on, after_s) =
                self.live(|live| (live.random.up_to(3) == 0, live.random.up_to(2) > 0, live.random.up_to(900)));
            let curtails = self.live(|live| live.random.up_to(3) == 0);
            let follows = |presses, curtails| Follows { secret: secret.clone(), presses, curtails, attempt: 0 };
            if scanned {
                self.at(now, Event::Follow(follows(false, false)));
            }
            if takes_on {
                self.at(now + seconds(after_s), Event::Follow(follows(true, curtails)));
            }
        }
    }

    pub(super) fn follow(&mut self, follows: Follows, now: Timestamp) {
        let (secret, method) = (follows.secret.clone(), if follows.presses { "POST" } else { "GET" });
        if follows.presses {
            self.pressed.entry(follows.button()).or_default().tried = true;
        }
        let curtails = follows.curtails;
        self.live(|live| {
            live.journal.note(now, "follow", || json!({ "method": method, "link": secret, "by_hand": curtails }));
        });
        self.start(Function::Alerter, Purpose::Follow(follows), move |invocation| {
            Box::pin(async move {
                let form =
                    if curtails { by_hand(&invocation.follow("GET", &secret, "").await.body) } else { String::new() };
                Done::Status(invocation.follow(method, &secret, &form).await.status)
            })
        });
    }

    /// Checks a link's answer: a link works once, for the person who presses its button; opening the page does not use
    /// it up.
    pub(super) fn followed(&mut self, follows: Follows, status: Option<u16>, now: Timestamp) {
        let known = self.pressed.get(&follows.button()).copied().unwrap_or_default();
        let broken = match status {
            Some(404) => Some("a mail's link leads nowhere".to_owned()),
            Some(410) if !known.tried => Some("a link is used up before its first use".to_owned()),
            Some(200) if follows.presses && known.worked => Some("a link worked twice".to_owned()),
            _ => None,
        };
        if let Some(what) = broken {
            return self.live(|live| live.violated(now, "a-link-works-once", &follows.secret, what));
        }
        match status {
            Some(200) if follows.presses => {
                self.pressed.insert(follows.button(), Pressed { tried: true, worked: true });
                if self.live(|live| live.random.up_to(2) == 0) {
                    self.at(now + seconds(1), Event::Follow(follows)); // a double click
                }
            }
            None | Some(503) if follows.attempt < MOST_ATTEMPTS => {
                self.at(now + seconds(20), Event::Follow(Follows { attempt: follows.attempt + 1, ..follows }));
            }
            _ => {}
        }
    }
}

/// How a link's button was used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pressed {
    tried: bool,
    worked: bool,
}

/// The form of the button *I have curtailed by hand*, as the page has it; without one, a form that no version fits.
fn by_hand(page: &str) -> String {
    let value = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let (epoch, version) = (value("epoch").unwrap_or_default(), value("version").unwrap_or_default());
    format!("do=curtailed&name=Ada&epoch={epoch}&version={version}")
}

fn secret_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("{PUBLIC_URL}/alerts/"))?;
    let secret: String = rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    (!secret.is_empty()).then_some(secret)
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
}
