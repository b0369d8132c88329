//! One browser tab, and a person's actions in it.

use std::{path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{axe, chromium::Browser};

/// How often a condition of a page is checked, and the most checks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 600;

pub(crate) struct Tab {
    browser: &'static Browser,
    session: String,
    /// The origin of what is tested; every request must go to it.
    origin: String,
    began: usize,
}

impl Tab {
    /// A tab with its own cookies that has opened the console at its printed address.
    pub(crate) fn open(browser: &'static Browser, url: &str) -> Self {
        let tab = Self::at(browser, url);
        tab.wait("the console", "location.pathname === '/now' && document.readyState === 'complete'");
        tab
    }

    /// A tab with its own cookies that has opened that address.
    pub(crate) fn at(browser: &'static Browser, url: &str) -> Self {
        let began = browser.events_so_far();
        let context = browser.call(None, "Target.createBrowserContext", &json!({"disposeOnDetach": true}));
        let target = json!({"url": "about:blank", "browserContextId": context["browserContextId"]});
        let target = browser.call(None, "Target.createTarget", &target);
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session =
            browser.call(None, "Target.attachToTarget", &attach)["sessionId"].as_str().expect("a session").to_owned();
        let origin: Vec<&str> = url.splitn(4, '/').take(3).collect();
        let origin = origin.join("/");
        let tab = Self { browser, session, origin, began };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            tab.call(&format!("{domain}.enable"), &json!({}));
        }
        tab.size(1440, 900);
        tab.goto(url);
        tab
    }

    fn call(&self, method: &str, parameters: &Value) -> Value {
        self.browser.call(Some(&self.session), method, parameters)
    }

    pub(crate) fn size(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    pub(crate) fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": value}]}),
        );
    }

    /// Turns the pages' scripts on or off; scripts evaluated by tests still run.
    pub(crate) fn scripts(&self, run: bool) {
        self.call("Emulation.setScriptExecutionDisabled", &json!({"value": !run}));
    }

    /// Opens a path of the console, or a whole address.
    pub(crate) fn goto(&self, to: &str) {
        let url = if to.starts_with("http") { to.to_owned() } else { format!("{}{to}", self.origin) };
        let after = self.browser.events_so_far();
        let went = self.call("Page.navigate", &json!({"url": url}));
        assert!(went["errorText"].is_null(), "{url}: {}", went["errorText"]);
        self.browser.wait_for(&self.session, "Page.loadEventFired", after);
    }

    /// The value of an expression; a promise is awaited.
    pub(crate) fn eval(&self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        // Between two pages there is no execution context: nothing has run, so it is safe to ask again.
        let has_no_page = |error: &Value| error["message"].as_str().is_some_and(|text| text.contains("context"));
        let mut answer = self.browser.try_call(Some(&self.session), "Runtime.evaluate", &asked);
        for _ in 0..LOOKS {
            if !answer.as_ref().is_err_and(has_no_page) {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
            answer = self.browser.try_call(Some(&self.session), "Runtime.evaluate", &asked);
        }
        let answer = answer.unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    pub(crate) fn text(&self, selector: &str) -> String {
        self.eval(&format!("document.querySelector({})?.textContent ?? ''", json!(selector)))
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until an expression is true; `what` names it in the error.
    pub(crate) fn wait(&self, what: &str, expression: &str) {
        for _ in 0..LOOKS {
            // Between two pages there may be no document.
            let asked = json!({"expression": expression, "returnByValue": true});
            let answer = self.browser.try_call(Some(&self.session), "Runtime.evaluate", &asked);
            if answer.is_ok_and(|answer| answer["result"]["value"] == true) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        panic!("{what}: not within {} s; the page says {}", (LOOK_EVERY * LOOKS).as_secs(), self.text("main"));
    }

    /// Clicks the first matching element, and waits for the next page.
    pub(crate) fn click(&self, selector: &str) {
        let after = self.browser.events_so_far();
        let found = self.eval(&format!(
            "(() => {{ const one = document.querySelector({}); one?.click(); return !!one; }})()",
            json!(selector)
        ));
        assert_eq!(found, true, "{selector}: {}", self.text("main"));
        self.browser.wait_for(&self.session, "Page.loadEventFired", after);
    }

    /// Presses a key: `Tab`, `Enter`, or a character.
    pub(crate) fn press(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => (i32::from(other.as_bytes()[0].to_ascii_uppercase()), other),
        };
        let event =
            |kind: &str| json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", &event(if text.is_empty() { "rawKeyDown" } else { "keyDown" }));
        self.call("Input.dispatchKeyEvent", &event("keyUp"));
    }

    pub(crate) fn screenshot(&self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", &json!({"format": "png", "captureBeyondViewport": false}));
        let png = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
        std::fs::write(file, png).expect("written");
    }

    /// Fails after a request to another origin, an error on the browser's console, or a policy violation.
    pub(crate) fn was_good(&self) {
        for event in self.browser.events(&self.session, self.began) {
            let parameters = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str().unwrap_or_default();
                    assert!(url.starts_with(&format!("{}/", self.origin)), "a request goes elsewhere: {url}");
                }
                "Runtime.exceptionThrown" => panic!("{parameters}"),
                "Runtime.consoleAPICalled" => {
                    assert!(parameters["type"] != "error" && parameters["type"] != "warning", "{parameters}");
                }
                "Log.entryAdded" => assert!(parameters["entry"]["level"] != "error", "{parameters}"),
                "Page.javascriptDialogOpening" => panic!("a script of others ran: {parameters}"),
                _ => {}
            }
        }
    }

    /// Fails unless the page fits its width, has one heading and is accessible.
    pub(crate) fn is_for_everybody(&self, what: &str) {
        let wide = self.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(wide, 0, "{what}: it is wider than the window");
        assert_eq!(self.eval("document.querySelectorAll('h1').length"), 1, "{what}");
        if let Some(axe) = axe::script() {
            self.eval(&format!("{axe}; true"));
            let found = self.eval("axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => ({id: one.id, help: one.help, at: one.nodes.slice(0, 3).map((node) => node.html)})))");
            assert_eq!(found, json!([]), "{what}");
        }
    }
}
