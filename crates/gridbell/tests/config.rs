//! Every error in a `gridbell.toml` is reported with its position and the way out; no value is ever printed.

use config::{Environment, Reference, file::File};

const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NVGRID: &str = "[sources.n]\nprovider = \"nvgrid\"\n";

fn refused(text: &str) -> String {
    match File::parse("gridbell.toml", text) {
        Ok(_) => panic!("should be refused:\n{text}"),
        Err(error) => error.to_string(),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(refused(text), *expected, "\n{text}");
    }
}

#[test]
fn a_whole_file_is_read() {
    let config = File::parse("f", include_str!("../../../gridbell.example.toml")).expect("the example is good").config;
    assert_eq!(config.sources.len(), 4);
    let voltus = &config.sources["voltus-prod"];
    assert_eq!((voltus.provider.name(), voltus.environment), ("voltus", Environment::Production));
    assert_eq!(voltus.api_key, Some(Reference::Ssm("/gridbell/voltus-prod".to_owned())));
    assert_eq!(config.sources["leap-staging"].tokens.len(), 2);
    assert_eq!(config.deadlines.lead_s, 600);
    assert_eq!(config.signals.heartbeat_s, 300);
    let mill = &config.sites["voltus-prod/d4z9"];
    assert_eq!((mill.name.as_deref(), mill.timezone.as_deref()), (Some("Mill"), Some("America/Los_Angeles")));
    assert_eq!(mill.contacts.as_ref().expect("contacts").email, ["mill-duty@example.com"]);
    let own = voltus.deadlines.expect("its own");
    assert_eq!((own.lead_s, own.immediate_s, own.acknowledge), (1_800, 60, false));
    let fast = voltus.programs["Fast Response"];
    assert_eq!((fast.lead_s, fast.immediate_s, fast.acknowledge), (1_800, 30, true));
}

#[test]
fn what_the_functions_read() {
    let text = format!(
        "[sources.v]\nprovider='voltus'\nenvironment='sandbox'\napi_key='env:K'\ntoken='{HASH}'\n{NVGRID}\
         [deadlines]\nlead='1h30m'\n[contacts]\nemail=['a@b.c']\nfrom='d@e.f'\n[acks]\ntoken='{HASH}'"
    );
    let json = File::parse("f", &text).expect("good").config.to_json();
    let hash = &HASH[7..];
    assert_eq!(
        json,
        format!(
            r#"{{"sources":{{"n":{{"provider":"nvgrid","tokens":[]}},"v":{{"provider":"voltus","environment":"sandbox","api_url":"https://sandbox.voltus.co","api_key":"env:K","tokens":["{hash}"]}}}},"deadlines":{{"lead_s":5400,"immediate_s":60,"acknowledge":false}},"contacts":{{"email":["a@b.c"],"from":"d@e.f"}},"acks":{{"tokens":["{hash}"]}}}}"#
        )
    );
}

#[test]
fn defaults_follow_provider_and_environment() {
    for (provider, environment, expected) in [
        ("voltus", "production", "https://api.voltus.co"),
        ("voltus", "sandbox", "https://sandbox.voltus.co"),
        ("leap", "production", "https://api.leap.energy/v2"),
        ("leap", "sandbox", "https://api.staging.leap.energy/v2"),
        ("openvolt", "production", "https://api.openvolt.com"),
    ] {
        let text = format!("[sources.x]\nprovider='{provider}'\nenvironment='{environment}'\napi_key='env:K'");
        let config = File::parse("f", &text).expect("good").config;
        assert_eq!(config.sources["x"].api_url.as_deref(), Some(expected));
    }
    assert_eq!(File::parse("f", NVGRID).expect("good").config.sources["n"].api_url, None);
}

#[test]
fn the_file_as_a_whole() {
    check(&[
        (
            "",
            "gridbell.toml:1:1: sources: no source; write at least one [sources.<name>] with its provider (gridbell.example.toml shows all)",
        ),
        ("[sources", "gridbell.toml:1:9: not TOML: unclosed table, expected `]`"),
        (
            "[sorces.x]\n",
            "gridbell.toml:1:2: sorces: unknown key; known here: sources, deadlines, contacts, acks, signals, sites, outputs",
        ),
        ("sources = 1", "gridbell.toml:1:11: sources: a number where a table belongs"),
        ("[sources]\nx = 'y'", "gridbell.toml:2:5: sources.x: a string where a table belongs"),
    ]);
}

