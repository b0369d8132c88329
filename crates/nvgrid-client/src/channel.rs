//! The connection: TLS, optionally with a private CA; plain text only for `http` addresses.

use std::{path::PathBuf, time::Duration};

use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use url::Url;

use super::NvgridError;

/// How long connecting may take.
const CONNECTS: Duration = Duration::from_secs(10);

/// The DPS server: its address, and how to verify it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Scheme, host and port.
    pub url: Url,
    /// PEM file with the certificates of the CA that signed the server's. None: the CAs that browsers trust.
    pub ca: Option<PathBuf>,
    /// The name in the server's certificate. None: the address's host.
    pub tls_name: Option<String>,
    /// How long a call may take.
    pub answers: Duration,
}

impl Endpoint {
    /// The address for people.
    pub fn shown(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Connects.
    ///
    /// # Errors
    /// [`NvgridError::Setting`] for an unusable setting; [`NvgridError::Unreachable`] or [`NvgridError::Tls`] for a
    /// failed connection.
    pub(crate) async fn connect(&self) -> Result<Channel, NvgridError> {
        let setting = |problem: String| NvgridError::Setting { problem };
        if !matches!(self.url.path(), "" | "/") {
            return Err(setting(format!("{} and no path behind it: gRPC has paths of its own", self.shown())));
        }
        let endpoint = Channel::from_shared(self.shown()).map_err(|error| setting(error.to_string()))?;
        let mut endpoint = endpoint.connect_timeout(CONNECTS);
        if self.url.scheme() == "https" {
            // Err means that the process has already chosen a provider, which serves as well.
            drop(rustls::crypto::ring::default_provider().install_default());
            endpoint = endpoint.tls_config(self.tls()?).map_err(|error| setting(in_words(&error)))?;
        }
        endpoint.connect().await.map_err(|error| self.failed(&in_words(&error)))
    }

    fn tls(&self) -> Result<ClientTlsConfig, NvgridError> {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            None => tls.with_webpki_roots(),
            Some(file) => {
                let setting =
                    |problem: String| NvgridError::Setting { problem: format!("{}: {problem}", file.display()) };
                let pem = std::fs::read_to_string(file).map_err(|error| setting(error.to_string()))?;
                if !pem.contains("-----BEGIN CERTIFICATE-----") {
                    return Err(setting("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)".to_owned()));
                }
                tls.ca_certificate(Certificate::from_pem(pem))
            }
        };
        Ok(match &self.tls_name {
            Some(name) => tls.domain_name(name),
            None => tls,
        })
    }

    fn failed(&self, reason: &str) -> NvgridError {
        let (base, reason) = (self.shown(), reason.to_owned());
        // After rustls errors have passed through the transport, only their text identifies them.
        let way = if ["UnknownIssuer", "BadSignature", "CaUsedAsEndEntity"].iter().any(|one| reason.contains(one)) {
            match &self.ca {
                None => "a private CA signed it: give that CA's certificate with --ca FILE".to_owned(),
                Some(file) => format!("{} is not the CA that signed it", file.display()),
            }
        } else if reason.contains("not valid for name") || reason.contains("NotValidForName") {
            "it is made out to another name: give that name with --tls-name NAME".to_owned()
        } else if reason.contains("certificate") {
            "ask the site's operator for the certificate and its CA".to_owned()
        } else if self.url.scheme() == "https"
            && (reason.contains("corrupt message") || reason.contains("HTTP/2 was not"))
        {
            "what answers there speaks no TLS, or no gRPC: check the port".to_owned()
        } else {
            return NvgridError::Unreachable { base, reason };
        };
        NvgridError::Tls { base, reason, way }
    }
}

/// An error and its causes on one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        // Some errors repeat their cause's text.
        if !words.iter().any(|known: &String| known.contains(&said)) {
            words.push(said);
        }
        next = error.source();
    }
    words.join(": ").split_whitespace().collect::<Vec<_>>().join(" ")
}
