//! The one HTTP client: ring for TLS, no redirects; through the person's proxy, which nothing on this machine is asked through.

use anyhow::{Context, Result};
use aws::console::{Proxies, ProxiesError};
use reqwest::{Client, redirect::Policy};

/// Makes the client.
///
/// # Errors
/// The system's certificates cannot be read, or a variable names no proxy.
pub fn client() -> Result<Client> {
    through(&proxies()?)
}

/// The proxies that this process is to use.
pub(crate) fn proxies() -> Result<Proxies, ProxiesError> {
    Proxies::read(|name| std::env::var(name).ok())
}

fn through(proxies: &Proxies) -> Result<Client> {
    // Err means that another part of the process has chosen a provider before, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = Client::builder().redirect(Policy::none()).no_proxy();
    for proxy in proxies.of_client()? {
        builder = builder.proxy(proxy);
    }
    builder.build().context("no HTTP client can be made")
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What arrives at a listener first, which answers 502 to it.
    async fn first_line(listener: &TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut bytes = vec![0; 1_024];
        let read = stream.read(&mut bytes).await.expect("read");
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await.expect("answered");
        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn what_is_outside_is_asked_through_the_proxy_and_this_machine_is_not() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = proxy.local_addr().expect("bound").to_string();
        let variables =
            [("HTTPS_PROXY", address.as_str()), ("http_proxy", address.as_str()), ("NO_PROXY", ".corp.example")];
        let known =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let http = through(&Proxies::read(known).expect("read")).expect("a client");
        let ask = |url: String| {
            let request = http.get(url);
            tokio::spawn(async move { request.send().await.map(|answer| answer.status().as_u16()).ok() })
        };

        let asked = ask("https://api.voltus.invalid/x".to_owned());
        assert_eq!(first_line(&proxy).await, "CONNECT api.voltus.invalid:443 HTTP/1.1");
        assert_eq!(asked.await.expect("asked"), None);
        let asked = ask("http://outside.invalid/x".to_owned());
        assert_eq!(first_line(&proxy).await, "GET http://outside.invalid/x HTTP/1.1");
        assert_eq!(asked.await.expect("asked"), Some(502));
        let port = here.local_addr().expect("bound").port();
        for host in ["127.0.0.1", "localhost"] {
            let asked = ask(format!("http://{host}:{port}/x"));
            assert_eq!(first_line(&here).await, "GET /x HTTP/1.1");
            assert_eq!(asked.await.expect("asked"), Some(502));
        }
        // Nobody answers there, and the proxy is not asked to.
        assert_eq!(ask("http://x.corp.example/x".to_owned()).await.expect("asked"), None);
    }
}
