//! Incomplete descriptions, and servers that answer wrongly or not at all.

use std::time::Duration;

use axum::{Router, http::Response};
use nvgrid_client::{Client, Endpoint, Origin};
use provider_sims::NVGRID_PROTO;
use tokio::{net::TcpListener, task::JoinSet};
use tonic::Status;
use tonic_reflection::server::Builder;
use url::Url;

use crate::nvgrid::{Site, descriptor_set, endpoint, login, said, site};

/// A client whose description is the simulator's file with `from` replaced by `to`.
async fn changed(site: &Site, from: &str, to: &str) -> Client {
    assert!(NVGRID_PROTO.contains(from), "{from}");
    let file = site.folder.path().join("changed.proto");
    std::fs::write(&file, NVGRID_PROTO.replace(from, to)).expect("written");
    site.connect(&Origin::Proto { files: vec![file], folders: Vec::new() }).await.expect("connected")
}

#[tokio::test]
async fn what_a_description_lacks_is_named_with_what_there_is() {
    let site = site().await;
    let url = "http://127.0.0.1:9/hook";
    let told = said(changed(&site, "rpc RegisterWebhook(", "rpc RegisterHook(").await.register(url, &[]).await);
    assert!(
        told.ends_with(
            "changed.proto has no method RegisterWebhook in the service nvidia.dcpower.v1.NvGrid; it has GetLoadSchedule, RegisterHook, UnregisterWebhook, GetStatus"
        ),
        "{told}"
    );
    let told = said(changed(&site, "service NvGrid", "service PowerGrid").await.status().await);
    assert!(
        told.ends_with("has no service NvGrid; it has nvidia.dcpower.v1.AuthService, nvidia.dcpower.v1.PowerGrid"),
        "{told}"
    );
    let told = said(
        changed(&site, "string url = 1;\n  repeated", "string address = 1;\n  repeated").await.register(url, &[]).await,
    );
    assert!(
        told.ends_with(
            "has no field url in the message nvidia.dcpower.v1.RegisterWebhookRequest; it has address, for_events"
        ),
        "{told}"
    );
    let event = ["end_ramp_up".to_owned()];
    let told = said(changed(&site, "_END_RAMP_UP", "_RAMPED_UP").await.register(url, &event).await);
    assert!(
        told.contains("has no value POWER_EVENT_END_RAMP_UP in the enum ") && told.contains("POWER_EVENT_RAMPED_UP"),
        "{told}"
    );
    let told = said(changed(&site, "service AuthService", "service Login").await.status().await);
    assert!(told.contains("has no service AuthService; "), "{told}");
    let told =
        said(changed(&site, "PasswordCredential password_credential", "PasswordCredential login").await.status().await);
    assert!(
        told.contains("has no field password_credential in the message nvidia.dcpower.v1.TokenRequest; it has login"),
        "{told}"
    );
    assert!(site.simulators.seen("nvgrid").is_empty(), "nothing is sent that would only be half of it");
}

#[tokio::test]
async fn other_numbers_and_another_package_are_the_descriptions_to_say() {
    // Only the names are built in: a site with other package names is called as it describes itself.
    let site = site().await;
    let mut client = changed(&site, "package nvidia.dcpower.v1;", "package nvidia.dcpower.v2;").await;
    let told = said(client.status().await);
    assert!(told.contains("/nvidia.dcpower.v2.AuthService/Token is not simulated"), "{told}");
    let mut client = changed(&site, "string access_token = 1;", "string access_token = 7;").await;
    let told = said(client.status().await);
    assert!(told.contains("it answers without a token"), "{told}");
}

