//! The client of NvGrid against its simulator, over real gRPC.

use std::{collections::BTreeSet, path::Path, time::Duration};

use nvgrid_client::{Client, Endpoint, Login, NvgridError, Origin};
use prost_reflect::DescriptorPool;
use provider_server::{ClientError, RemoteSimulator, Settings, Simulators, times};
use provider_sims::{Fault, Keys, NVGRID, NVGRID_PROTO, What};
use serde_json::json;
use stack_client::http_client;
use tempfile::TempDir;
use url::Url;

use crate::receiver::receiver;

/// A site's simulator, and its description as files.
pub(crate) struct Site {
    pub(crate) simulators: Simulators,
    pub(crate) folder: TempDir,
}

pub(crate) async fn site() -> Site {
    let settings = Settings { keys: Keys::Only(BTreeSet::from(["pa:ss".to_owned()])), speed: 3600 };
    let simulators = Simulators::start(&[&NVGRID], &settings).await.expect("started");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("nvgrid.proto"), NVGRID_PROTO).expect("written");
    Site { simulators, folder }
}

pub(crate) fn login(text: &str) -> Login {
    Login::parse(&aws::secrets::Secret::new(text))
}

pub(crate) fn endpoint(url: Url) -> Endpoint {
    Endpoint { url, ca: None, tls_name: None, answers: Duration::from_secs(20) }
}

impl Site {
    pub(crate) fn url(&self) -> Url {
        self.simulators.urls()["nvgrid"].clone()
    }

    pub(crate) fn proto(&self) -> Origin {
        Origin::Proto { files: vec![self.folder.path().join("nvgrid.proto")], folders: Vec::new() }
    }

    pub(crate) async fn connect(&self, origin: &Origin) -> Result<Client, NvgridError> {
        Client::connect(&endpoint(self.url()), origin, login("operator:pa:ss")).await
    }

    pub(crate) async fn client(&self) -> Client {
        self.connect(&Origin::Reflection).await.expect("connected")
    }

    pub(crate) fn misbehave(&self, what: &str) {
        self.simulators.misbehave("nvgrid", &[what.parse::<Fault>().expect("a fault")]);
    }

    /// Plays an exercise to the registered webhooks; returns how many webhooks were accepted.
    async fn play(&self, exercise: &str) -> Result<usize, ClientError> {
        let found = RemoteSimulator::find(&http_client().expect("a client"), &self.url()).await?;
        let mut following = found.play(exercise, None, 3600, Vec::new()).await?;
        let mut taken = 0;
        loop {
            match following.next().await?.what {
                What::Webhook { status: Some(200), .. } => taken += 1,
                What::Over => return Ok(taken),
                _ => {}
            }
        }
    }
}

/// The error's text; fails unless it is one line without a secret.
pub(crate) fn said<T: std::fmt::Debug>(result: Result<T, NvgridError>) -> String {
    let said = result.expect_err("refused").to_string();
    assert!(!said.contains('\n') && !said.contains("pa:ss") && !said.contains("Bearer"), "{said}");
    said
}

pub(crate) fn descriptor_set(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("nvgrid.binpb");
    let set = protox::compile([folder.join("nvgrid.proto")], [folder]).expect("compiled");
    let pool = DescriptorPool::from_file_descriptor_set(set).expect("sound");
    std::fs::write(&file, pool.encode_to_vec()).expect("written");
    file
}

#[tokio::test]
async fn events_come_from_registration_to_unregistration_by_each_way_to_describe_the_service() {
    let site = site().await;
    let set = Origin::DescriptorSet(descriptor_set(site.folder.path()));
    let exercises = NVGRID.exercises;
    for origin in [site.proto(), set, Origin::Reflection] {
        let receiver = receiver(&[]).await;
        let mut client = site.connect(&origin).await.expect("connected");
        client.register(&receiver.url, &[]).await.expect("registered");
        for exercise in exercises {
            let before = receiver.got.lock().expect("whole").len();
            let taken = site.play(exercise.name).await.expect("played");
            let got = receiver.got.lock().expect("whole").clone();
            assert!(taken >= 2 && got.len() - before == taken, "{}: {taken}", exercise.name);
        }
        client.unregister(&receiver.url).await.expect("taken away");
        let nobody = site.play("for-ever").await.expect_err("nothing comes").to_string();
        assert!(nobody.starts_with("no webhook is registered"), "{nobody}");
        let again = said(client.unregister(&receiver.url).await);
        assert!(again.contains("refuses (webhook not found)"), "{again}");
    }
}

