//! AWS's SDK over the operator's HTTP client, which supports proxies that the SDK's own client does not: SOCKS.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

/// That client as the SDK's HTTP client. The SDK itself applies the timeouts of attempts and operations.
pub(crate) fn through(http: reqwest::Client) -> SharedHttpClient {
    http_client_fn(move |_settings, _components| SharedHttpConnector::new(Through(http.clone())))
}

#[derive(Debug, Clone)]
struct Through(reqwest::Client);

impl HttpConnector for Through {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.0.clone();
        HttpConnectorFuture::new(async move { call(&http, request).await })
    }
}

async fn call(http: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let user = |error: BoxError| ConnectorError::user(error);
    let (parts, body) = request.try_into_http1x().map_err(|error| user(error.into()))?.into_parts();
    let body = body.bytes().map(Bytes::copy_from_slice).ok_or_else(|| user("a body that is streamed".into()))?;
    let request = http.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
    let failed = |error: reqwest::Error| {
        let (is_late, error) = (error.is_timeout(), BoxError::from(error.without_url()));
        if is_late { ConnectorError::timeout(error) } else { ConnectorError::io(error) }
    };
    let answer = request.send().await.map_err(failed)?;
    let mut response = http::Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    let body = answer.bytes().await.map_err(failed)?;
    let response = response.body(SdkBody::from(body)).map_err(|error| user(error.into()))?;
    HttpResponse::try_from(response).map_err(|error| user(error.into()))
}
