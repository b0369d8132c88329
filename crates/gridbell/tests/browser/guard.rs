//! Access control, tested over HTTP with requests that no browser sends.

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};

use super::{data, serve};

struct Asked {
    base: String,
    http: reqwest::Client,
}

impl Asked {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    async fn send(&self, request: RequestBuilder) -> Response {
        request.send().await.expect("answered")
    }
}

/// Runs `test` with a console, its address and its token.
fn with_console<F: Future<Output = ()>>(test: impl FnOnce(Asked, String) -> F) {
    let stack = data::ordinary();
    let (runtime, serving) = serve(&stack);
    let (base, token) = serving.url.split_once("/?token=").expect("an address with a token");
    let asked = Asked { base: base.to_owned(), http: stack_client::http_client().expect("a client") };
    runtime.block_on(test(asked, token.to_owned()));
    assert!(stack.data().done.is_empty(), "{:?}", stack.data().done);
}

#[test]
fn nobody_is_let_in_without_the_token() {
    with_console(async |asked, token| {
        for path in [
            "/",
            "/now",
            "/dispatch?key=voltus-prod/dkmq",
            "/live?path=/now",
            "/delivery/raw?id=x",
            "/now?token=wrong",
            "/nothing",
        ] {
            let answer = asked.send(asked.request(Method::GET, path)).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
            let text = answer.text().await.expect("text");
            assert!(!text.contains("dkmq") && !text.contains(&token), "{path}");
        }
        let entered = asked.send(asked.request(Method::GET, &format!("/?token={token}"))).await;
        let cookie = entered.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(&token),
            "{cookie}"
        );
        let cookie = cookie.split(';').next().expect("a cookie").to_owned();
        let text = asked
            .send(asked.request(Method::GET, "/now").header(header::COOKIE, &cookie))
            .await
            .text()
            .await
            .expect("text");
        assert!(text.contains("dkmq") && !text.contains(&token));
        let missing = asked.send(asked.request(Method::GET, "/nothing").header(header::COOKIE, &cookie)).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    });
}

#[test]
fn another_host_and_another_pages_form_are_refused() {
    with_console(async |asked, token| {
        let entered = asked.send(asked.request(Method::GET, &format!("/?token={token}"))).await;
        let cookie =
            entered.headers()[header::SET_COOKIE].to_str().expect("text").split(';').next().expect("one").to_owned();
        let rebound =
            asked.request(Method::GET, "/now").header(header::HOST, "evil.example").header(header::COOKIE, &cookie);
        assert_eq!(asked.send(rebound).await.status(), StatusCode::MISDIRECTED_REQUEST);
        for path in [
            "/dispatch/ack",
            "/incident/ack",
            "/incident/snooze",
            "/replay",
            "/source/test",
            "/output/test",
            "/output/replay",
            "/doctor",
        ] {
            let form = asked
                .request(Method::POST, path)
                .header(header::COOKIE, &cookie)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            let body = "key=voltus-prod/dkmq&version=2&state=accepted&incident=x&id=x&source=voltus-prod&csrf=";
            assert_eq!(asked.send(form.body(body)).await.status(), StatusCode::FORBIDDEN, "{path}");
            assert_eq!(
                asked.send(asked.request(Method::POST, path).body(body)).await.status(),
                StatusCode::UNAUTHORIZED,
                "{path}"
            );
            if !["/replay", "/output/replay", "/doctor"].contains(&path) {
                let get = asked.request(Method::GET, &format!("{path}?{body}")).header(header::COOKIE, &cookie);
                assert_eq!(asked.send(get).await.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            }
        }
    });
}

#[test]
fn every_answer_says_what_a_browser_may_do_with_it() {
    with_console(async |asked, token| {
        for path in ["/now", "/console.js", "/console.css", "/icon.svg", &format!("/?token={token}")] {
            let answer = asked.send(asked.request(Method::GET, path)).await;
            let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert!(policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store", "{path}");
        }
        let entered = asked.send(asked.request(Method::GET, &format!("/?token={token}"))).await;
        let cookie =
            entered.headers()[header::SET_COOKIE].to_str().expect("text").split(';').next().expect("one").to_owned();
        let raw = asked
            .request(Method::GET, &format!("/delivery/raw?id={}", data::QUARANTINED))
            .header(header::COOKIE, &cookie);
        let raw = asked.send(raw).await;
        assert!(raw.headers()[header::CONTENT_DISPOSITION].to_str().expect("text").starts_with("attachment"));
        assert_eq!(raw.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        assert_eq!(raw.text().await.expect("text"), "{\"meter_dispatches\": \"what is this\"}");
    });
}
