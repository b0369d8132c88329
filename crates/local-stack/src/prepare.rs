//! Prepares a configuration for a local deployment: creates tokens, and reads keys from gridbell's own environment.

use std::collections::BTreeMap;

use super::{aws_api::REGION, token};
use config::{
    Channel, Config, Contacts, OutputTarget, Reference, TokenHash,
    file::{FileError, Place, Problem},
};

/// A prepared configuration, with the tokens and parameters that belong to it.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Each key is a `ssm:` reference, and each endpoint has a token's hash.
    pub(super) config: Config,
    /// The tokens that were created, by source.
    pub(super) tokens: BTreeMap<String, String>,
    /// The token of `/acks/`, if it was created.
    pub(super) ack_token: Option<String>,
    /// The parameters that the functions read.
    pub(super) secrets: Vec<Secret>,
}

/// A parameter to put.
pub(super) struct Secret {
    pub(super) parameter: String,
    pub(super) value: String,
    /// True for a placeholder, which must not replace a real value.
    pub(super) placeholder: bool,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("parameter", &self.parameter)
            .field("value", &"[redacted]")
            .finish_non_exhaustive()
    }
}

/// The value of an emulator's parameter without a given key. No real provider accepts it, but the built-in simulators
/// do.
pub fn placeholder_key(source: &str) -> String {
    format!("placeholder-of-{source}")
}

/// Prepares a configuration. `known` has values of `ssm:` references; `variables` reads gridbell's own environment.
pub(super) fn prepare(
    mut config: Config,
    api_keys: &BTreeMap<String, Place>,
    known: &BTreeMap<String, String>,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Prepared, FileError> {
    let mut secrets = Vec::new();
    let mut tokens = BTreeMap::new();
    for (name, source) in &mut config.sources {
        match &source.api_key {
            None => {}
            Some(Reference::Ssm(path)) => {
                let value = known.get(path).cloned();
                let placeholder = value.is_none();
                let value = value.unwrap_or_else(|| placeholder_key(name));
                secrets.push(Secret { parameter: path.clone(), value, placeholder });
            }
            Some(Reference::Env(variable)) => {
                let value = variables(variable)
                    .filter(|value| !value.trim().is_empty())
                    .ok_or_else(|| unset(name, variable, api_keys.get(name).cloned()))?;
                let parameter = format!("/gridbell/{name}");
                secrets.push(Secret { parameter: parameter.clone(), value, placeholder: false });
                source.api_key = Some(Reference::Ssm(parameter));
            }
        }
        if source.tokens.is_empty() {
            let made = token::random();
            source.tokens.push(TokenHash::of(&made));
            tokens.insert(name.clone(), made);
        }
    }
    channels(&mut config, api_keys, known, variables, &mut secrets)?;
    for (name, output) in &mut config.outputs {
        let OutputTarget::Http { secrets: references, .. } = &mut output.target else { continue };
        for (number, reference) in (1..).zip(references) {
            secrets.push(signing_secret((name, number), reference, known, variables)?);
        }
    }
    // Real keys go first, so that a placeholder of the same name does not replace them.
    secrets.sort_by_key(|secret| secret.placeholder);
    let mut ack_token = None;
    if config.acks.tokens.is_empty() {
        let made = ack_token.insert(token::random());
        config.acks.tokens.push(TokenHash::of(made));
    }
    if config.contacts.is_empty() {
        config.contacts = Contacts::usual(vec!["grid-duty@example.com".to_owned()], "gridbell@example.com".to_owned());
    }
    Ok(Prepared { config, tokens, ack_token, secrets })
}

/// The account of an emulator.
const ACCOUNT: &str = "000000000000";

/// Prepares the channels that ring besides mail: their secrets become parameters, and topics are the emulator's own, of the
/// same name.
fn channels(
    config: &mut Config,
    places: &BTreeMap<String, Place>,
    known: &BTreeMap<String, String>,
    variables: &dyn Fn(&str) -> Option<String>,
    secrets: &mut Vec<Secret>,
) -> Result<(), FileError> {
    for (source, channel) in config.all_channels_mut() {
        let (place, kind) = (channel.place(source), channel.kind());
        if let Channel::Sns { topic } = channel {
            *topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}", topic.rsplit(':').next().unwrap_or(kind));
        }
        let Some(reference) = channel.secret_mut() else { continue };
        match reference.clone() {
            Reference::Ssm(path) => {
                let value = known.get(&path).cloned();
                let placeholder = value.is_none();
                let value = value.unwrap_or_else(|| placeholder_secret(kind));
                secrets.push(Secret { parameter: path, value, placeholder });
            }
            Reference::Env(variable) => {
                let value = variables(&variable).filter(|value| !value.trim().is_empty());
                let value = value.ok_or_else(|| unset_at(&place, kind, &variable, places.get(&place).cloned()))?;
                let parameter = format!("/gridbell/{}", place.replace('.', "-"));
                secrets.push(Secret { parameter: parameter.clone(), value, placeholder: false });
                *reference = Reference::Ssm(parameter);
            }
        }
    }
    Ok(())
}

/// The value of an emulator's parameter for a channel without a given secret. A webhook's has the form of a real one.
fn placeholder_secret(kind: &str) -> String {
    if kind == "webhook" { made_secret() } else { placeholder_key(kind) }
}