#[tokio::test]
async fn the_chosen_events_alone_come() {
    let (site, receiver) = (site().await, receiver(&[]).await);
    let mut client = site.client().await;
    client.register(&receiver.url, &["end_ramp_down".to_owned(), "end_ramp_up".to_owned()]).await.expect("registered");
    site.play("ramp-compliant").await.expect("played");
    let got = receiver.got.lock().expect("whole").clone();
    let events: Vec<_> = got.iter().map(|body| body["event"].clone()).collect();
    assert_eq!(events, ["end_ramp_down", "end_ramp_up"]);
}

#[tokio::test]
async fn status_and_schedule_tell_the_targets() {
    let (site, receiver) = (site().await, receiver(&[]).await);
    let mut client = site.client().await;
    assert_eq!(client.status().await.expect("told"), json!({"statuses": {}}));
    client.register(&receiver.url, &[]).await.expect("registered");
    site.play("ramp-missed").await.expect("played");
    let status = client.status().await.expect("told");
    let feed = &status["statuses"]["main_power_feed"];
    assert_eq!(feed["calculated_load"], json!({"value": 8.1, "unit": "UNIT_MEGAWATT"}));
    assert_eq!((&feed["compliant"], &feed["load_target"]["target_load"]["value"]), (&json!(false), &json!(6.5)));
    let minute = jiff::SignedDuration::from_mins(1);
    let now = times::now();
    let around = (now.checked_sub(minute * 10).expect("an instant"), now.checked_add(minute).expect("an instant"));
    let count = |answer: serde_json::Value| answer["load_targets"].as_array().map(Vec::len);
    assert_eq!(count(client.schedule(around, &[]).await.expect("told")), Some(1));
    assert_eq!(count(client.schedule(around, &["main_power_feed".to_owned()]).await.expect("told")), Some(1));
    assert_eq!(count(client.schedule(around, &["another".to_owned()]).await.expect("told")), Some(0));
    let long_ago =
        ("2020-01-01T00:00:00Z".parse().expect("an instant"), "2020-01-02T00:00:00Z".parse().expect("an instant"));
    assert_eq!(count(client.schedule(long_ago, &[]).await.expect("told")), Some(0));
}

#[tokio::test]
async fn a_session_that_has_expired_is_opened_once_more() {
    let site = site().await;
    let mut client = site.client().await;
    client.status().await.expect("told");
    site.misbehave("session-expired*1");
    client.status().await.expect("told all the same");
    let logins = || site.simulators.requests("nvgrid", "Token");
    assert_eq!((logins(), site.simulators.requests("nvgrid", "GetStatus")), (2, 3));
    site.misbehave("session-expired");
    let told = said(client.status().await);
    assert!(told.contains("UNAUTHENTICATED: the token is expired"), "{told}");
    assert_eq!(logins(), 3, "it does not go on for ever");
}

#[tokio::test]
async fn a_login_that_is_not_taken_says_what_to_mend() {
    let site = site().await;
    let there = endpoint(site.url());
    let connect = |key: &'static str| Client::connect(&there, &Origin::Reflection, login(key));
    let wrong = said(connect("operator:wrong").await.expect("connected").status().await);
    assert!(
        wrong.contains("UNAUTHENTICATED: invalid credentials): check that api_key (or --login) leads to"),
        "{wrong}"
    );
    let token = said(connect("a-token-of-yesterday").await.expect("connected").status().await);
    assert!(token.contains("the token has expired or is none of this site's"), "{token}");
    assert!(!token.contains("yesterday"));
}

#[tokio::test]
async fn an_address_that_is_not_whitelisted_is_explained() {
    let (site, receiver) = (site().await, receiver(&[]).await);
    let mut client = site.client().await;
    let told = said(client.register("https://gridbell.example/hooks/n/t0", &[]).await);
    assert!(
        told.contains(
            "refuses (webhook URL not whitelisted): the site's operator must put the address on the DPS whitelist"
        ),
        "{told}"
    );
    site.misbehave("not-whitelisted*1");
    assert!(said(client.register(&receiver.url, &[]).await).contains("whitelist"));
    client.register(&receiver.url, &[]).await.expect("registered");
    site.simulators.hold("nvgrid", &json!({"whitelist": ["https://gridbell.example/hooks/"]}));
    client.register("https://gridbell.example/hooks/n/t0", &[]).await.expect("registered");
}
