//! The only HTTP client: ring for TLS, no redirects. It uses the user's proxies, except for requests to this machine.

use anyhow::{Context, Result};
use reqwest::{Client, redirect::Policy};

use crate::proxies::Proxies;

/// Creates the client.
///
/// # Errors The system's certificates cannot be read.
pub fn client() -> Result<Client> {
    through(&Proxies::of_process())
}

fn through(proxies: &Proxies) -> Result<Client> {
    // It fails if another part of the process has already chosen a provider, which works too.
    drop(rustls::crypto::ring::default_provider().install_default());
    proxies.of_client(Client::builder().redirect(Policy::none()))?.build().context("no HTTP client can be made")
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Returns the first line that a listener receives, and responds with 502.
    async fn first_line(listener: &TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut bytes = vec![0; 1_024];
        let read = stream.read(&mut bytes).await.expect("read");
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await.expect("answered");
        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn only_outside_requests_use_the_proxy() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = proxy.local_addr().expect("bound").to_string();
        let variables =
            [("HTTPS_PROXY", address.as_str()), ("http_proxy", address.as_str()), ("NO_PROXY", ".corp.example")];
        let known =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let http = through(&Proxies::read(known)).expect("a client");
        let get = |url: String| {
            let request = http.get(url);
            tokio::spawn(async move { request.send().await.map(|answer| answer.status().as_u16()).ok() })
        };

        let response = get("https://api.voltus.invalid/x".to_owned());
        assert_eq!(first_line(&proxy).await, "CONNECT api.voltus.invalid:443 HTTP/1.1");
        assert_eq!(response.await.expect("joined"), None);
        let response = get("http://outside.invalid/x".to_owned());
        assert_eq!(first_line(&proxy).await, "GET http://outside.invalid/x HTTP/1.1");
        assert_eq!(response.await.expect("joined"), Some(502));
        let port = here.local_addr().expect("bound").port();
        for host in ["127.0.0.1", "localhost"] {
            let response = get(format!("http://{host}:{port}/x"));
            assert_eq!(first_line(&here).await, "GET /x HTTP/1.1");
            assert_eq!(response.await.expect("joined"), Some(502));
        }
        // No server listens there, and the request does not go to the proxy.
        assert_eq!(get("http://x.corp.example/x".to_owned()).await.expect("joined"), None);
    }

    /// Serves one connection as a SOCKS proxy and as the HTTP server behind it; returns the requested address.
    async fn socks(listener: &TcpListener, answer: &str) -> String {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.expect("a greeting");
        stream.read_exact(&mut vec![0; usize::from(head[1])]).await.expect("methods");
        stream.write_all(&[5, 0]).await.expect("no password");
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.expect("a request");
        let mut host = vec![0; 4];
        if request[3] == 3 {
            host = vec![0; usize::from(stream.read_u8().await.expect("a length"))];
        }
        stream.read_exact(&mut host).await.expect("a host");
        let port = stream.read_u16().await.expect("a port");
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.expect("connected");
        let mut sent = vec![0; 4_096];
        let _ = stream.read(&mut sent).await.expect("a request");
        stream.write_all(answer.as_bytes()).await.expect("answered");
        match request[3] {
            3 => format!("{}:{port}", String::from_utf8_lossy(&host)),
            _ => format!("{}:{port}", host.iter().map(u8::to_string).collect::<Vec<_>>().join(".")),
        }
    }

    const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";

    fn reading(variables: &[(&str, &str)]) -> Client {
        let known =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        through(&Proxies::read(known)).expect("a client")
    }

    fn get(http: &Client, url: &str) -> tokio::task::JoinHandle<Result<u16, String>> {
        let request = http.get(url).send();
        tokio::spawn(async move {
            let answer = request.await.map_err(|error| format!("{:#}", anyhow::Error::from(error.without_url())));
            answer.map(|answer| answer.status().as_u16())
        })
    }

    #[tokio::test]
    async fn socks_proxies_get_names_or_addresses() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = proxy.local_addr().expect("bound");
        for (variable, scheme, url, expected) in [
            ("ALL_PROXY", "socks5h", "http://outside.invalid/x", "outside.invalid:80"),
            ("http_proxy", "socks5h", "http://outside.invalid:8080/x", "outside.invalid:8080"),
            ("all_proxy", "socks5", "http://192.0.2.7/x", "192.0.2.7:80"),
            ("HTTP_PROXY", "socks4a", "http://outside.invalid/x", ""),
        ] {
            let http = reading(&[(variable, &format!("{scheme}://{address}"))]);
            let response = get(&http, url);
            if expected.is_empty() {
                // For the older protocol, this only checks that the client uses it.
                let (mut stream, _) = proxy.accept().await.expect("a connection");
                assert_eq!(stream.read_u8().await.expect("a version"), 4);
                drop(stream);
                assert!(response.await.expect("joined").is_err());
                continue;
            }
            assert_eq!(socks(&proxy, NO_CONTENT).await, expected, "{scheme}");
            assert_eq!(response.await.expect("joined"), Ok(204), "{scheme}");
        }
        let response = get(&reading(&[("ALL_PROXY", &format!("socks5h://{address}"))]), "https://api.voltus.invalid/x");
        assert_eq!(socks(&proxy, "no TLS").await, "api.voltus.invalid:443");
        assert!(response.await.expect("joined").is_err());
    }

    #[tokio::test]
    async fn the_sdk_of_aws_goes_the_same_way() {
        use pipeline::ports::Dispatches;
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let http = reading(&[("ALL_PROXY", &format!("socks5h://{}", proxy.local_addr().expect("bound")))]);
        let access = aws::client::Access::new(Some("http://dynamodb.invalid"), "us-east-1", "test", "test");
        let config = aws::client::shared(access).into_builder().http_client(crate::through::through(http)).build();
        let table = aws::dynamo::DispatchesTable::new(&config, "dispatches");
        let read = tokio::spawn(async move { table.read(&dispatch::Subject::from_stored("s/d")).await });
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(socks(&proxy, answer).await, "dynamodb.invalid:80");
        assert_eq!(read.await.expect("joined").map_err(|error| error.to_string()), Ok(None));
    }

    #[tokio::test]
    async fn a_variable_that_names_no_proxy_stops_what_would_go_through_it_alone() {
        let here = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = here.local_addr().expect("bound").port();
        for wrong in ["ftp://u:s3cr3t@h", "http://h:port", "::"] {
            let http = reading(&[("HTTPS_PROXY", wrong), ("HTTP_PROXY", wrong), ("NO_PROXY", "127.0.0.2")]);
            for host in ["127.0.0.1", "localhost"] {
                let response = get(&http, &format!("http://{host}:{port}/x"));
                assert_eq!(first_line(&here).await, "GET /x HTTP/1.1");
                assert_eq!(response.await.expect("joined"), Ok(502));
            }
            for (url, variable) in
                [("https://outside.invalid/x", "HTTPS_PROXY"), ("http://outside.invalid/x", "HTTP_PROXY")]
            {
                let error = get(&http, url).await.expect("joined").expect_err("refused");
                assert!(error.contains(&format!("{variable} names no proxy that can be used")), "{error}");
                assert!(!error.contains("s3cr3t"), "{error}");
            }
        }
    }
}