#[test]
fn a_source() {
    let names = "not a source's name; it stands in the webhook's address: a-z, 0-9 and -, 64 characters at most, not beginning with -";
    check(&[
        ("[sources.x]\n", "gridbell.toml:1:1: sources.x: provider is missing; a provider's name belongs here"),
        (
            "[sources.x]\nprovider = 'volt'",
            "gridbell.toml:2:12: sources.x.provider: unknown provider; known: voltus, leap, nvgrid, openvolt",
        ),
        (
            "[sources.x]\nprovider = 3",
            "gridbell.toml:2:12: sources.x.provider: a number where a provider's name belongs",
        ),
        (
            "[sources.x]\nprovider = 'nvgrid'\n  tokn = 1",
            "gridbell.toml:3:3: sources.x.tokn: unknown key; known here: provider, environment, api_url, api_key, token, poll, requests_per_minute, deadlines, contacts",
        ),
        (
            "[sources.x]\nprovider = 'nvgrid'\nenvironment = 'test'",
            "gridbell.toml:3:15: sources.x.environment: unknown environment; write \"production\" or \"sandbox\"",
        ),
        (
            "[sources.x]\nprovider = 'leap'",
            "gridbell.toml:1:1: sources.x: api_key is missing; leap is asked with one: write api_key = \"ssm:/gridbell/x\" or \"env:NAME\"",
        ),
        ("[sources.Ab]\nprovider = 'nvgrid'", &format!("gridbell.toml:1:10: sources.Ab: {names}")),
        ("[sources.-a]\nprovider = 'nvgrid'", &format!("gridbell.toml:1:10: sources.-a: {names}")),
        (
            &format!("[sources.{}]\nprovider = 'nvgrid'", "a".repeat(65)),
            &format!("gridbell.toml:1:10: sources.{}: {names}", "a".repeat(65)),
        ),
    ]);
    let twice = refused("[sources.x]\nprovider='nvgrid'\n[sources.x]\nprovider='nvgrid'");
    assert!(twice.starts_with("gridbell.toml:3:"), "{twice}");
}

#[test]
fn channels() {
    let with = |lines: &str| format!("{NVGRID}[contacts]\nemail = ['a@b.c']\nfrom = 'd@e.f'\n{lines}");
    let arn = "arn:aws:sns:us-east-1:123456789012:duty";
    let own = "[sources.n.contacts]\nsns = 'off'\nring_tests = true\n";
    let text = with(&format!(
        "sns = '{arn}'\npagerduty = 'ssm:/gridbell/pd'\nwebhook = {{ url = 'https://a.example.com/x?y=1', secret = 'env:S' }}\n{own}"
    ));
    let config = File::parse("f", &text).expect("good").config;
    let names = |source: &str| config.channels(source).to.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names("other"), ["SNS topic duty", "PagerDuty (ssm:/gridbell/pd)", "webhook at a.example.com"]);
    assert_eq!(names("n"), ["PagerDuty (ssm:/gridbell/pd)", "webhook at a.example.com"]);
    assert!(config.channels("n").ring_tests && !config.channels("other").ring_tests);
    let eu = with("pagerduty = { key = 'env:K', url = 'https://events.eu.pagerduty.com/v2/enqueue' }");
    let json = File::parse("f", &eu).expect("good").config.to_json();
    assert!(
        json.contains(r#"{"kind":"pagerduty","key":"env:K","url":"https://events.eu.pagerduty.com/v2/enqueue"}"#),
        "{json}"
    );
    let webhook = |url: &str| with(&format!("webhook = {{ url = '{url}', secret = 'env:S' }}"));
    check(&[
        (
            &with("sns = 'duty'"),
            "gridbell.toml:6:7: contacts.sns: not the ARN of an SNS topic; write \"arn:aws:sns:us-east-1:123456789012:grid-duty\"",
        ),
        (
            &with(&format!("sns = '{arn}.fifo'")),
            "gridbell.toml:6:7: contacts.sns: a FIFO topic, to which no telephone, chat or paging service subscribes; write the ARN of a standard topic",
        ),
        (
            &with("pagerduty = 'R0UT1NGKEY'"),
            "gridbell.toml:6:13: contacts.pagerduty: a value stands where a reference belongs; keep the key out of this file and write \"ssm:/gridbell/pagerduty\" or \"env:PAGERDUTY_API_KEY\"",
        ),
        (
            &with("pagerduty = { url = 'https://a' }"),
            "gridbell.toml:6:13: contacts.pagerduty: key is missing; write key = \"ssm:/gridbell/pagerduty\"",
        ),
        (
            &with("webhook = 'https://a.example.com'"),
            "gridbell.toml:6:11: contacts.webhook: not a webhook; write webhook = { url = \"https://…\", secret = \"ssm:/…\" }, or \"off\"",
        ),
        (
            &with("webhook = { url = 'https://a' }"),
            "gridbell.toml:6:11: contacts.webhook: secret is missing; write secret = \"ssm:/gridbell/alert-webhook\"",
        ),
        (
            &webhook("http://a.example.com"),
            "gridbell.toml:6:19: contacts.webhook.url: http would send alerts in the clear; write https:// (http is for loopback alone)",
        ),
        (
            &webhook("https://u:p@a.example.com"),
            "gridbell.toml:6:19: contacts.webhook.url: holds a user or a password; write the address alone",
        ),
        (&with("ring_tests = 'yes'"), "gridbell.toml:6:14: contacts.ring_tests: a string where true or false belongs"),
        (
            &with("slack = 1"),
            "gridbell.toml:6:1: contacts.slack: unknown key; known here: email, from, remind, escalate, group_wait, group_interval, sns, pagerduty, webhook, ring_tests",
        ),
    ]);
}

