//! The page behind the link in a mail, as the alerter makes it, with its own headers: a phone, dark mode, no scripts,
//! evil names, and each button once.

use std::{sync::mpsc, thread};

use aws::lambda::GatewayResponse;
use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderName, HeaderValue, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use jiff::SignedDuration;
use pipeline::config::{Config, TokenHash};
use serde_json::{Value, json};
use simulation::{PUBLIC_URL, Reply, Simulation, Webhook};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};

use super::{chromium, data, pages, pictures, tab::Tab};

const TOKEN: &str = "a-token-that-nobody-guesses";

/// What the operator and the provider have written.
#[derive(Clone)]
struct Names {
    site: String,
    program: String,
    instructions: String,
}

impl Names {
    fn plain() -> Self {
        let [site, program] = ["Paper mill", "Capacity Bidding"].map(str::to_owned);
        Self { site, program, instructions: "Stop line 2.\nCall the shift lead.".to_owned() }
    }

    fn evil() -> Self {
        Self { site: data::long(), program: data::long(), instructions: data::long() }
    }
}

/// A request to the alerter.
struct Asked {
    method: String,
    secret: String,
    form: String,
    answer: oneshot::Sender<GatewayResponse>,
}

/// The alerter's page, served on this machine.
struct Served {
    /// The address of the link in the mail.
    link: String,
    runtime: Runtime,
}

fn config(names: &Names) -> Config {
    let site = json!({"name": names.site, "timezone": "America/Los_Angeles", "phone": "+1 555 0100",
        "instructions": names.instructions, "runbook_url": "https://wiki.example.com/mill"});
    let source = json!({"provider": "voltus", "api_key": "env:KEY", "tokens": [TokenHash::of(TOKEN)], "poll_s": 0});
    let config = json!({
        "sources": {"voltus-prod": source},
        "deadlines": {"lead_s": 600, "immediate_s": 60, "acknowledge": true},
        "contacts": {"email": ["duty@example.com"], "from": "gridbell@example.com"},
        "sites": {"voltus-prod/d4z9": site},
    });
    Config::parse(&config.to_string()).expect("good")
}

/// Voltus' answer about a dispatch that begins in ten minutes.
fn dispatch(names: &Names) -> Value {
    json!({
        "id": "dkmq", "authorized": true, "test": false, "modification_number": 0,
        "start_time": "2023-12-01T16:50:00Z", "end_time": "2023-12-01T17:50:00Z",
        "program": {"name": names.program, "timezone": "PST", "market": "CAISO", "program_type": "capacity"},
        "sites": [{"id": "d4z9", "name": names.site, "customer_location_id": names.program, "drop_by": 5, "commitment": 5}],
    })
}

/// A dispatch that no controller has confirmed in time; returns the secret of the link in its mail.
fn at_risk(names: &Names) -> (Simulation, String) {
    let sim = Simulation::new(1, config(names));
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch(names).to_string())]);
    let body = r#"{"event":{"name":"dispatch.create"},"resource":"/2022-04-15/dispatches/dkmq"}"#;
    let answer = sim.post(Webhook { source: "voltus-prod", token: TOKEN, body }).answer().expect("an answer");
    assert_eq!(answer.status, 200);
    sim.pass(SignedDuration::from_secs(70));
    let mails = sim.mails();
    let text = &mails.first().expect("a mail").1.text;
    let at = text.find(PUBLIC_URL).expect("a link");
    let link: String = text[at..].chars().take_while(|c| !c.is_whitespace()).collect();
    let secret = link.rsplit('/').next().expect("a secret").to_owned();
    (sim, secret)
}

async fn asked(to: mpsc::Sender<Asked>, method: Method, secret: String, body: Bytes) -> Response {
    let form = String::from_utf8(body.to_vec()).expect("a form");
    let (answer, answered) = oneshot::channel();
    to.send(Asked { method: method.to_string(), secret, form, answer }).expect("the alerter runs");
    let GatewayResponse { status_code, headers, body, .. } = answered.await.expect("an answer");
    let mut response = (StatusCode::from_u16(status_code).expect("a status"), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(&value).expect("a value"));
    }
    response
}

/// Serves the page of a dispatch at risk. The simulation lives in a thread of its own.
fn serve(names: Names) -> Served {
    let (to, requests) = mpsc::channel::<Asked>();
    let (tell, secret) = mpsc::channel();
    thread::spawn(move || {
        let (sim, secret) = at_risk(&names);
        tell.send(secret).expect("the test waits");
        for Asked { method, secret, form, answer } in requests {
            let page = sim.press(&method, &format!("{PUBLIC_URL}/alerts/{secret}"), &form).answer().expect("an answer");
            drop(answer.send(GatewayResponse::from(page)));
        }
    });
    let secret: String = secret.recv().expect("a dispatch at risk");
    let runtime = Runtime::new().expect("threads");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let link = format!("http://{}/alerts/{secret}", listener.local_addr().expect("bound"));
    let routes = Router::new()
        .route(
            "/alerts/{secret}",
            any(move |method, Path(secret): Path<String>, body| asked(to.clone(), method, secret, body)),
        )
        .fallback(any(|| async { StatusCode::NO_CONTENT }));
    runtime.spawn(async move { axum::serve(listener, routes).await });
    Served { link, runtime }
}

