//! What a caller may choose about a local stack.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use providers::Providers;
use url::Url;

use super::prepare::placeholder_key;
use config::{Config, ConfigError};

/// Bases of the providers' APIs by the providers' names, for the built-in configuration: where simulators listen.
pub type ProviderUrls = BTreeMap<&'static str, Url>;

/// How a stack is brought up.
#[derive(Clone)]
pub struct UpOptions {
    /// The configuration, `env:` references still in it.
    pub config: Config,
    /// An AWS-compatible endpoint that runs already; None starts an emulator.
    pub endpoint_url: Option<Url>,
    /// Where `stack.json` is written; None keeps it in the stack's own folder.
    pub state: Option<PathBuf>,
    /// Host the functions in `cargo lambda watch`, which builds them anew when their source changes.
    pub watch: bool,
    /// Leave the stack on an endpoint that is not ours when this process ends.
    pub keep: bool,
    /// Further parameters for the template.
    pub parameters: BTreeMap<String, String>,
    /// Values for `ssm:` references by their path, put into the endpoint before anything starts; a reference that is not
    /// among them gets a placeholder where nothing stands yet.
    pub secrets: BTreeMap<String, String>,
    /// Values for `env:` references, looked up before gridbell's own environment.
    pub variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for UpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpOptions")
            .field("config", &self.config)
            .field("endpoint_url", &self.endpoint_url)
            .finish_non_exhaustive()
    }
}

impl UpOptions {
    /// An emulator of its own for this configuration, everything else as usual.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            endpoint_url: None,
            state: None,
            watch: false,
            keep: false,
            parameters: BTreeMap::new(),
            secrets: BTreeMap::new(),
            variables: BTreeMap::new(),
        }
    }

    /// The same with the built-in configuration: one source per provider, `<provider>-demo`, its key [`placeholder_key`].
    ///
    /// # Errors
    /// An address among `urls` that a configuration may not hold.
    pub fn built_in(urls: &ProviderUrls) -> Result<Self, ConfigError> {
        let config = built_in(urls)?;
        let secrets = config.sources.keys().map(|name| (format!("/gridbell/{name}"), placeholder_key(name))).collect();
        Ok(Self { secrets, ..Self::new(config) })
    }

    /// The configuration from a file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_file(file: &Path) -> Result<Self, ConfigError> {
        Config::load(file).map(Self::new)
    }
}

/// The configuration that stands in where there is no `gridbell.toml`. A provider that `urls` leaves out is asked at a
/// port of loopback where nobody listens.
///
/// # Errors
/// An address among `urls` that a configuration may not hold.
pub fn built_in(urls: &ProviderUrls) -> Result<Config, ConfigError> {
    let sources = Providers::default().iter().map(|provider| {
        let asked = if provider.needs_api_key() {
            let url = urls.get(provider.name()).map_or("http://127.0.0.1:9", Url::as_str);
            // Nobody listens, or a stand-in whose lists no webhook announces.
            format!("api_url = \"{url}\"\napi_key = \"ssm:/gridbell/{provider}-demo\"\npoll = \"off\"\n")
        } else {
            String::new()
        };
        format!("[sources.{provider}-demo]\nprovider = \"{provider}\"\n{asked}")
    });
    // The demo waits for its mails.
    let contacts = "[contacts]\nemail = [\"grid-duty@example.com\"]\nfrom = \"gridbell@example.com\"\n\
                    group_wait = \"1s\"\ngroup_interval = \"3s\"\n";
    Config::parse("the built-in configuration", &(sources.collect::<String>() + contacts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_takes_the_simulators() {
        let urls = ProviderUrls::from([("leap", Url::parse("http://127.0.0.1:7/v2").expect("url"))]);
        let config = built_in(&urls).expect("good");
        assert_eq!(config.sources.len(), Providers::default().iter().count());
        let url = |source: &str| config.sources[source].api_url.as_ref().map(Url::to_string);
        assert_eq!(url("leap-demo").as_deref(), Some("http://127.0.0.1:7/v2"));
        assert_eq!(url("voltus-demo").as_deref(), Some("http://127.0.0.1:9/"));
        assert_eq!(url("nvgrid-demo"), None);
    }
}