#[test]
fn sites() {
    let good = format!("{NVGRID}[sites.'n/-']\nname = 'Hall 1'\ntimezone = 'europe/berlin'\nphone = '+49 30 1234'\n");
    let config = File::parse("f", &good).expect("good").config;
    assert_eq!(config.sites["n/-"].timezone.as_deref(), Some("Europe/Berlin"));
    let json = config.to_json();
    let expected = r#""sites":{"n/-":{"name":"Hall 1","timezone":"Europe/Berlin","phone":"+49 30 1234"}}"#;
    assert!(json.contains(expected), "{json}");
    let site = |line: &str| format!("{NVGRID}[sites.'n/f']\n{line}");
    let many: Vec<String> = (0..50).map(|n| format!("'a{n}@b.c'")).collect();
    check(&[
        (
            &format!("{NVGRID}[sites.'other/f']\n"),
            "gridbell.toml:3:8: sites.other/f: names no source of this file before the slash; there are: n",
        ),
        (
            &format!("{NVGRID}[sites.f]\n"),
            "gridbell.toml:3:8: sites.f: not the key of a site; write \"SOURCE/SITE\", as `gridbell site list` shows it",
        ),
        (
            &site("timezone = 'Mars/Olympus'"),
            "gridbell.toml:4:12: sites.n/f.timezone: no time zone; write an IANA name: \"America/Los_Angeles\"",
        ),
        (
            &site("phone = 'call me'"),
            "gridbell.toml:4:9: sites.n/f.phone: not a telephone number; write \"+1 555 0100\"",
        ),
        (
            &site("runbook_url = 'javascript:alert(1)'"),
            "gridbell.toml:4:15: sites.n/f.runbook_url: not a web address; write \"https://wiki.example.com/mill\"",
        ),
        (
            &site("runbook_url = 'https://u:p@wiki.example.com'"),
            "gridbell.toml:4:15: sites.n/f.runbook_url: holds a user or a password, and stands in mails; write the address alone",
        ),
        (
            &site("name = \"a\\tb\""),
            "gridbell.toml:4:8: sites.n/f.name: no good as a name: 1 to 200 characters, none of them a control character",
        ),
        (
            &site("contacts = {}"),
            "gridbell.toml:4:12: sites.n/f.contacts: email is missing; write email = [\"mill-duty@example.com\"]",
        ),
        (
            &site(&format!("contacts = {{ email = [{}] }}", many.join(", "))),
            "gridbell.toml:4:12: sites.n/f.contacts: 50 addresses; with those of the source a mail goes to 50 at most",
        ),
        (
            &site("nmae = 'x'"),
            "gridbell.toml:4:1: sites.n/f.nmae: unknown key; known here: name, timezone, phone, instructions, runbook_url, contacts",
        ),
    ]);
}

