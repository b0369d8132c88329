//! Mails: one for each incident and stage, no secret, tests marked as such.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::{incident::Incident, mail::Mail};

use super::Broken;
use crate::{
    Table,
    swarm::{live::Live, plan::Kind},
};

/// What was mailed so far.
#[derive(Debug, Default)]
pub(super) struct Mails {
    seen: usize,
    rows: BTreeMap<String, Incident>,
    claims: usize,
}

impl Mails {
    pub(super) fn look(
        &mut self,
        table: &mut Table<Incident>,
        mails: &[(Timestamp, Mail)],
        live: &Live,
        now: Timestamp,
    ) -> Option<Broken> {
        for key in table.take_written() {
            let Some(row) = table.get(&key) else { continue };
            if let Some(broken) = self.written(&row) {
                return Some(broken);
            }
            self.rows.insert(key, row);
        }
        let new = &mails[self.seen..];
        self.seen = mails.len();
        let sent = mails.len();
        // A list goes out again where somebody died between its mail and the note that it is out: rather twice than never.
        let excused = live.plan.kinds().any(Kind::is_ours);
        if sent > self.claims + live.repeated_mails && !excused {
            let what = format!("{sent} mails for {} claims and {} repetitions", self.claims, live.repeated_mails);
            return Some(("one-mail-per-stage", "mails".to_owned(), what));
        }
        new.iter().find_map(|(_, mail)| check(mail, live, now))
    }

    /// A stage whose mail is out is not claimed once more, as long as it is the same incident.
    fn written(&mut self, row: &Incident) -> Option<Broken> {
        let before = self.rows.get(&row.incident).filter(|before| before.opened_at == row.opened_at);
        for (stage, mail) in &row.mails {
            let earlier = before.and_then(|before| before.mails.get(stage));
            if earlier.is_some_and(|earlier| earlier.owner == mail.owner && earlier.claimed_at == mail.claimed_at) {
                continue;
            }
            self.claims += 1;
            if earlier.is_some_and(|earlier| earlier.sent_at.is_some()) && stage != "over" {
                let what = format!("the stage {stage:?} was mailed, and is claimed again");
                return Some(("one-mail-per-stage", row.incident.clone(), what));
            }
        }
        None
    }
}

fn check(mail: &Mail, live: &Live, _now: Timestamp) -> Option<Broken> {
    let secret =
        super::super::model::SECRETS.iter().any(|secret| mail.text.contains(secret) || mail.html.contains(secret));
    if secret {
        return Some(("no-secret", mail.subject.clone(), "the mail holds a token or a key".to_owned()));
    }
    let story = live.model.dispatches.iter().find(|story| names(&mail.subject, &story.subject))?;
    let marked = mail.subject.contains("[TEST]");
    // Where the table could not be read, the mail says so, and that it may be a test.
    let at_risk = mail.subject.contains("dispatch-at-risk") && !mail.text.contains("Sites, amount, times");
    if (marked && story.test.is_none()) || (at_risk && !marked && story.test.is_some()) {
        let what = format!("{:?}, in truth {:?}", mail.subject, story.test);
        return Some(("test-is-test", story.subject.clone(), what));
    }
    None
}

/// Whether a mail's subject ends with that dispatch's key.
pub(super) fn names(subject: &str, key: &str) -> bool {
    subject.ends_with(key)
}
