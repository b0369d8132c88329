//! Valid and invalid environments of a function, and the error messages.

use std::collections::BTreeMap;

use aws::environment::{Environment, Queue, Table};
use pipeline::config::Config;

fn variables(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = [
        ("GRIDBELL_CONFIG_TABLE", "config"),
        ("GRIDBELL_DELIVERIES_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/1/deliveries"),
        ("GRIDBELL_DISPATCHES_TABLE", "dispatches"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    variables.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    variables
}

/// Reads every variable and returns the first error.
fn complaint(changes: &[(&str, &str)]) -> Option<String> {
    let variables = variables(changes);
    let environment = Environment::new(|name| variables.get(name).cloned());
    let read = || {
        environment.access()?;
        environment.table(Table::Config)?;
        environment.queue(Queue::Deliveries)?;
        environment.table(Table::Dispatches)
    };
    read().err().map(|error| error.to_string())
}

#[test]
fn a_whole_environment_is_taken() {
    assert_eq!(complaint(&[]), None);
    assert_eq!(complaint(&[("GRIDBELL_LOG", "info,aws=debug"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")]), None);
}

#[test]
fn what_is_missing_or_bad_is_named_and_not_echoed() {
    let check = |name: &str, value: &str, expected: &str| {
        let said = complaint(&[(name, value)]).unwrap_or_else(|| panic!("{name}={value:?} was taken"));
        assert!(said.contains(name) && said.contains(expected), "{said}");
        assert!(value.is_empty() || !said.contains(value), "{said}");
        assert!(!said.contains("wJalrXUtnFEMI"), "{said}");
    };
    for name in [
        "GRIDBELL_CONFIG_TABLE",
        "GRIDBELL_DELIVERIES_QUEUE_URL",
        "GRIDBELL_DISPATCHES_TABLE",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        check(name, "", "is not set");
    }
    check("GRIDBELL_DELIVERIES_QUEUE_URL", "deliveries-queue", "is no http(s) URL");
    check("AWS_ENDPOINT_URL", "localhost:4566", "is no http(s) URL");
}

#[test]
fn a_bad_api_key_reference_is_refused_and_not_shown() {
    let json = r#"{"sources":{"v":{"provider":"voltus","api_key":"sk-12345","tokens":[]}}}"#;
    let said = Config::parse(json).unwrap_err().to_string();
    assert!(said.contains("a reference is ssm:/path/of/parameter") && !said.contains("sk-12345"), "{said}");
    let complaint = |json: &str| aws::http::check_all(&Config::parse(json).unwrap()).unwrap_err();
    let said = complaint(r#"{"sources":{"v":{"provider":"voltus","api_url":"http://api.voltus.co","tokens":[]}}}"#);
    assert!(said.contains("neither https"), "{said}");
}

#[test]
fn a_bad_log_filter_stops_no_cold_start() {
    let logged = |filter: &str| {
        let variables = variables(&[("GRIDBELL_LOG", filter)]);
        let (filter, complaint) = Environment::new(|name| variables.get(name).cloned()).log();
        (filter.to_string(), complaint.map(|complaint| complaint.to_string()))
    };
    assert_eq!(logged("warn"), ("warn".to_owned(), None));
    assert_eq!(logged(""), ("info".to_owned(), None));
    let (filter, complaint) = logged("info,aws=loud");
    assert_eq!(filter, "info");
    let complaint = complaint.expect("a complaint");
    assert!(complaint.contains("GRIDBELL_LOG is no filter") && !complaint.contains("loud"), "{complaint}");
}

/// The URLs of those queues.
fn urls(names: &[&str]) -> BTreeMap<String, String> {
    let url =
        |name: &&str| (format!("GRIDBELL_{name}_QUEUE_URL"), format!("https://sqs.us-east-1.amazonaws.com/1/{name}"));
    names.iter().map(url).collect()
}

#[test]
fn a_function_needs_the_queues_that_it_uses_and_no_others() {
    let retriers = ["DELIVERIES", "RETRIES", "ALERTS", "REVIEWS", "SIGNALS", "RETRIES_DEAD", "ALERTS_DEAD"];
    let alerters = ["ALERTS", "REVIEWS", "DELIVERIES", "RETRIES", "SIGNALS", "RETRIES_DEAD", "ALERTS_DEAD"];
    let check = |names: &[&str], read: fn(&Environment<'_>) -> Result<(), String>| {
        let all = urls(names);
        assert_eq!(read(&Environment::new(|name| all.get(name).cloned())), Ok(()));
        for missing in names {
            let name = format!("GRIDBELL_{missing}_QUEUE_URL");
            let said = read(&Environment::new(|asked| all.get(asked).filter(|_| asked != name).cloned()));
            assert_eq!(said, Err(format!("{name} is not set")));
        }
    };
    check(&retriers, |environment| {
        environment.inner_queues().map_err(|error| error.to_string())?;
        environment.swept_queues().map(drop).map_err(|error| error.to_string())
    });
    check(&alerters, |environment| {
        environment.alerters_queues().map_err(|error| error.to_string())?;
        environment.judged_queues().map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn a_file_of_private_authorities_has_to_hold_some() {
    let said = complaint(&[("SSL_CERT_FILE", "/nowhere/ca.pem")]).unwrap();
    assert!(said.contains("SSL_CERT_FILE") && said.contains("/nowhere/ca.pem"), "{said}");
    let said = complaint(&[("SSL_CERT_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))]).unwrap();
    assert!(said.contains("holds no certificate"), "{said}");
}

#[test]
fn nothing_secret_appears_when_it_is_printed() {
    let variables = variables(&[]);
    let environment = Environment::new(|name| variables.get(name).cloned());
    let printed = format!("{environment:?} {:?}", environment.access().unwrap());
    assert!(!printed.contains("wJalrXUtnFEMI"), "{printed}");
}
