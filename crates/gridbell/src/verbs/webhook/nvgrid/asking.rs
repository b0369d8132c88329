//! Connects to `NvGrid`: the flags of every verb that does, and the client made from them.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use providers::Provider;
use url::Url;

use crate::{
    endpoint::{Lies, Opened, is_loopback},
    show, usage,
};
use nvgrid_client::{Client, Endpoint, Login, Origin};

/// Timeout of one call.
pub(super) const ANSWERS: Duration = Duration::from_secs(30);

/// How to connect to `NvGrid`, if not as the source's configuration says.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "How NvGrid is asked (gRPC)")]
pub(crate) struct Asking {
    /// .proto file of the DPS install; may be repeated [default: the server's reflection]
    #[arg(long, value_name = "FILE", conflicts_with = "descriptor_set")]
    proto: Vec<PathBuf>,
    /// Import folder of those files; may be repeated [default: their own folders]
    #[arg(long, value_name = "FOLDER", requires = "proto")]
    proto_path: Vec<PathBuf>,
    /// The same files compiled, as by `protoc --include_imports --descriptor_set_out=FILE`
    #[arg(long, value_name = "FILE")]
    descriptor_set: Option<PathBuf>,
    /// Certificate of the CA that signed the server's, in PEM [default: the CAs that browsers trust]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Name in the server's certificate [default: the address's host]
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,
    /// Address of DPS, such as `https://api.dps:443` [default: the source's `api_url`]
    #[arg(long, value_name = "URL", value_parser = address)]
    api_url: Option<Url>,
    /// Where username:password, or a token, is stored: `env:NAME` or `ssm:/path` [default: the source's `api_key`]
    #[arg(long, value_name = "REFERENCE")]
    login: Option<Lies>,
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    url.filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| "write https://HOST:PORT; the login belongs in --login".to_owned())
}

impl Asking {
    /// Refuses these flags for another provider.
    pub(in super::super) fn is_for(&self, provider: &dyn Provider) -> Result<()> {
        let given = !self.proto.is_empty()
            || self.descriptor_set.is_some()
            || self.ca.is_some()
            || self.tls_name.is_some()
            || self.api_url.is_some()
            || self.login.is_some();
        if !provider.is_grpc() && given {
            return Err(usage::error(format!(
                "--proto, --descriptor-set, --ca, --tls-name, --api-url and --login are about NvGrid, and {provider} is none"
            )));
        }
        Ok(())
    }

    fn origin(&self) -> Origin {
        match &self.descriptor_set {
            Some(file) => Origin::DescriptorSet(file.clone()),
            None if self.proto.is_empty() => Origin::Reflection,
            None => Origin::Proto { files: self.proto.clone(), folders: self.proto_path.clone() },
        }
    }

    /// The address of a source's provider, if known.
    pub(in super::super) fn asked(&self, opened: &Opened) -> Result<Option<Url>> {
        self.api_url.clone().map_or_else(|| opened.api_url(), |url| Ok(Some(url)))
    }

    /// The address of the source's site.
    fn url(&self, opened: &Opened) -> Result<Url> {
        self.asked(opened)?.with_context(|| {
            format!("{0} has no api_url: say where its DPS answers with --api-url https://HOST:PORT, or write api_url and api_key for {0} in gridbell.toml", opened.name)
        })
    }

    /// Connects to the source's site.
    pub(super) async fn client(&self, opened: &Opened) -> Result<Client> {
        let url = self.url(opened)?;
        let key = match &self.login {
            Some(lies) => opened.read(lies.reference("--login")?).await?,
            None => opened.key().await.with_context(
                || "no login is known; say where username:password lies with --login env:NAME or ssm:/path",
            )?,
        };
        if url.scheme() == "http" && !is_loopback(&url) {
            show::aside(&format!(
                "warning: {url} is asked in the clear: whoever is on the way reads the login; write https:// where the site has TLS"
            ));
        }
        let endpoint = Endpoint { url, ca: self.ca.clone(), tls_name: self.tls_name.clone(), answers: ANSWERS };
        Ok(Client::connect(&endpoint, &self.origin(), Login::parse(&key)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_login() {
        assert!(address("https://api.dps:443").is_ok() && address("http://127.0.0.1:9").is_ok());
        for wrong in ["api.dps:443", "ftp://h", "https://u:p@h", "https://"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
