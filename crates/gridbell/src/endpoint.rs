//! A source of a running stack: its provider's API, its key, and its webhook endpoint.

use std::fmt;

use anyhow::{Context, Result, bail};
use aws::secrets::{AwsKeys, KeySource, Reference, Secret};
use pipeline::config::{Config, Environment, Source, token};
use providers::Provider;
use url::Url;

use crate::{
    console::{Console, Place, Which},
    usage,
};

/// Where a source's webhooks go, if not to the address in `stack.json`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Where webhooks go")]
pub(crate) struct Where {
    /// The hook's public address, with or without its token; a tunnel's bare address stands for the stack behind it
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<Url>,
    /// Where the hook's token is stored: `env:NAME` or `ssm:/path` [default: the one in the address]
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) token: Option<Lies>,
}

/// A reference to a secret, as typed. If a person types the secret itself, it must not be printed; clap would print it.
#[derive(Debug, Clone)]
pub(crate) struct Lies(Option<Reference>);

impl From<&str> for Lies {
    fn from(text: &str) -> Self {
        Self(Reference::parse(text))
    }
}

impl Lies {
    /// The reference, if the text is one.
    ///
    /// # Errors
    /// It is no reference (exit status 2).
    pub(crate) fn reference(&self, flag: &str) -> Result<&Reference> {
        let wrong = || usage::error(format!("{flag} is env:NAME or ssm:/path/of/parameter, never the secret itself"));
        self.0.as_ref().ok_or_else(wrong)
    }
}

/// A source of an opened stack.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) console: Console,
    pub(crate) name: String,
    pub(crate) provider: &'static dyn Provider,
    source: Source,
}

/// How a registered address relates to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The source's own address, with a valid token.
    Here,
    /// The source's own address, without a valid token.
    Locked,
    /// Another host, with a valid token of the source: a tunnel or a domain in front of the stack.
    InFront,
    /// Not an address of this source.
    Foreign,
}

/// The error for an unknown source: a wrong command line.
pub(crate) fn no_source(config: &Config, name: &str) -> anyhow::Error {
    let known: Vec<&str> = config.sources.keys().map(String::as_str).collect();
    let name = crate::show::name(name);
    usage::error(format!("there is no source {name} in this stack; it has {}", known.join(", ")))
}

/// The address and the token of a hook. `Display` leaves the token out.
#[derive(Clone)]
pub(crate) struct HookAddress {
    /// Ends with the source's name.
    pub(crate) url: Url,
    pub(crate) token: Secret,
}

impl Opened {
    /// Opens the stack and finds the source in the configuration that its functions run with.
    ///
    /// # Errors
    /// In one line: as [`Which::open`], or the source is unknown (exit status 2).
    pub(crate) async fn open(which: &Which, name: &str) -> Result<Self> {
        let console = which.open().await?;
        let config = console.config().await?;
        Self::of(&console, &config, name)
    }

    /// The source in the configuration of an opened stack.
    ///
    /// # Errors
    /// In one line: the source is unknown (exit status 2).
    pub(crate) fn of(console: &Console, config: &Config, name: &str) -> Result<Self> {
        let source = config.sources.get(name).ok_or_else(|| no_source(config, name))?.clone();
        Ok(Self { console: console.clone(), name: name.to_owned(), provider: source.provider, source })
    }

    /// Whether every dispatch of the source is a test.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.source.environment == Environment::Sandbox
    }

    /// Whether two tokens are valid.
    pub(crate) fn rotates(&self) -> bool {
        self.source.tokens.len() > 1
    }

    /// The base of the provider's API; none where gridbell never calls it.
    pub(crate) fn api_url(&self) -> Result<Option<Url>> {
        let parse =
            |text: &String| Url::parse(text).with_context(|| format!("the api_url of {} is no address", self.name));
        self.source.api_url.as_ref().map(parse).transpose()
    }

    /// The API key.
    pub(crate) async fn key(&self) -> Result<Secret> {
        self.read(self.source.api_key.as_ref().with_context(|| format!("{} has no api_key", self.name))?).await
    }

    /// The hook's address in the stack, with its token where this machine knows it.
    fn own(&self) -> Result<Url> {
        let hook = match &self.console.place {
            Place::Local { hooks } => hooks.get(&self.name).cloned(),
            Place::Deployed { .. } => None,
        };
        let own = hook.unwrap_or_else(|| format!("{}/hooks/{}", self.console.webhook_base, self.name));
        Url::parse(&own).context("the stack's address cannot be read")
    }

    /// The host of a registered address, and how the address, or the token in its header, relates to this source.
    pub(crate) fn standing(&self, address: &str, header: Option<&str>) -> (String, Standing) {
        // Voltus' samples show an address without its scheme.
        let whole = if address.contains("://") { address.to_owned() } else { format!("https://{address}") };
        let Ok(url) = Url::parse(&whole) else { return ("?".to_owned(), Standing::Foreign) };
        let bare = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default(), url.path().to_owned());
        let own = self.own().and_then(|own| split(&own, &self.name)).map(|(own, _)| bare(&own)).ok();
        let Ok((at, in_path)) = split(&url, &self.name) else {
            return (url.origin().ascii_serialization(), Standing::Foreign);
        };
        let token = in_path.or_else(|| header.map(Secret::new));
        let opens = token.is_some_and(|token| token::admits(&self.source.tokens, token.expose()));
        let standing = match (own == Some(bare(&at)), opens) {
            (true, true) => Standing::Here,
            (true, false) => Standing::Locked,
            (false, true) => Standing::InFront,
            (false, false) => Standing::Foreign,
        };
        (url.origin().ascii_serialization(), standing)
    }

    /// The secret behind a reference.
    pub(crate) async fn read(&self, reference: &Reference) -> Result<Secret> {
        let read = AwsKeys::new(&self.console.aws, self.console.http().clone()).read(reference).await;
        read.map_err(|reason| self.console.refusal(format!("{reference} cannot be read: {reason}")).into())
    }

    /// The hook's address, its token checked against the stack's configuration.
    pub(crate) async fn endpoint(&self, place: &Where) -> Result<HookAddress> {
        let own = self.own()?;
        let address = place.url.as_ref().map_or_else(|| own.clone(), |given| seen_from(given, &own));
        let (url, in_address) = split(&address, &self.name)?;
        let token = match &place.token {
            Some(lies) => Some(self.read(lies.reference("--token")?).await?),
            None => in_address.or_else(|| split(&own, &self.name).ok()?.1),
        };
        let Some(token) = token else {
            bail!(
                "the token of {} is not known here, the stack holds its hash alone: say where it lies with --token env:NAME or ssm:/path",
                self.name
            );
        };
        if !token::admits(&self.source.tokens, token.expose()) {
            bail!("that token does not open {}: its hash is none of those in the stack's configuration", self.name);
        }
        Ok(HookAddress { url, token })
    }
}