#[tokio::test]
async fn files_that_describe_nothing_are_told_before_anybody_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = endpoint(Url::parse("http://127.0.0.1:9").expect("an address"));
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        file
    };
    let proto = |file| Origin::Proto { files: vec![file], folders: Vec::new() };
    for (origin, expected) in [
        (proto(file("bad.proto", "syntax = \"proto3\";\nservice {")), "bad.proto:2:9"),
        (proto(file("lone.proto", "syntax = \"proto3\";\nimport \"other.proto\";")), "other.proto"),
        (proto(folder.path().join("missing.proto")), "missing.proto"),
        (Origin::DescriptorSet(file("set.binpb", "no descriptors")), "--descriptor_set_out=FILE"),
        (Origin::DescriptorSet(folder.path().join("missing.binpb")), "No such file"),
    ] {
        let told = said(Client::connect(&nobody, &origin, login("u:p")).await);
        assert!(told.contains("does not describe the service: ") && told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let nobody = endpoint(Url::parse("http://127.0.0.1:9").expect("an address"));
    let told = said(Client::connect(&nobody, &Origin::Reflection, login("u:p")).await);
    assert!(told.starts_with("http://127.0.0.1:9 cannot be reached: ") && told.contains("refused"), "{told}");
    let path = endpoint(Url::parse("http://127.0.0.1:9/v1").expect("an address"));
    assert!(said(Client::connect(&path, &Origin::Reflection, login("u:p")).await).contains("no path behind it"));
}

#[tokio::test]
async fn a_call_that_fails_says_why_and_whether_it_may_have_been_done() {
    let site = site().await;
    let mut client = site.client().await;
    client.status().await.expect("logged in");
    for (fault, expected, in_doubt) in [
        ("403*1", "RegisterWebhook of http", false),
        ("403*1", "PERMISSION_DENIED: as it was told to): this login may not do that", false),
        ("429*1", "RESOURCE_EXHAUSTED", false),
        ("501*1", "UNIMPLEMENTED: as it was told to): this server has no such call", false),
        ("503*1", "UNAVAILABLE: as it was told to): the service is not available", true),
        ("500*1", "INTERNAL", true),
        ("garbage*1", "answered RegisterWebhook with what cannot be understood", true),
        ("truncated*1", "answered RegisterWebhook with what cannot be understood", true),
    ] {
        site.misbehave(fault);
        let error = client.register("http://127.0.0.1:9/hook", &[]).await.expect_err("failed");
        assert_eq!(error.is_in_doubt(), in_doubt, "{fault}: {error}");
        let told = said(Err::<(), _>(error));
        assert!(told.contains(expected), "{fault}: {told}");
    }
    let quick = Endpoint { answers: Duration::from_millis(200), ..endpoint(site.url()) };
    let mut client = Client::connect(&quick, &Origin::Reflection, login("operator:pa:ss")).await.expect("connected");
    site.misbehave("slow");
    let told = said(client.status().await);
    assert!(told.contains("DEADLINE_EXCEEDED") || told.contains("CANCELLED"), "{told}");
}

#[tokio::test]
async fn a_login_that_fails_leaves_no_doubt_about_what_it_was_for() {
    let site = site().await;
    for fault in ["503*1", "500*1", "garbage*1", "truncated*1"] {
        site.misbehave(fault);
        let error = site.client().await.register("http://127.0.0.1:9/hook", &[]).await.expect_err("failed");
        assert!(!error.is_in_doubt(), "{fault}: {error}");
    }
}

#[tokio::test]
async fn a_description_of_another_shape_makes_no_secret_known() {
    let site = site().await;
    let told = said(changed(&site, "string password = 2;", "int32 password = 2;").await.status().await);
    assert!(told.ends_with("has no text in nvidia.dcpower.v1.PasswordCredential.password; it has int32"), "{told}");
    let mut client = changed(&site, "string url = 1;\n  repeated", "repeated string url = 1;\n  repeated").await;
    let told = said(client.register("http://127.0.0.1:9/hooks/n/t0ken", &[]).await);
    assert!(told.contains("has no text in ") && !told.contains("t0ken"), "{told}");
}

#[tokio::test]
async fn who_takes_a_connection_and_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    for scheme in ["http", "https"] {
        let url = Url::parse(&format!("{scheme}://{}", listener.local_addr().expect("bound"))).expect("an address");
        let quick = Endpoint { answers: Duration::from_millis(200), ..endpoint(url) };
        let told = said(Client::connect(&quick, &Origin::Reflection, login("u:p")).await);
        assert!(told.contains("cannot be reached: no answer in time"), "{told}");
    }
}

/// A server with these routes.
async fn server(router: Router) -> (Url, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("http://{}", listener.local_addr().expect("bound"))).expect("an address");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(axum::serve(listener, router).await) });
    (url, tasks)
}

async fn unimplemented() -> Response<axum::body::Body> {
    Status::unimplemented("").into_http()
}

#[tokio::test]
async fn a_server_that_knows_reflection_by_its_old_name_alone_is_asked_by_that() {
    let site = site().await;
    let set = std::fs::read(descriptor_set(site.folder.path())).expect("read");
    let old = Builder::configure().register_encoded_file_descriptor_set(&set).build_v1alpha().expect("built");
    let router = Router::new().route_service("/grpc.reflection.v1alpha.ServerReflection/{call}", old);
    let (url, _tasks) = server(router.fallback(unimplemented)).await;
    let mut client = Client::connect(&endpoint(url), &Origin::Reflection, login("u:p")).await.expect("described");
    assert!(client.described_by().starts_with("the reflection of http://127.0.0.1:"));
    let told = said(client.status().await);
    assert!(told.starts_with("the login of http") && told.contains("UNIMPLEMENTED"), "{told}");
}

#[tokio::test]
async fn a_server_without_reflection_leads_to_the_files() {
    let told = |router: Router| async {
        let (url, _tasks) = server(router).await;
        said(Client::connect(&endpoint(url), &Origin::Reflection, login("u:p")).await)
    };
    let none = told(Router::new().fallback(unimplemented)).await;
    assert!(none.contains("it has no server reflection, neither v1 nor v1alpha): give the .proto files"), "{none}");
    let closed =
        told(Router::new().fallback(async || Status::unauthenticated("log in first").into_http::<axum::body::Body>()))
            .await;
    assert!(
        closed.contains("does not describe itself (UNAUTHENTICATED: log in first): give the .proto files"),
        "{closed}"
    );
    let web = told(Router::new().fallback(async || "<html>")).await;
    assert!(web.contains("does not describe itself (") && web.contains("--proto"), "{web}");
    let empty = Builder::configure().build_v1().expect("built");
    let foreign = told(Router::new().route_service("/grpc.reflection.v1.ServerReflection/{call}", empty)).await;
    assert!(foreign.contains("has no service NvGrid; it has grpc.reflection.v1.ServerReflection"), "{foreign}");
}