#[test]
fn secrets_stay_outside_and_are_never_echoed() {
    let key = |value: &str| format!("[sources.v-1]\nprovider = 'voltus'\napi_key = {value}");
    let belongs = "gridbell.toml:3:11: sources.v-1.api_key: a value stands where a reference belongs; keep the key out of this file and write \"ssm:/gridbell/v-1\" or \"env:V_1_API_KEY\"";
    let path = "gridbell.toml:3:11: sources.v-1.api_key: not the path of an SSM parameter; write \"ssm:/gridbell/v-1\": letters, digits and _ . - between slashes";
    let name = "gridbell.toml:3:11: sources.v-1.api_key: not the name of an environment variable; write \"env:VOLTUS_API_KEY\": letters, digits and _";
    let token = "gridbell.toml:3:9: sources.n.token: not a token's hash; write \"sha256:\" and the 64 lower-case hex digits of `printf %s TOKEN | sha256sum`, never the token itself";
    check(&[
        (&key("'s3cr3t'"), belongs),
        (&key("''"), belongs),
        (&key("'ssm:'"), path),
        (&key("'ssm:s3cr3t'"), path),
        (&key("'ssm:/a//b'"), path),
        (&key("'env:'"), name),
        (&key("'env:1S'"), name),
        (&key("'env:s3-cr3t'"), name),
        (
            &key("17"),
            "gridbell.toml:3:11: sources.v-1.api_key: a number where a reference (\"ssm:/…\" or \"env:…\") belongs",
        ),
        (&format!("{NVGRID}token = 's3cr3t'"), token),
        (&format!("{NVGRID}token = '{}'", HASH.to_uppercase()), token),
        (&format!("{NVGRID}token = '{HASH}0'"), token),
    ]);
    for text in [
        key("'s3cr3t'"),
        key("'ssm:s3cr3t'"),
        key("s3cr3t"),
        key("'s3cr3t"),
        key("'a' s3cr3t"),
        format!("{NVGRID}token=['s3cr3t']"),
    ] {
        assert!(!refused(&text).contains("s3cr3t"), "{}", refused(&text));
    }
}

#[test]
fn tokens_are_one_or_two() {
    let other = HASH.replace('0', "1");
    check(&[
        (
            &format!("{NVGRID}token = []"),
            "gridbell.toml:3:9: sources.n.token: an empty list; leave the key out or write one hash",
        ),
        (
            &format!("{NVGRID}token = ['{HASH}', '{HASH}']"),
            "gridbell.toml:3:9: sources.n.token: the same hash twice; write it once",
        ),
        (
            &format!("{NVGRID}token = ['{HASH}', '{other}', '{HASH}']"),
            "gridbell.toml:3:9: sources.n.token: more than two hashes; two while rotating, one otherwise",
        ),
        (
            &format!("{NVGRID}token = [1]"),
            "gridbell.toml:3:10: sources.n.token: a number where \"sha256:…\" or a list of two belongs",
        ),
        (
            &format!("{NVGRID}[acks]\ntoken = true"),
            "gridbell.toml:4:9: acks.token: true or false where \"sha256:…\" or a list of two belongs",
        ),
        (&format!("{NVGRID}[acks]\nurl = ''"), "gridbell.toml:4:1: acks.url: unknown key; known here: token"),
    ]);
    assert!(File::parse("f", &format!("{NVGRID}token = ['{HASH}', '{other}']")).is_ok());
}

#[test]
fn what_a_provider_allows() {
    let allowed =
        |value: &str| format!("[sources.v]\nprovider = 'voltus'\napi_key = 'env:K'\nrequests_per_minute = {value}");
    let bounds =
        "gridbell.toml:4:23: sources.v.requests_per_minute: a number where a whole number from 1 to 60000 belongs";
    check(&[(&allowed("0"), bounds), (&allowed("1.5"), bounds), (&allowed("60001"), bounds)]);
    let config = File::parse("f", &allowed("60")).expect("good").config;
    assert!(config.to_json().contains("\"requests_a_minute\":60"));
}

#[test]
fn polling() {
    let poll = |value: &str| format!("[sources.v]\nprovider = 'voltus'\napi_key = 'env:K'\npoll = {value}");
    let interval = "gridbell.toml:4:8: sources.v.poll: no interval; write \"off\" or \"5m\": from 1m to 24h, and every minute near a dispatch all the same";
    check(&[
        (&poll("'often'"), interval),
        (&poll("'30s'"), interval),
        (&poll("'25h'"), interval),
        (
            &poll("5"),
            "gridbell.toml:4:8: sources.v.poll: a number where \"off\" or a duration in quotes (\"5m\") belongs",
        ),
        (
            &format!("{NVGRID}poll = '5m'"),
            "gridbell.toml:3:8: sources.n.poll: nvgrid lists no dispatches; write \"off\" or leave it out",
        ),
    ]);
    assert!(File::parse("f", &format!("{NVGRID}poll = 'off'")).is_ok());
    for (text, seconds, read) in [("'off'", 0, ",\"poll_s\":0}"), ("'1m'", 60, ",\"poll_s\":60}"), ("'5m'", 300, "[]}")]
    {
        let config = File::parse("f", &poll(text)).expect("good").config;
        assert_eq!(config.sources["v"].poll_s, seconds);
        let json = config.to_json();
        assert!(json.contains(&format!("\"tokens\":[]{}", read.trim_start_matches("[]"))), "{json}");
    }
}