/// The status of a button pressed again, outside of the browser.
fn pressed(served: &Served, form: &str) -> u16 {
    let (url, form) = (served.link.clone(), form.to_owned());
    let sent = served
        .runtime
        .block_on(async move { stack_client::http_client().expect("a client").post(url).body(form).send().await });
    sent.expect("an answer").status().as_u16()
}

/// Checks a page at all widths and in both modes.
fn fit(tab: &Tab, served: &Served, name: &str) {
    for (width, height) in [(360, 740), (1440, 900)] {
        for (dark, mode) in [(false, "light"), (true, "dark")] {
            tab.size(width, height);
            tab.dark(dark);
            tab.goto(&served.link);
            tab.is_for_everybody(&format!("{name} at {width} px, {mode}"));
            if let Some(folder) = pictures() {
                let whole = tab.eval("document.documentElement.scrollHeight").as_u64().expect("a number");
                tab.size(width, u32::try_from(whole.clamp(600, 6_000)).expect("small"));
                tab.screenshot(&folder.join(format!("{name}-{width}-{mode}.png")));
            }
        }
    }
}

#[test]
fn the_page_of_a_mail_is_fit_for_everybody() {
    let Some(browser) = chromium::browser() else { return };
    let served = serve(Names::plain());
    let tab = Tab::at(browser, &served.link);
    fit(&tab, &served, "page");
    let shown = tab.text("body");
    for words in ["Paper mill", "5 kW", "PST", "No controller has confirmed", "voltus-prod/dkmq", "Stop line 2."] {
        assert!(shown.contains(words), "{words} is missing: {shown}");
    }
    assert_eq!(tab.eval("document.querySelectorAll('a[href=\"tel:+15550100\"]').length"), 1, "the phone can be called");
    assert_eq!(tab.eval("document.scripts.length"), 0, "the page needs no script");
    let loads = tab.eval("[...document.querySelectorAll('img, link[rel=stylesheet], iframe, object, video')].length");
    assert_eq!(loads, 0, "the page loads nothing");
    tab.goto(&served.link);
    pages::weigh(&tab, "page of a mail");
    tab.was_good();
}

#[test]
fn both_buttons_of_the_page_work_once() {
    let Some(browser) = chromium::browser() else { return };
    let served = serve(Names::plain());
    let tab = Tab::at(browser, &served.link);
    assert_eq!(tab.eval("document.scripts.length"), 0, "the buttons need no script");
    let button = |action: &str| format!("button[value={action}]");
    let shows =
        |action: &str| tab.eval(&format!("document.querySelector('{}') !== null", button(action))) == json!(true);
    assert!(shows("acknowledge") && shows("curtailed"), "{}", tab.text("body"));

    tab.eval("document.querySelector('input[name=name]').value = 'Ada on duty'");
    tab.click(&button("acknowledge"));
    assert!(tab.text(".note").contains("Acknowledged."), "{}", tab.text("body"));
    assert!(tab.text("body").contains("Ada on duty"), "{}", tab.text("body"));
    assert!(!shows("acknowledge") && shows("curtailed"), "{}", tab.text("body"));

    tab.eval("document.querySelector('input[name=name]').value = 'Ada on duty'");
    let form =
        tab.eval("new URLSearchParams(new FormData(document.querySelector('form'))).toString() + '&do=curtailed'");
    tab.click(&button("curtailed"));
    assert!(tab.text(".note").contains("counts as accepted, by hand"), "{}", tab.text("body"));
    assert!(!shows("acknowledge") && !shows("curtailed"), "{}", tab.text("body"));

    // Pressed again, as by the browser's back button, neither does anything.
    assert_eq!(pressed(&served, "do=acknowledge&name=Eve"), 410);
    assert_eq!(pressed(&served, form.as_str().expect("a form")), 410);
    tab.goto(&served.link);
    assert!(!tab.text("body").contains("Eve"), "{}", tab.text("body"));
    tab.is_for_everybody("the page after both buttons");
    tab.was_good();
}

#[test]
fn evil_names_are_text_on_the_page() {
    let Some(browser) = chromium::browser() else { return };
    let served = serve(Names::evil());
    let tab = Tab::at(browser, &served.link);
    fit(&tab, &served, "page-evil");
    assert_eq!(tab.eval("typeof window.evil"), "undefined");
    assert_eq!(tab.eval("document.querySelectorAll('img, script, body b').length"), 0, "{}", tab.text("body"));
    let hidden = tab.eval(r"[...document.documentElement.outerHTML].filter((c) => /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/.test(c)).length");
    assert_eq!(hidden, 0, "{}", tab.text("body"));
    let bytes = tab.eval("document.documentElement.outerHTML.length").as_f64().expect("a number");
    assert!(bytes < 60_000.0, "{bytes} bytes");

    // A name that a person types is as foreign as one of a provider.
    tab.eval(&format!("document.querySelector('input[name=name]').value = {}", json!(data::EVIL)));
    tab.click("button[value=acknowledge]");
    assert!(tab.text(".note").contains("Acknowledged."), "{}", tab.text("body"));
    assert_eq!(tab.eval("document.querySelectorAll('img, script, body b').length"), 0, "{}", tab.text("body"));
    tab.is_for_everybody("the page with an evil name");
    tab.was_good();
}
