//! Sources: names, secrets, tokens, addresses, polling, and how many fit.

use config::file::File;

use crate::{HASH, NVGRID, check, refused};

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
