//! The options of a local stack.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use providers::Providers;
use url::Url;

use super::{build::Build, prepare::placeholder_key};
use config::{
    Config,
    file::{File, FileError, Place},
};

/// Bases of the providers' APIs by the providers' names, for the built-in configuration: where simulators listen.
pub type ProviderUrls = BTreeMap<&'static str, Url>;

/// The options of `up`.
#[derive(Clone)]
pub struct UpOptions {
    /// The configuration, with its `env:` references.
    pub config: Config,
    /// The position of each source's `api_key` in its file, for errors.
    pub api_keys: BTreeMap<String, Place>,
    /// An AWS-compatible endpoint that is already running; None starts an emulator.
    pub endpoint_url: Option<Url>,
    /// The path of `stack.json`; None puts it into the stack's own folder.
    pub state: Option<PathBuf>,
    /// Host the functions in `cargo lambda watch`, which rebuilds them when their source changes.
    pub watch: bool,
    /// The build to deploy; None builds the checkout.
    pub build: Option<Build>,
    /// Leave the stack on an endpoint that gridbell did not start when this process ends.
    pub keep: bool,
    /// The functions log their spans, for a [`SpanExporter`](crate::SpanExporter).
    pub spans: bool,
    /// Further parameters for the template.
    pub parameters: BTreeMap<String, String>,
    /// Values for `ssm:` references by their path, put into the endpoint first. A reference without a value here gets a
    /// placeholder, unless the parameter exists.
    pub secrets: BTreeMap<String, String>,
    /// Values for `env:` references. They take precedence over gridbell's own environment.
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
    /// Options with a new emulator for this configuration and defaults.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            api_keys: BTreeMap::new(),
            endpoint_url: None,
            state: None,
            watch: false,
            build: None,
            keep: false,
            spans: false,
            parameters: BTreeMap::new(),
            secrets: BTreeMap::new(),
            variables: BTreeMap::new(),
        }
    }

    /// Options with the built-in configuration: one source per provider, `<provider>-demo`, with the key
    /// [`placeholder_key`].
    ///
    /// # Errors A configuration may not contain one of the `urls`.
    pub fn built_in(urls: &ProviderUrls) -> Result<Self, FileError> {
        let config = built_in(urls)?;
        let secrets = config.sources.keys().map(|name| (format!("/gridbell/{name}"), placeholder_key(name))).collect();
        Ok(Self { secrets, ..Self::new(config) })
    }

    /// Options with the configuration from a file.
    ///
    /// # Errors As [`File::load`].
    pub fn from_file(file: &Path) -> Result<Self, FileError> {
        let File { config, api_keys, .. } = File::load(file)?;
        Ok(Self { api_keys, ..Self::new(config) })
    }
}

/// The built-in configuration, used without a `gridbell.toml`. The API of a provider without a URL in `urls` is a port
/// of loopback on which no server listens.
///
/// # Errors A configuration may not contain one of the `urls`.
pub fn built_in(urls: &ProviderUrls) -> Result<Config, FileError> {
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
    File::parse("the built-in configuration", &(sources.collect::<String>() + contacts)).map(|file| file.config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_takes_the_simulators() {
        let urls = ProviderUrls::from([("leap", Url::parse("http://127.0.0.1:7/v2").expect("url"))]);
        let config = built_in(&urls).expect("good");
        assert_eq!(config.sources.len(), Providers::default().iter().count());
        let url = |source: &str| config.sources[source].api_url.clone();
        assert_eq!(url("leap-demo").as_deref(), Some("http://127.0.0.1:7/v2"));
        assert_eq!(url("voltus-demo").as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(url("nvgrid-demo"), None);
    }
}