#[test]
fn heartbeats() {
    let every = |value: &str| format!("{NVGRID}[signals]\nheartbeat = {value}");
    let interval = "gridbell.toml:4:13: signals.heartbeat: no interval; write \"off\" or \"5m\": from 1m to 1h";
    check(&[
        (&every("'often'"), interval),
        (&every("'59s'"), interval),
        (&every("'61m'"), interval),
        (
            &every("300"),
            "gridbell.toml:4:13: signals.heartbeat: a number where \"off\" or a duration in quotes (\"5m\") belongs",
        ),
        (
            &format!("{NVGRID}[signals]\nheartbeats = '5m'"),
            "gridbell.toml:4:1: signals.heartbeats: unknown key; known here: heartbeat",
        ),
    ]);
    for (text, seconds) in [("'off'", None), ("'1m'", Some(60)), ("'1h'", Some(3_600))] {
        let config = File::parse("f", &every(text)).expect("good").config;
        assert_eq!(config.signals.heartbeat().map(|every| every.as_secs()), seconds);
        let json = config.to_json();
        assert_eq!(json.contains("\"signals\":{\"heartbeat_s\":"), seconds.is_some(), "{json}");
        assert_eq!(pipeline::config::Config::parse(&json).expect("good"), config);
    }
    assert_eq!(File::parse("f", NVGRID).expect("good").config.signals.heartbeat(), None);
}

#[test]
fn addresses() {
    let url = |value: &str| format!("{NVGRID}api_url = '{value}'");
    let at = "gridbell.toml:3:11: sources.n.api_url:";
    for (value, expected) in [
        (
            "http://api.voltus.co",
            "http would send the API key in the clear; write https:// (http is for loopback alone)",
        ),
        (
            "http://localhost.example",
            "http would send the API key in the clear; write https:// (http is for loopback alone)",
        ),
        ("api.voltus.co", "not an address; write \"https://host/base\", the part before the documented path"),
        ("ftp://a.b", "not a web address; write \"https://host/base\""),
        ("https://user:pw@a.b", "holds a user or a password; write the address alone, the key belongs in api_key"),
        ("https://a.b/?k=v", "holds a query or a fragment; write the base before the documented path alone"),
        ("https://a.b/#f", "holds a query or a fragment; write the base before the documented path alone"),
        ("mailto:a@b.c", "an address without a host; write \"https://host/base\""),
    ] {
        assert_eq!(refused(&url(value)), format!("{at} {expected}"), "{value}");
    }
    for good in ["http://127.0.0.1:9", "http://localhost:1/x/", "http://[::1]:2", "https://a.b/v2"] {
        assert!(File::parse("f", &url(good)).is_ok(), "{good}");
    }
}

#[test]
fn deadlines_and_contacts() {
    let lead = |value: &str| format!("{NVGRID}[deadlines]\nlead = {value}");
    let duration = "gridbell.toml:4:8: deadlines.lead: not a duration; write \"60s\", \"10m\" or \"1h30m\": whole seconds, from 1 s to 24 h";
    let contacts = |rest: &str| format!("{NVGRID}[contacts]\n{rest}");
    check(&[
        (&lead("'soon'"), duration),
        (&lead("'0s'"), duration),
        (&lead("'-10m'"), duration),
        (&lead("'500ms'"), duration),
        (&lead("'25h'"), duration),
        (&lead("600"), "gridbell.toml:4:8: deadlines.lead: a number where a duration in quotes (\"10m\") belongs"),
        (
            &format!("{NVGRID}[deadlines]\nacknowledge = 'no'"),
            "gridbell.toml:4:15: deadlines.acknowledge: a string where true or false belongs",
        ),
        (
            &format!("{NVGRID}[deadlines]\nleed = '1m'"),
            "gridbell.toml:4:1: deadlines.leed: unknown key; known here: lead, immediate, acknowledge",
        ),
        (
            &contacts("from = 'a@b.c'"),
            "gridbell.toml:3:1: contacts: email is missing; write email = [\"grid-duty@example.com\"]",
        ),
        (&contacts("email = []\nfrom = 'a@b.c'"), "gridbell.toml:4:9: contacts.email: 0 addresses; write 1 to 50"),
        (
            &contacts("email = ['x']\nfrom = 'a@b.c'"),
            "gridbell.toml:4:10: contacts.email: not a mail address; write one plain address, \"grid-duty@example.com\"",
        ),
        (&contacts("email = ['a@b.c']"), "gridbell.toml:3:1: contacts: from is missing; a mail address belongs here"),
        (
            &contacts("email = ['a@b.c']\nfrom = 'a@b.c\\r\\nBcc: x'"),
            "gridbell.toml:5:8: contacts.from: not a mail address; write one plain address, \"grid-duty@example.com\"",
        ),
    ]);
}

