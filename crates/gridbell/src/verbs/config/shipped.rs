//! Prepares a file for an apply: takes missing values from the running configuration, refuses values that cannot run.

use anyhow::{Result, bail};
use config::{Config, MAX_JSON_BYTES, Reference, TokenHash};
use local_stack::random_token;

/// A configuration that can be applied.
#[derive(Debug)]
pub(super) struct Shipped {
    pub(super) config: Config,
    /// The same as the functions read it.
    pub(super) json: String,
    /// Tokens generated for sources without one, by source.
    pub(super) made: Vec<(String, String)>,
}

/// Completes the file's configuration from the running one.
///
/// # Errors
/// A value that cannot run: a key in the environment, a path that the functions may not read, too many characters.
pub(super) fn complete(mut config: Config, running: &Config, local: bool, secrets: Option<&str>) -> Result<Shipped> {
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
    if let Err(reason) = aws::http::check_all(&config) {
        bail!("{reason}");
    }
    Ok(Shipped { config, json, made })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[sources.a]\nprovider = 'voltus'\napi_key = 'ssm:/gridbell/a'\n[sources.n]\nprovider = 'nvgrid'\n\
                        [contacts]\nemail = ['duty@example.com']\nfrom = 'gridbell@example.com'\n";

    fn file(text: &str) -> Config {
        config::file::File::parse("gridbell.toml", text).expect("good").config
    }

    fn running(json: &str) -> Config {
        Config::parse(json).expect("good")
    }

    #[test]
    fn tokens_that_run_are_kept_and_missing_ones_made() {
        let hash = TokenHash::of("known").to_hex();
        let runs = running(&format!(r#"{{"sources":{{"a":{{"provider":"voltus","tokens":["{hash}"]}}}}}}"#));
        let shipped = complete(file(FILE), &runs, false, Some("/gridbell/")).expect("complete");
        assert_eq!(shipped.config.sources["a"].tokens, [TokenHash::of("known")]);
        let [(name, token)] = shipped.made.as_slice() else { panic!("one is made: {:?}", shipped.made.len()) };
        assert_eq!((name.as_str(), &shipped.config.sources["n"].tokens), ("n", &vec![TokenHash::of(token)]));
        assert!(!shipped.json.contains(token.as_str()));
    }

    #[test]
    fn what_cannot_run_is_refused() {
        let nothing = running(r#"{"sources":{}}"#);
        let check = |text: &str, secrets: &str, expected: &str| {
            let error = complete(file(text), &nothing, false, Some(secrets)).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(FILE, "/other/", "may read below /other/ alone");
        check(&FILE.replace("ssm:/gridbell/a", "env:KEY"), "/", "cannot be read by functions that run already");
        check("[sources.n]\nprovider = 'nvgrid'\n", "/", "without them no person is notified");
    }
}
