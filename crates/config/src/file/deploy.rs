//! What only a deployment needs: the local stack does without it.

use super::{File, Place, Problem};
use crate::{Deadlines, Reference, Source};

impl File {
    /// The mistakes that stop a deployment, and not the local stack.
    pub fn deployment_mistakes(&self, file: &str) -> Vec<Problem> {
        let start = Place { file: file.to_owned(), line: 1, column: 1 };
        let mut problems: Vec<Problem> =
            self.config.sources.iter().flat_map(|(name, source)| self.of_source(name, source, &start)).collect();
        if let Some(name) = self.must_acknowledge().filter(|_| self.config.acks.tokens.is_empty()) {
            let text = "acknowledge = true, and no token lets a controller acknowledge; write [acks] with a token";
            let place = name.and_then(|name| self.places.get(name)).cloned().unwrap_or_else(|| start.clone());
            problems.push(Problem { place, key: "acks".to_owned(), text: text.to_owned() });
        }
        if self.config.contacts.is_empty() {
            let text = "nobody is notified of anything; write [contacts] with email and from".to_owned();
            problems.push(Problem { place: start, key: "contacts".to_owned(), text });
        }
        problems.extend(self.of_channels());
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        problems
    }

    /// The channels whose secret only the local stack can read. One that a source takes from the general ones has no
    /// position of its own.
    fn of_channels(&self) -> Vec<Problem> {
        let general = self.config.contacts.channels.to.iter().map(|channel| (None, channel));
        let own = self.config.sources.iter().filter_map(|(name, source)| {
            let channels = source.contacts.as_ref()?.channels.as_ref()?;
            Some(channels.to.iter().map(move |channel| (Some(name.as_str()), channel)))
        });
        let all = general.chain(own.flatten());
        let wrong = all.filter_map(|(source, channel)| {
            let secret = channel.secret().filter(|secret| matches!(secret, Reference::Env(_)))?;
            let key = channel.place(source);
            let place = self.api_keys.get(&key)?.clone();
            let text = format!("only the local stack can read {secret}; put it into SSM and write \"ssm:/…\"");
            Some(Problem { place, key, text })
        });
        wrong.collect()
    }

    fn of_source(&self, name: &str, source: &Source, start: &Place) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(key @ Reference::Env(_)) = &source.api_key {
            let place = self.api_keys.get(name).unwrap_or(start).clone();
            let text =
                format!("only the local stack can read {key}; put the key into SSM and write \"ssm:/gridbell/{name}\"");
            problems.push(Problem { place, key: format!("sources.{name}.api_key"), text });
        }
        if source.tokens.is_empty() {
            let place = self.places.get(name).unwrap_or(start).clone();
            let text = "token is missing, so no webhook is accepted; write the hash of a token of your own".to_owned();
            problems.push(Problem { place, key: format!("sources.{name}"), text });
        }
        problems
    }

    /// Where a controller must acknowledge: in general (none), or at the first source that says so.
    fn must_acknowledge(&self) -> Option<Option<&str>> {
        if self.config.deadlines.acknowledge {
            return Some(None);
        }
        let must = |source: &Source| {
            source.deadlines.iter().chain(source.programs.values()).any(|deadlines: &Deadlines| deadlines.acknowledge)
        };
        self.config.sources.iter().find(|(_, source)| must(source)).map(|(name, _)| Some(name.as_str()))
    }
}
