//! The source that `gridbell verify` uses. No file contains it: every configuration has it, without a token and without
//! contacts, so it accepts no post and notifies no person. A permit adds both for some minutes.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Channels, Config, Environment, Source, SourceContacts, TokenHash};

/// The name of the source. A file cannot use it.
pub const VERIFY: &str = "gridbell-verify";

static BUILT_IN: LazyLock<Source> = LazyLock::new(|| Source {
    provider: providers::VERIFY,
    environment: Environment::Sandbox,
    api_url: None,
    api_key: None,
    tokens: Vec::new(),
    deadlines: None,
    programs: BTreeMap::new(),
    poll_s: 0,
    requests_a_minute: None,
    contacts: Some(SourceContacts {
        email: Some(Vec::new()),
        escalate: Some(Vec::new()),
        channels: Some(Channels::default()),
    }),
});

/// Permits one run of `gridbell verify` on a stack. It is stored beside the configuration, not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// The hash of the token that opens the source meanwhile.
    pub token: TokenHash,
    /// Who gets the mails about its dispatches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// Until when it is valid.
    pub expires_at: Timestamp,
}

impl Config {
    /// A source by its name: of the file, or the built-in one.
    pub fn named(&self, name: &str) -> Option<&Source> {
        self.sources.get(name).or_else(|| (name == VERIFY).then(|| &*BUILT_IN))
    }

    /// This configuration while the permit is valid; none after it has expired.
    #[must_use]
    pub fn permitting(&self, permit: Permit, now: Timestamp) -> Option<Self> {
        if permit.expires_at <= now {
            return None;
        }
        let email = permit.mail.into_iter().collect();
        let contacts = Some(SourceContacts {
            email: Some(email),
            escalate: Some(Vec::new()),
            channels: Some(Channels::default()),
        });
        let source = Source { tokens: vec![permit.token], contacts, ..BUILT_IN.clone() };
        let mut config = self.clone();
        config.sources.insert(VERIFY.to_owned(), source);
        Some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token;

    fn config() -> Config {
        Config::parse(r#"{"sources":{},"contacts":{"email":["duty@example.com"],"from":"g@example.com"}}"#)
            .expect("good")
    }

    fn permit() -> Permit {
        let expires_at = "2026-03-01T12:15:00Z".parse().expect("an instant");
        Permit { token: TokenHash::of("secret"), mail: Some("ops@example.com".to_owned()), expires_at }
    }

    #[test]
    fn without_a_permit_the_built_in_source_has_no_token_and_notifies_nobody() {
        let config = config();
        let (source, origin) = config.source(VERIFY).expect("built in");
        assert!(origin.sandbox && !token::admits(&source.tokens, "") && !source.is_polled());
        assert_eq!(config.audience(VERIFY).addresses(9), Vec::<String>::new());
        assert_eq!(config.audience("unknown").addresses(0), ["duty@example.com"]);
        assert!(config.source("unknown").is_none());
        assert!(!config.to_json().contains(VERIFY));
    }

    #[test]
    fn a_permit_opens_it_until_it_expires_and_its_mail_goes_to_the_caller_alone() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let config = config().permitting(permit(), at("2026-03-01T12:14:59Z")).expect("valid");
        let (source, origin) = config.source(VERIFY).expect("there");
        assert!(origin.sandbox && token::admits(&source.tokens, "secret") && !token::admits(&source.tokens, "other"));
        assert_eq!(config.audience(VERIFY).addresses(9), ["ops@example.com"]);
        assert!(super::tests::config().permitting(permit(), at("2026-03-01T12:15:00Z")).is_none());
    }

    #[test]
    fn a_permit_reads_back() {
        let json = serde_json::to_string(&permit()).expect("JSON");
        assert_eq!(serde_json::from_str::<Permit>(&json).expect("read"), permit());
    }
}