#[test]
fn a_sources_own_deadlines() {
    let own = |rest: &str| format!("{NVGRID}[sources.n.deadlines]\n{rest}");
    let program = |rest: &str| own(&format!("[sources.n.deadlines.programs.\"A Program\"]\n{rest}"));
    check(&[
        (
            &own("lead = 'soon'"),
            "gridbell.toml:4:8: sources.n.deadlines.lead: not a duration; write \"60s\", \"10m\" or \"1h30m\": whole seconds, from 1 s to 24 h",
        ),
        (
            &own("leed = '1m'"),
            "gridbell.toml:4:1: sources.n.deadlines.leed: unknown key; known here: lead, immediate, acknowledge, programs",
        ),
        (
            &own("programs = 'A Program'"),
            "gridbell.toml:4:12: sources.n.deadlines.programs: a string where a table belongs",
        ),
        (
            &program("acknowledge = 'yes'"),
            "gridbell.toml:5:15: sources.n.deadlines.programs.A Program.acknowledge: a string where true or false belongs",
        ),
        (
            &program("programs = {}"),
            "gridbell.toml:5:1: sources.n.deadlines.programs.A Program.programs: unknown key; known here: lead, immediate, acknowledge",
        ),
    ]);
    let json = |text: &str| {
        let json = File::parse("f", text).expect("good").config.to_json();
        config::Config::parse(&json).expect("the functions read it");
        serde_json::from_str::<serde_json::Value>(&json).expect("JSON")["sources"]["n"].take()
    };
    let text = program("acknowledge = true").replace("deadlines]\n", "deadlines]\nimmediate = '30s'\n");
    let n = json(&text);
    assert_eq!(n["deadlines"], serde_json::json!({"lead_s": 600, "immediate_s": 30, "acknowledge": false}));
    assert_eq!(
        n["programs"],
        serde_json::json!({"A Program": {"lead_s": 600, "immediate_s": 30, "acknowledge": true}})
    );
    assert!(json(NVGRID).get("deadlines").is_none(), "what is as everywhere takes no room");
}

/// A configuration with further keys in `[contacts]`.
fn contacts(rest: &str) -> String {
    format!("{NVGRID}[contacts]\nemail = ['a@b.c']\nfrom = 'a@b.c'\n{rest}")
}

#[expect(clippy::expect_used, reason = "a helper of tests fails the test")]
fn functions_json(text: &str) -> String {
    File::parse("f", text).expect("good").config.to_json()
}

const NO_DURATION: &str = "not a duration; write \"60s\", \"10m\" or \"1h30m\": whole seconds, from 1 s to 24 h";

#[test]
fn how_long_mails_are_grouped() {
    check(&[
        (&contacts("group_wait = 'soon'"), &format!("gridbell.toml:6:14: contacts.group_wait: {NO_DURATION}")),
        (
            &contacts("group_wait = 30"),
            "gridbell.toml:6:14: contacts.group_wait: a number where a duration in quotes (\"30s\") belongs",
        ),
        (&contacts("group_interval = '0s'"), &format!("gridbell.toml:6:18: contacts.group_interval: {NO_DURATION}")),
        (
            &contacts("group_intervall = '5m'"),
            "gridbell.toml:6:1: contacts.group_intervall: unknown key; known here: email, from, remind, escalate, group_wait, group_interval, sns, pagerduty, webhook, ring_tests",
        ),
    ]);
    let read = |text: &str| {
        let read = config::Config::parse(&functions_json(text)).expect("the functions read it");
        (read.contacts.group_wait_s, read.contacts.group_interval_s)
    };
    assert_eq!(read(&contacts("")), (30, 300));
    assert_eq!(read(&contacts("group_wait = '0s'\ngroup_interval = '10s'")), (0, 10));
}

