//! Sites, deadlines, contacts and channels: who is notified of what, when.

use config::file::File;

use crate::{NVGRID, check};

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
            "gridbell.toml:6:1: contacts.group_intervall: unknown key; known here: email, from, remind, escalate, group_wait, group_interval",
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
            "gridbell.toml:4:1: sources.n.contacts.from: unknown key; known here: email, escalate",
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