impl HookAddress {
    /// The address with the token as the last segment.
    pub(crate) fn address(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{}", self.url.path(), self.token.expose()));
        url
    }
}

impl fmt::Display for HookAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/[token]", self.url)
    }
}

impl fmt::Debug for HookAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookAddress({self})")
    }
}

/// The given address; a tunnel's, which has no path, is followed by the stack's own path.
fn seen_from(given: &Url, own: &Url) -> Url {
    let mut url = given.clone();
    if given.path() == "/" {
        url.set_path(own.path());
    }
    url
}

/// The part up to the source's name, and the token after it.
fn split(address: &Url, source: &str) -> Result<(Url, Option<Secret>)> {
    let mut url = address.clone();
    // The receiver ignores one slash at the end, but not two.
    let path = url.path().strip_suffix('/').unwrap_or(url.path()).to_owned();
    let end = format!("/hooks/{source}");
    if path.ends_with(&end) {
        url.set_path(&path);
        return Ok((url, None));
    }
    let (before, token) = path.rsplit_once('/').unwrap_or_default();
    if !before.ends_with(&end) {
        return Err(usage::error(format!("--url ends in {end}, or in {end}/TOKEN")));
    }
    url.set_path(before);
    Ok((url, Some(Secret::new(token))))
}

/// Whether only this machine can reach it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A Voltus source in a deployed stack, with these tokens.
#[cfg(test)]
pub(crate) fn opened(name: &str, webhook_base: &str, tokens: &[&str]) -> Opened {
    let hashes: Vec<String> = tokens.iter().map(|token| token::TokenHash::of(token).to_hex()).collect();
    let config = serde_json::json!({"sources": {name: {"provider": "voltus", "tokens": hashes}}});
    let config = Config::parse(&config.to_string()).expect("good");
    Opened::of(&Console::nowhere(webhook_base, stack_client::http_client().expect("a client")), &config, name)
        .expect("there")
}

#[cfg(test)]
pub(crate) fn endpoint(url: &str, token: &str) -> HookAddress {
    HookAddress { url: Url::parse(url).expect("an address"), token: Secret::new(token) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_at_the_sources_name_and_shown_without_its_token() {
        let url = |text: &str| Url::parse(text).expect("an address");
        let (at, token) = split(&url("https://h/p/hooks/a/t0"), "a").expect("split");
        let endpoint = HookAddress { url: at, token: token.expect("a token") };
        assert_eq!(
            (endpoint.address().as_str(), endpoint.to_string().as_str()),
            ("https://h/p/hooks/a/t0", "https://h/p/hooks/a/[token]")
        );
        assert!(!format!("{endpoint:?}").contains("t0"));
        assert!(split(&url("https://h/hooks/a/"), "a").expect("split").1.is_none());
        assert!(split(&url("https://h/hooks/b/t0"), "a").is_err() && split(&url("https://h/"), "a").is_err());
    }

    #[test]
    fn what_a_provider_has_registered_stands_to_a_source_by_address_and_token() {
        let source = opened("a", "https://stack.example/prod", &["t0", "t1"]);
        let check = |address: &str, header: Option<&str>, expected: Standing| {
            assert_eq!(source.standing(address, header).1, expected, "{address}");
        };
        check("https://stack.example/prod/hooks/a/t0", None, Standing::Here);
        check("stack.example/prod/hooks/a/t1", None, Standing::Here);
        check("https://stack.example/prod/hooks/a", Some("t1"), Standing::Here);
        check("https://stack.example/prod/hooks/a", None, Standing::Locked);
        check("https://stack.example/prod/hooks/a/old", Some("t0"), Standing::Locked);
        check("https://hooks.corp.example/hooks/a/t0", None, Standing::InFront);
        check("https://hooks.corp.example/hooks/a/old", None, Standing::Foreign);
        check("https://stack.example/prod/hooks/b/t0", None, Standing::Foreign);
        check("no address", None, Standing::Foreign);
        assert_eq!(source.standing("https://h.example:8443/x/t0", None).0, "https://h.example:8443");
    }

    #[test]
    fn a_tunnel_stands_in_front_of_the_stacks_own_path() {
        let own = Url::parse("http://127.0.0.1:4566/_aws/x/hooks/a/t0").expect("an address");
        let given = |text: &str| seen_from(&Url::parse(text).expect("an address"), &own).to_string();
        assert_eq!(given("https://abc.tunnel.example"), "https://abc.tunnel.example/_aws/x/hooks/a/t0");
        assert_eq!(given("https://abc.example/hooks/a"), "https://abc.example/hooks/a");
    }
}