#[test]
fn who_is_notified_how_often_and_who_else() {
    let many: Vec<String> = (0..50).map(|n| format!("'p{n}@b.c'")).collect();
    check(&[
        (&contacts("remind = 'often'"), &format!("gridbell.toml:6:10: contacts.remind: {NO_DURATION}")),
        (
            &contacts("remind = 15"),
            "gridbell.toml:6:10: contacts.remind: a number where a duration in quotes (\"15m\"), or \"off\" belongs",
        ),
        (
            &contacts("escalate = 'x@b.c'"),
            "gridbell.toml:6:12: contacts.escalate: a string where a list of { after = \"15m\", email = [\"lead@example.com\"] } belongs",
        ),
        (
            &contacts("escalate = [{ email = ['x@b.c'] }]"),
            "gridbell.toml:6:13: contacts.escalate: after is missing; write after = \"15m\"",
        ),
        (
            &contacts("escalate = [{ after = '1m' }]"),
            "gridbell.toml:6:13: contacts.escalate: email is missing; write email = [\"lead@example.com\"]",
        ),
        (
            &contacts("escalate = [\n{ after = '1m', email = ['x@b.c'] },\n{ after = 'soon', email = 'x@b.c' }]"),
            &format!("gridbell.toml:8:11: contacts.escalate.after: {NO_DURATION}"),
        ),
        (
            &contacts("escalate = [{ after = '1m', mail = 'x@b.c' }]"),
            "gridbell.toml:6:29: contacts.escalate.mail: unknown key; known here: after, email",
        ),
        (
            &contacts(&format!("escalate = [{{ after = '1m', email = [{}] }}]", many.join(","))),
            "gridbell.toml:3:1: contacts: 51 addresses with those of escalate; a mail goes to 50 at most",
        ),
        (
            &format!("{NVGRID}[sources.n.contacts]\nfrom = 'x@b.c'"),
            "gridbell.toml:4:1: sources.n.contacts.from: unknown key; known here: email, escalate, sns, pagerduty, webhook, ring_tests",
        ),
        (
            &format!(
                "{}[sources.n.contacts]\nemail = [{}]",
                contacts("escalate = [{ after = '0', email = 'x@b.c' }]\n"),
                many.join(",")
            ),
            "gridbell.toml:7:1: sources.n.contacts: 51 addresses with those of escalate; a mail goes to 50 at most",
        ),
    ]);
    let text = contacts(
        "remind = 'off'\nescalate = [{ after = '15m', email = 'x@b.c' }, { after = '0s', email = ['y@b.c'] }]\n",
    ) + "[sources.n.contacts]\nescalate = []\n";
    let json = functions_json(&text);
    for part in [
        r#""tokens":[],"contacts":{"escalate":[]}"#,
        r#""contacts":{"email":["a@b.c"],"from":"a@b.c","remind_s":0,"escalate":[{"after_s":900,"email":["x@b.c"]},{"after_s":0,"email":["y@b.c"]}]}"#,
    ] {
        assert!(json.contains(part), "{json}");
    }
    let read = config::Config::parse(&json).expect("the functions read it");
    let levels = [0, 899, 900].map(|age_s| read.audience("other").level(jiff::SignedDuration::from_secs(age_s)));
    assert_eq!(levels, [1, 1, 2], "sorted by time");
    assert_eq!(read.audience("n").steps(), []);
}

/// A configuration with `count` sources, each with a token.
fn sources(count: usize) -> String {
    let source = |n| format!("[sources.nv-{n}]\nprovider = 'nvgrid'\ntoken = '{HASH}'\n");
    (0..count).map(source).collect::<Vec<_>>().concat()
}

#[test]
fn hundreds_of_sources_fit() {
    let config = File::parse("gridbell.toml", &sources(500)).expect("good").config;
    let json = config.to_json();
    assert!(json.len() > 40 * 1_024, "{} bytes", json.len());
    assert_eq!(config::Config::parse(&json).expect("the functions read it").sources.len(), 500);
}

#[test]
fn what_the_functions_would_refuse_is_refused_here() {
    let error = refused(&sources(10_000));
    assert!(error.starts_with("gridbell.toml:1:1: sources: too large: "), "{error}");
    assert!(
        error.contains("the functions read 1048576; spread the 10000 sources and 0 sites over several stacks"),
        "{error}"
    );
}

/// A file with a mistake in each section.
const WRONG: &str = "\
[sources.v]
provider = 'volt'
environment = 'test'
api_key = 's3cr3t'
tokn = 1
[sources.n]
provider = 'nvgrid'
poll = '5m'
token = ['sha256:1', 2]
[sources.n.deadlines]
lead = 'soon'
acknowledge = 'no'
[sites.'other/f']
timezone = 'Mars/Olympus'
[contacts]
email = ['x', 'a@b.c', 'y']
remind = 15
[acks]
tokens = 'x'
";

#[test]
fn every_mistake_is_reported_at_once_in_the_files_order() {
    let said = refused(WRONG);
    let lines: Vec<&str> = said.lines().collect();
    let places = [
        "2:12: sources.v.provider: ",
        "3:15: sources.v.environment: ",
        "4:11: sources.v.api_key: ",
        "5:1: sources.v.tokn: ",
        "8:8: sources.n.poll: ",
        "9:10: sources.n.token: ",
        "9:22: sources.n.token: ",
        "11:8: sources.n.deadlines.lead: ",
        "12:15: sources.n.deadlines.acknowledge: ",
        "13:8: sites.other/f: ",
        "14:12: sites.other/f.timezone: ",
        "15:1: contacts: from is missing",
        "16:10: contacts.email: ",
        "16:24: contacts.email: ",
        "17:10: contacts.remind: ",
        "19:1: acks.tokens: ",
    ];
    for (line, place) in lines.iter().zip(places) {
        assert!(line.starts_with(&format!("gridbell.toml:{place}")), "{place} is missing:\n{said}");
    }
    assert_eq!(lines.len(), places.len(), "{said}");
    assert!(!said.contains("s3cr3t"), "{said}");
}

