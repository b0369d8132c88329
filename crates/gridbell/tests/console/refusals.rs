//! Every wrong call, and everything that may be missing: one line that says what to do, with status 2 for the command
//! line and 1 for a failure.

use super::{STACK, Said, gridbell, plain};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

#[test]
fn a_wrong_command_line_is_one_line_and_two() {
    for (arguments, expected) in [
        ("nonsense", "unrecognized subcommand 'nonsense'"),
        ("dispatch nonsense", "unrecognized subcommand 'nonsense'"),
        ("dispatch list --sourc x", "a similar argument exists: '--source'"),
        ("dispatch list --phase never", "[possible values: running, upcoming,"),
        ("dispatch list --since yesterday", "is neither an instant"),
        ("dispatch list --until tomorrow", "invalid value 'tomorrow'"),
        ("dispatch list --all --since 7d", "cannot be used with"),
        ("dispatch get", "<KEY>; `gridbell dispatch get --help`"),
        ("dispatch ack voltus-demo/x", "<STATE>"),
        ("dispatch ack voltus-demo/x perhaps", "[possible values: accepted, completed, failed]"),
        ("dispatch ack voltus-demo/x accepted --version one", "invalid value 'one'"),
        ("site get nobody", "write SOURCE/SITE"),
        ("delivery replay", "say which: an ID"),
        ("delivery replay x --source y", "cannot be used with"),
        ("delivery replay x --yes --dry-run", "cannot be used with"),
        ("delivery get x --raw --json", "cannot be used with"),
        ("delivery list --kind lost", "[possible values: failing, quarantined, dead-letter]"),
        ("alert ack", "<INCIDENT>"),
        ("webhook register", "<SOURCE>"),
        ("webhook register leap-demo --level site", "[possible values: meter, group]"),
        ("webhook register leap-demo --wait soon", "write 90s, 10m or 1h"),
        ("webhook register leap-demo --url nowhere", "invalid value 'nowhere'"),
        ("trigger leap-demo", "<SCENARIO>"),
        ("trigger leap-demo basic --misbehave badly", "unknown misbehaviour; known: slow, "),
        ("trigger leap-demo basic --speed 0", "invalid value '0'"),
        ("providers --provider enron", "known: voltus, leap, nvgrid, openvolt"),
        ("up --endpoint-url ftp://h", "write http://HOST:PORT"),
        ("up --keep", "--endpoint-url"),
        ("doctor --profile y", "--stack"),
        ("doctor --state x --stack y", "cannot be used with"),
        ("completions tcsh", "[possible values: bash,"),
    ] {
        plain(&arguments.split(' ').collect::<Vec<_>>()).refuses(2, expected);
    }
}

#[test]
fn what_is_not_there_is_one_line() {
    for (arguments, code, expected) in [
        ("dispatch list --source nobody", 2, "there is no source nobody in this stack; it has leap-demo"),
        ("site list --source nobody", 2, "there is no source nobody in this stack"),
        ("delivery list --source nobody", 2, "there is no source nobody in this stack"),
        ("alert list --source nobody", 2, "there is no source nobody in this stack"),
        ("webhook register leap-demo --token s3cr3t", 2, "never the secret itself"),
        ("webhook list nobody", 2, "there is no source nobody in this stack"),
        ("trigger nobody basic", 2, "there is no source nobody in this stack"),
        ("trigger leap-demo earthquake", 2, "leap has no scenario earthquake; it has basic, "),
        ("dispatch get voltus-demo/nobody", 1, "there is no dispatch voltus-demo/nobody: `gridbell dispatch list"),
        ("dispatch ack voltus-demo/nobody accepted", 1, "there is no dispatch"),
        ("site get voltus-demo/nobody", 1, "no active dispatch names a site voltus-demo/nobody"),
        ("delivery get nobody", 1, "nothing is quarantined under nobody"),
        ("delivery get dead#nobody", 1, "there is no dead letter dead#nobody"),
        ("delivery replay dead#nobody --yes", 1, "there is no dead letter dead#nobody"),
        ("alert snooze nobody 30m", 1, "there is no incident nobody: `gridbell alert list` names"),
        ("alert snooze nobody 30s", 2, "write 30m or 2h: from 1m to 24h"),
        ("alert ack nobody", 1, "there is no incident nobody: `gridbell alert list` names"),
        // Its provider does not answer, and its key is not valid.
        ("webhook list voltus-demo", 1, "did not answer: "),
        ("webhook register voltus-demo", 1, "did not answer: "),
        ("webhook register leap-demo", 1, "nothing is changed: what is set now cannot be read"),
        ("webhook unregister leap-demo", 1, "check the network and api_url"),
        ("webhook test voltus-demo --yes", 1, "did not answer: "),
        ("webhook unregister openvolt-demo", 1, "by its dashboard alone"),
        ("webhook register voltus-demo --url https://h.example/x", 2, "--url ends in /hooks/voltus-demo"),
        ("webhook register voltus-demo --token env:UNSET_FOR_TESTS", 1, "env:UNSET_FOR_TESTS cannot be read"),
        (
            "webhook register voltus-demo --url http://127.0.0.1:9/hooks/voltus-demo/t",
            1,
            "that token does not open voltus-demo",
        ),
        ("trigger voltus-demo basic", 1, "run `gridbell providers --provider voltus`"),
        ("config apply --config nowhere.toml", 1, "nowhere.toml"),
    ] {
        let said = gridbell(&arguments.split(' ').collect::<Vec<_>>());
        said.refuses(code, expected);
        assert!(!said.err.contains("s3cr3t"), "{}", said.err);
    }
}