/// The parameter of an output's signing secret. Without a value, a secret is made: an output of a test needs one.
fn signing_secret(
    (output, number): (&str, usize),
    reference: &mut Reference,
    known: &BTreeMap<String, String>,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Secret, FileError> {
    match reference {
        Reference::Ssm(path) => {
            let value = known.get(path).cloned();
            let placeholder = value.is_none();
            let value = value.unwrap_or_else(made_secret);
            Ok(Secret { parameter: path.clone(), value, placeholder })
        }
        Reference::Env(variable) => {
            let value = variables(variable).filter(|value| !value.trim().is_empty()).ok_or_else(|| {
                let place = Place { file: "gridbell.toml".to_owned(), line: 1, column: 1 };
                let text = format!("{variable} is not set in gridbell's environment; export it before `gridbell up`");
                FileError::from(Problem { place, key: format!("outputs.{output}.secret"), text })
            })?;
            let parameter = format!("/gridbell/outputs/{output}/{number}");
            *reference = Reference::Ssm(parameter.clone());
            Ok(Secret { parameter, value, placeholder: false })
        }
    }
}

/// 32 random bytes as a signing secret. A token is base64url without padding.
fn made_secret() -> String {
    format!("whsec_{}=", token::random().replace('-', "A").replace('_', "B"))
}

fn unset(source: &str, variable: &str, place: Option<Place>) -> FileError {
    unset_at(&format!("sources.{source}.api_key"), source, variable, place)
}

fn unset_at(key: &str, owner: &str, variable: &str, place: Option<Place>) -> FileError {
    let place = place.unwrap_or_else(|| Place { file: "gridbell.toml".to_owned(), line: 1, column: 1 });
    let text = format!(
        "{variable} is not set in gridbell's environment; export it before `gridbell up`, or write \"ssm:/gridbell/{owner}\""
    );
    FileError::from(Problem { place, key: key.to_owned(), text })
}

#[cfg(test)]
mod tests {
    use config::file::File;

    use super::*;

    const TEXT: &str = "[sources.v]\nprovider = 'voltus'\napi_key = 'env:KEY'\n[sources.l]\nprovider = 'leap'\napi_key = 'ssm:/a/b'\n\
                        token = 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'\n";

    #[test]
    fn keys_become_parameters_and_tokens_hashes() {
        let File { config, api_keys, .. } = File::parse("f", TEXT).expect("good");
        let prepared =
            prepare(config, &api_keys, &BTreeMap::new(), &|name| (name == "KEY").then(|| "s3cr3t".to_owned()))
                .expect("prepared");
        assert_eq!(prepared.config.sources["v"].api_key, Some(Reference::Ssm("/gridbell/v".to_owned())));
        assert_eq!(prepared.config.sources["v"].tokens, [TokenHash::of(&prepared.tokens["v"])]);
        assert_eq!(prepared.tokens.len(), 1);
        assert_eq!(prepared.config.acks.tokens, [TokenHash::of(&prepared.ack_token.clone().expect("made"))]);
        let secrets: Vec<_> =
            prepared.secrets.iter().map(|secret| (secret.parameter.as_str(), secret.value.as_str())).collect();
        assert_eq!(secrets, [("/gridbell/v", "s3cr3t"), ("/a/b", "placeholder-of-l")]);
        assert!(!format!("{prepared:?}").contains("s3cr3t"));
        let json = prepared.config.to_json();
        assert!(!json.contains("s3cr3t") && !json.contains(&prepared.tokens["v"]), "{json}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_with_its_line() {
        let File { config, api_keys, .. } = File::parse("gridbell.toml", TEXT).expect("good");
        let error =
            prepare(config, &api_keys, &BTreeMap::new(), &|_| Some(" ".to_owned())).expect_err("refused").to_string();
        assert_eq!(
            error,
            "gridbell.toml:3:11: sources.v.api_key: KEY is not set in gridbell's environment; export it before `gridbell up`, or write \"ssm:/gridbell/v\""
        );
    }

    #[test]
    fn channels_ring_the_emulators_topics_with_secrets_as_parameters() {
        let text = format!(
            "{TEXT}[contacts]\nemail = ['a@example.com']\nfrom = 'b@example.com'\nsns = 'arn:aws:sns:eu-west-1:123456789012:duty'\n\
             pagerduty = 'env:PD'\nwebhook = {{ url = 'https://a.example.com', secret = 'ssm:/a/hook' }}\n"
        );
        let File { config, api_keys, .. } = File::parse("f", &text).expect("good");
        let unset =
            prepare(config.clone(), &api_keys, &BTreeMap::new(), &|name| (name == "KEY").then(|| "k".to_owned()));
        let unset = unset.expect_err("refused").to_string();
        assert!(unset.starts_with("f:12:13: contacts.pagerduty: PD is not set"), "{unset}");
        let prepared = prepare(config, &api_keys, &BTreeMap::new(), &|_| Some("s3cr3t".to_owned())).expect("prepared");
        let topic = "arn:aws:sns:us-east-1:000000000000:duty".to_owned();
        assert_eq!(prepared.config.contacts.channels.to[0], Channel::Sns { topic });
        let value = |parameter: &str| {
            let secret = prepared.secrets.iter().find(|secret| secret.parameter == parameter).expect("put");
            secret.value.clone()
        };
        assert_eq!(value("/gridbell/contacts-pagerduty"), "s3cr3t");
        assert!(value("/a/hook").starts_with("whsec_"));
        assert!(!prepared.config.to_json().contains("s3cr3t"));
    }
}
