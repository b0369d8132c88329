//! Prepares a file for an apply: takes missing values from the running configuration, refuses values that cannot run.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use config::{Channel, Config, MAX_JSON_BYTES, OutputTarget, Reference, TokenHash};
use local_stack::random_token;

use crate::console::StackInfo;

/// A configuration that can be applied.
#[derive(Debug)]
pub(super) struct Shipped {
    pub(super) config: Config,
    /// The same as the functions read it.
    pub(super) json: String,
    /// Tokens generated for sources without one, by source.
    pub(super) made: Vec<(String, String)>,
}

/// What the functions of a stack may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed<'a> {
    /// It is the local stack.
    pub(super) local: bool,
    /// The path of the parameters that they may read.
    pub(super) secrets: Option<&'a str>,
    /// The name of the topics that they may publish to; it may end with `*`.
    pub(super) topics: Option<&'a str>,
}

impl<'a> Allowed<'a> {
    pub(super) fn of(stack: &'a StackInfo, local: bool) -> Self {
        let parameter = |name: &str| stack.parameters.get(name).map(String::as_str);
        Self { local, secrets: parameter("SecretsPrefix"), topics: parameter("AlertTopics") }
    }
}

/// Refuses channels that cannot ring: their secret or topic is out of the functions' reach.
fn channels(config: &mut Config, running: &Config, allowed: Allowed<'_>) -> Result<()> {
    let Allowed { local, secrets, topics } = allowed;
    let known: BTreeMap<String, Channel> =
        running.all_channels().map(|(source, channel)| (channel.place(source), channel.clone())).collect();
    for (source, channel) in config.all_channels_mut() {
        let place = channel.place(source);
        let runs = known.get(&place);
        if let Channel::Sns { topic } = channel {
            let name = topic.rsplit(':').next().unwrap_or(topic);
            match (local, runs) {
                // `up` has made a topic of that name.
                (true, Some(runs)) => *channel = runs.clone(),
                (true, None) => bail!("{place}: the local stack has no such topic yet; start `gridbell up` anew"),
                (false, _) if topics.is_some_and(|topics| !fits(name, topics)) => bail!(
                    "{place}: the functions may publish to topics named {} alone; deploy the stack with AlertTopics={name} first",
                    topics.unwrap_or_default()
                ),
                (false, _) => {}
            }
            continue;
        }
        let Some(secret) = channel.secret_mut() else { continue };
        match (&*secret, runs.and_then(Channel::secret)) {
            (Reference::Env(_), Some(known)) if local => *secret = known.clone(),
            (key @ Reference::Env(_), _) => {
                bail!(
                    "{place}: {key} cannot be read by functions that run already; put the secret into SSM and write ssm:/…"
                )
            }
            (key @ Reference::Ssm(path), _) if !path.starts_with(secrets.unwrap_or("/")) => bail!(
                "{place}: the functions may read below {} alone, and {key} lies elsewhere",
                secrets.unwrap_or("/")
            ),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a name fits a pattern, which may end with `*`.
fn fits(name: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |prefix| name.starts_with(prefix))
}

/// Completes the file's configuration from the running one.
///
/// # Errors
/// A value that cannot run: a key in the environment, a path that the functions may not read, too many characters.
pub(super) fn complete(mut config: Config, running: &Config, allowed: Allowed<'_>) -> Result<Shipped> {
    let Allowed { local, secrets, .. } = allowed;
    let mut made = Vec::new();
    for (name, source) in &mut config.sources {
        let known = running.sources.get(name);
        if source.tokens.is_empty() {
            source.tokens = known.map(|known| known.tokens.clone()).unwrap_or_default();
        }
        if source.tokens.is_empty() {
            let token = random_token();
            source.tokens.push(TokenHash::of(&token));
            made.push((name.clone(), token));
        }
        match &source.api_key {
            // `up` has stored its value where the functions read it.
            Some(Reference::Env(_)) if local && known.is_some_and(|known| known.api_key.is_some()) => {
                source.api_key = known.and_then(|known| known.api_key.clone());
            }
            Some(key @ Reference::Env(_)) => bail!(
                "sources.{name}.api_key: {key} cannot be read by functions that run already; put the key into SSM and write ssm:/…"
            ),
            Some(key @ Reference::Ssm(path)) => {
                let prefix = secrets.unwrap_or("/");
                if !path.starts_with(prefix) {
                    bail!(
                        "sources.{name}.api_key: the functions may read below {prefix} alone, and {key} lies elsewhere"
                    );
                }
            }
            None => {}
        }
    }
    channels(&mut config, running, allowed)?;
    for (name, output) in &mut config.outputs {
        let OutputTarget::Http { secrets: references, .. } = &mut output.target else { continue };
        let known = running.outputs.get(name).map(|output| &output.target);
        complete_secrets(name, references, known.filter(|_| local), secrets)?;
    }
    if config.acks.tokens.is_empty() {
        config.acks.tokens.clone_from(&running.acks.tokens);
    }
    if config.contacts.is_empty() {
        config.contacts.clone_from(&running.contacts);
    }
    if config.contacts.is_empty() {
        bail!("contacts: without them no person is notified of anything; write [contacts] with email and from");
    }
    let json = config.to_json();
    if json.len() > MAX_JSON_BYTES {
        bail!("the configuration takes {} bytes, and the functions read {MAX_JSON_BYTES}", json.len());
    }
    if let Err(reason) = aws::http::check_all(&config).and_then(|()| aws::targets::check_all(&config)) {
        bail!("{reason}");
    }
    Ok(Shipped { config, json, made })
}

/// The references to an output's signing secrets, as the functions can read them.
fn complete_secrets(
    output: &str,
    references: &mut [Reference],
    known: Option<&OutputTarget>,
    prefix: Option<&str>,
) -> Result<()> {
    let known = match known {
        Some(OutputTarget::Http { secrets, .. }) => secrets.as_slice(),
        _ => &[],
    };
    for (place, reference) in references.iter_mut().enumerate() {
        match reference {
            // `up` has stored its value where the functions read it.
            Reference::Env(_) if known.len() > place => reference.clone_from(&known[place]),
            Reference::Env(_) => bail!(
                "outputs.{output}.secret: {reference} cannot be read by functions that run already; put the secret into SSM and write ssm:/…"
            ),
            Reference::Ssm(path) if !path.starts_with(prefix.unwrap_or("/")) => bail!(
                "outputs.{output}.secret: the functions may read below {} alone, and {reference} lies elsewhere",
                prefix.unwrap_or("/")
            ),
            Reference::Ssm(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[sources.a]\nprovider = 'voltus'\napi_key = 'ssm:/gridbell/a'\n[sources.n]\nprovider = 'nvgrid'\n\
                        [contacts]\nemail = ['duty@example.com']\nfrom = 'gridbell@example.com'\n";

    fn file(text: &str) -> Config {
        config::file::File::parse("gridbell.toml", text).expect("good").config
    }

    fn allowed(secrets: &str) -> Allowed<'_> {
        Allowed { local: false, secrets: Some(secrets), topics: Some("gridbell-*") }
    }

    fn running(json: &str) -> Config {
        Config::parse(json).expect("good")
    }

    #[test]
    fn tokens_that_run_are_kept_and_missing_ones_made() {
        let hash = TokenHash::of("known").to_hex();
        let runs = running(&format!(r#"{{"sources":{{"a":{{"provider":"voltus","tokens":["{hash}"]}}}}}}"#));
        let shipped = complete(file(FILE), &runs, allowed("/gridbell/")).expect("complete");
        assert_eq!(shipped.config.sources["a"].tokens, [TokenHash::of("known")]);
        let [(name, token)] = shipped.made.as_slice() else { panic!("one is made: {:?}", shipped.made.len()) };
        assert_eq!((name.as_str(), &shipped.config.sources["n"].tokens), ("n", &vec![TokenHash::of(token)]));
        assert!(!shipped.json.contains(token.as_str()));
    }

    #[test]
    fn what_cannot_run_is_refused() {
        let nothing = running(r#"{"sources":{}}"#);
        let check = |text: &str, secrets: &str, expected: &str| {
            let error = complete(file(text), &nothing, allowed(secrets)).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(FILE, "/other/", "may read below /other/ alone");
        check(&FILE.replace("ssm:/gridbell/a", "env:KEY"), "/", "cannot be read by functions that run already");
        check("[sources.n]\nprovider = 'nvgrid'\n", "/", "without them no person is notified");
        let with = |channel: &str| format!("{FILE}{channel}\n");
        check(&with("sns = 'arn:aws:sns:us-east-1:123456789012:duty'"), "/", "deploy the stack with AlertTopics=duty");
        check(&with("pagerduty = 'env:KEY'"), "/", "contacts.pagerduty: env:KEY cannot be read");
        check(&with("pagerduty = 'ssm:/other/pd'"), "/gridbell/", "contacts.pagerduty: the functions may read below");
        let good = with("sns = 'arn:aws:sns:us-east-1:123456789012:gridbell-duty'\npagerduty = 'ssm:/gridbell/pd'");
        assert!(complete(file(&good), &nothing, allowed("/gridbell/")).is_ok());
    }
}
