//! The form that a browser sends when a button is pressed.

use dispatch::Epoch;

use crate::{
    alerts::{group::AckLink, mail::tame},
    job::clip,
};

/// The longest name that is stored, in characters.
const MAX_NAME: usize = 80;

/// The forms of the page are never longer.
const MAX_BODY_BYTES: usize = 8 * 1_024;

/// Which button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Acknowledge,
    Curtailed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) action: Action,
    /// Empty if the person entered none.
    pub(super) name: String,
    /// The version that the page showed, in its epoch.
    pub(super) seen: Option<(Epoch, u64)>,
}

impl Form {
    /// Parses a form. Links of an earlier release have one button, whose form is empty.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        if body.len() > MAX_BODY_BYTES {
            return Err("The form is too long.".to_owned());
        }
        let mut form = Self { action: Action::Acknowledge, name: String::new(), seen: None };
        let (mut epoch, mut version) = (None, None);
        for (name, value) in form_urlencoded::parse(body) {
            match (name.as_ref(), value.as_ref()) {
                ("do", "acknowledge") => form.action = Action::Acknowledge,
                ("do", "curtailed") => form.action = Action::Curtailed,
                ("do", _) => return Err("No button of this page sends that.".to_owned()),
                ("name", value) => form.name = clip(tame(value).trim(), MAX_NAME),
                ("epoch", value) => epoch = value.parse::<u64>().ok().map(Epoch::from),
                ("version", value) => version = value.parse::<u64>().ok(),
                _ => {}
            }
        }
        form.seen = epoch.zip(version);
        Ok(form)
    }

    /// Who pressed it, if known.
    pub(super) fn by(&self, link: &AckLink) -> String {
        let is_mail = link.to.iter().all(|to| to.contains('@'));
        let how = if is_mail { "in the mail to" } else { "sent to" };
        let link = format!("the link {how} {}", link.to.join(", "));
        if self.name.is_empty() { link } else { format!("{} ({link})", self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_which_button_and_who() {
        let form =
            Form::parse(b"do=curtailed&name=Ada+L%C3%B8vlace%0d%0aBcc%3A&epoch=17&version=3&x=y").expect("a form");
        assert_eq!((form.action, form.seen), (Action::Curtailed, Some((Epoch::from(17), 3))));
        assert_eq!(form.name, "Ada Løvlace Bcc:");
        let old = Form::parse(b"").expect("a form");
        assert_eq!((old.action, old.name.as_str(), old.seen), (Action::Acknowledge, "", None));
        assert_eq!(Form::parse(b"do=curtailed&epoch=-1&version=x").expect("a form").seen, None);
        assert!(Form::parse(b"do=reboot").is_err());
        assert!(Form::parse(&[b'a'; 9_000]).is_err());
        assert_eq!(
            Form::parse(format!("name={}", "é".repeat(900)).as_bytes()).expect("a form").name.chars().count(),
            81
        );
    }
}