/// Runs `gridbell … --stack gridbell` with only these AWS settings.
fn deployed(arguments: &str, settings: &[(&str, &str)], config: &str) -> Said {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("config");
    std::fs::write(&file, config).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_gridbell"))
        .args(arguments.split(' '))
        .args(["--stack", "gridbell"])
        .env_clear()
        .env("AWS_CONFIG_FILE", &file)
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", folder.path())
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("gridbell starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code().expect("ended"), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn whoever_is_not_signed_in_or_cannot_reach_aws_is_told_in_one_line() {
    let key = [("AWS_ACCESS_KEY_ID", "AKIA0"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t")];
    let region = ("AWS_REGION", "us-east-1");
    let nobody = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let signed_out = "[profile duty]\nregion = us-east-1\nsso_start_url = https://d.example/start\nsso_region = us-east-1\n\
                   sso_account_id = 111122223333\nsso_role_name = duty\n";
    let check = |arguments: &str, settings: &[(&str, &str)], config: &str, expected: &str| {
        let said = deployed(arguments, settings, config);
        said.refuses(1, expected);
        assert!(!said.err.contains("s3cr3t"), "{}", said.err);
    };
    check("dispatch list", &key, "", "no AWS region is known: say --region NAME");
    check("dispatch list", &[region], "", "nobody is signed in to AWS: run `aws sso login`");
    check("doctor --profile duty", &[region], "", "the AWS profile duty is not set up");
    check("alert list --profile duty", &[], signed_out, "run `aws sso login --profile duty`");
    check(
        "delivery list",
        &[key[0], key[1], region, nobody],
        "",
        "AWS does not answer: check the network and the region",
    );
    let proxy = ("HTTPS_PROXY", "ftp://u:s3cr3t@h");
    check("dispatch list", &[key[0], key[1], region, proxy], "", "HTTPS_PROXY names no proxy that can be used");
    let endpoint = ("AWS_ENDPOINT_URL", STACK.1.description().endpoint_url.as_str());
    let other = deployed("dispatch list --region eu-west-1", &[key[0], key[1], endpoint], "");
    assert!(other.code == 1 && other.err.lines().count() == 1, "{}", other.err);
}

#[test]
fn this_machine_is_asked_past_every_proxy() {
    let output = Command::new(env!("CARGO_BIN_EXE_gridbell"))
        .args(["dispatch", "list", "--json", "--state", STACK.1.state_file().to_str().expect("a path")])
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .output()
        .expect("gridbell starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_proxy_that_is_not_needed_blocks_nothing() {
    let state = STACK.1.state_file().to_str().expect("a path");
    for wrong in ["ftp://u:s3cr3t@h", "socks9://h", "http://h:port"] {
        for arguments in [
            &["dispatch", "list", "--json", "--state", state][..],
            &["doctor", "--json", "--state", state],
            &["completions", "bash"],
            &["cost", "--json"],
            &["trigger", "--list"],
        ] {
            let ask = |variables: &[&str]| {
                let mut gridbell = Command::new(env!("CARGO_BIN_EXE_gridbell"));
                gridbell.args(arguments).envs(variables.iter().map(|name| (*name, wrong))).stdin(Stdio::null());
                gridbell.output().expect("gridbell starts")
            };
            let (with, without) = (ask(&["HTTP_PROXY", "HTTPS_PROXY", "all_proxy"]), ask(&[]));
            let said = String::from_utf8_lossy(&with.stderr);
            if arguments[0] == "doctor" {
                // What it finds depends on the other tests beside this one; that it finds something does not.
                let checks = |output: &Output| {
                    serde_json::from_slice::<Value>(&output.stdout).map(|all| all["checks"].is_array())
                };
                assert!(checks(&with).is_ok_and(|all| all), "{arguments:?} with {wrong}: {said}");
            } else {
                assert_eq!(with.status.code(), without.status.code(), "{arguments:?} with {wrong}: {said}");
            }
            assert!(!said.contains("s3cr3t") && !said.contains("PROXY"), "{said}");
        }
    }
}