#[test]
fn the_name_of_the_built_in_source_is_taken() {
    let text = NVGRID.replace("[sources.n]", "[sources.gridbell-verify]");
    check(&[(
        &text,
        "gridbell.toml:1:10: sources.gridbell-verify: `gridbell verify` uses this name; write another one",
    )]);
}

#[test]
fn what_only_a_deployment_needs() {
    let mistakes = |text: &str| -> Vec<String> {
        let file = File::parse("gridbell.toml", text).expect("good for the local stack");
        file.deployment_mistakes("gridbell.toml").iter().map(ToString::to_string).collect()
    };
    let text = format!(
        "[sources.v]\nprovider = 'voltus'\napi_key = 'env:KEY'\ntoken = '{HASH}'\n{NVGRID}[sources.n.deadlines]\nacknowledge = true\n"
    );
    assert_eq!(
        mistakes(&text),
        [
            "gridbell.toml:1:1: contacts: nobody is notified of anything; write [contacts] with email and from",
            "gridbell.toml:3:11: sources.v.api_key: only the local stack can read env:KEY; put the key into SSM and write \"ssm:/gridbell/v\"",
            "gridbell.toml:5:1: sources.n: token is missing, so no webhook is accepted; write the hash of a token of your own",
            "gridbell.toml:5:1: acks: acknowledge = true, and no token lets a controller acknowledge; write [acks] with a token",
        ]
    );
    let ringing = format!(
        "{NVGRID}token = '{HASH}'\n[contacts]\nemail = ['a@b.c']\nfrom = 'd@e.f'\npagerduty = 'env:PD'\n[sources.n.contacts]\nsns = 'off'\n"
    );
    assert_eq!(
        mistakes(&ringing),
        [
            "gridbell.toml:7:13: contacts.pagerduty: only the local stack can read env:PD; put it into SSM and write \"ssm:/…\""
        ]
    );
    let whole = format!(
        "{NVGRID}token = '{HASH}'\n[deadlines]\nacknowledge = true\n[contacts]\nemail = ['a@b.c']\nfrom = 'd@e.f'\n[acks]\ntoken = '{HASH}'\n"
    );
    assert_eq!(mistakes(&whole), Vec::<String>::new());
}

#[test]
fn the_command_lists_all_mistakes_for_people_and_programs() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("gridbell.toml");
    let check = |text: &str, arguments: &[&str]| {
        std::fs::write(&file, text).expect("written");
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_gridbell"))
            .args(["config", "check", "--config"])
            .arg(&file)
            .args(arguments)
            .output()
            .expect("gridbell runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (run.status.code(), text(run.stdout), text(run.stderr))
    };
    let (code, out, err) = check(WRONG, &[]);
    assert!(code == Some(1) && out.lines().count() == 16, "{out}{err}");
    assert!(err.starts_with("error: 16 mistakes in ") && err.lines().count() == 1, "{err}");
    let (code, out, err) = check("[sources.n]\nprovider = 'nvgrd'", &[]);
    assert!(code == Some(1) && out.is_empty() && err.contains(":2:12: sources.n.provider: unknown provider"), "{err}");
    let (code, out, _) = check(WRONG, &["--json"]);
    let said: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let mistakes = said["mistakes"].as_array().expect("mistakes");
    assert_eq!((code, mistakes.len()), (Some(1), 16));
    assert_eq!((&mistakes[0]["line"], &mistakes[0]["key"]), (&2.into(), &"sources.v.provider".into()));

    let (code, out, err) = check(NVGRID, &[]);
    assert!(code == Some(0) && out.contains("is good: 1 sources"), "{out}{err}");
    let (code, out, err) = check(NVGRID, &["--deploy"]);
    assert!(code == Some(1) && out.contains("contacts: ") && out.contains("sources.n: token is missing"), "{out}{err}");
    // The example shows what the local stack can do as well.
    let example = include_str!("../../../gridbell.example.toml");
    assert_eq!(check(example, &[]).0, Some(0));
    let (code, out, err) = check(example, &["--deploy"]);
    assert!(
        code == Some(1) && out.contains("sources.leap-staging.api_key: only the local stack can read"),
        "{out}{err}"
    );
}
