//! All mistakes at once, those of a deployment, and how the command lists them.

use config::file::File;

use crate::{HASH, NVGRID, check, refused};

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
    let example = include_str!("../../../../gridbell.example.toml");
    assert_eq!(check(example, &[]).0, Some(0));
    let (code, out, err) = check(example, &["--deploy"]);
    assert!(
        code == Some(1) && out.contains("sources.leap-staging.api_key: only the local stack can read"),
        "{out}{err}"
    );
}
