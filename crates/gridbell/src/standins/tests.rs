use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::*;
use crate::local::http_client;

struct Bench {
    stand_ins: StandIns,
    http: Client,
}

async fn bench() -> Bench {
    let keys = Keys::Only(BTreeSet::from(["key".to_owned()]));
    Bench { stand_ins: StandIns::start_with(&keys).await.expect("started"), http: http_client().expect("a client") }
}

impl Bench {
    fn url(&self, provider: Provider, path: &str) -> String {
        format!("{}{path}", self.stand_ins.urls()[&provider].as_str().trim_end_matches('/'))
    }

    fn voltus(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(Provider::Voltus, path)).header("x-voltus-api-key", "key")
    }

    async fn search(&self, level: &str, body: Value) -> (u16, Value) {
        let url = self.url(Provider::Leap, &format!("/dispatch/{level}/search"));
        answer(self.http.post(url).header("authorization", "Bearer key").json(&body)).await
    }
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn voltus_answers_with_what_it_holds_and_lists_it() {
    let bench = bench().await;
    let (status, body) = answer(bench.voltus("/2022-04-15/dispatches/dkmq")).await;
    assert_eq!((status, &body["dispatches"][0]["sites"][1]["commitment"]), (200, &json!(50)));
    bench.stand_ins.voltus.put(json!({"id": "dkmq", "start_time": "now+1h"}));
    let (_, body) = answer(bench.voltus("/2022-04-15/dispatches/dkmq")).await;
    assert!(body["dispatches"][0]["start_time"].as_str().is_some_and(|start| start.ends_with('Z')), "{body}");
    let (_, list) = answer(bench.voltus("/2022-04-15/dispatches")).await;
    assert_eq!(list["dispatches"].as_array().map(Vec::len), Some(2));
    bench.stand_ins.voltus.remove("dkmq");
    let script = bench.stand_ins.script(Provider::Voltus).expect("a script");
    for missing in ["/2022-04-15/dispatches/dkmq", "/2022-04-15/dispatches/", "/2022-04-15/dispatchesx", "/"] {
        assert_eq!(answer(bench.voltus(missing)).await.0, 404, "{missing}");
    }
    assert_eq!((script.requests("dkmq"), script.seen().len()), (3, 7));
}

#[tokio::test]
async fn a_request_without_the_right_key_is_refused_and_faults_come_after_that() {
    let bench = bench().await;
    let url = bench.url(Provider::Voltus, "/2022-04-15/dispatches/dkmq");
    let script = bench.stand_ins.script(Provider::Voltus).expect("a script");
    script.fail(Some("dkmq"), 500, Some(1));
    assert_eq!(answer(bench.http.get(&url)).await.0, 400);
    assert_eq!(answer(bench.http.get(&url).header("x-voltus-api-key", "other")).await.0, 401);
    assert_eq!(answer(bench.voltus("/2022-04-15/dispatches/dkmq")).await.0, 500);
    assert_eq!(answer(bench.voltus("/2022-04-15/dispatches/dkmq")).await.0, 200);
    assert_eq!(script.keys_seen(), BTreeSet::from(["key".to_owned(), "other".to_owned()]));
    let statuses: Vec<u16> = script.seen().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [400, 401, 500, 200]);
}

#[tokio::test]
async fn leaps_search_filters_by_event_and_hides_five_minute_events_unless_asked() {
    let bench = bench().await;
    let event = "11cfced0-16f4-4fb7-b72e-5ff939ae541e";
    let search = |more: Value| {
        let mut body = json!({"meter_event_ids": [event], "start_date": "2023-06-04T00:00:00Z", "end_date": "2023-06-06T00:00:00Z"});
        more.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        bench.search("meter", body)
    };
    let (status, body) = search(json!({})).await;
    assert_eq!((status, &body["next_page_token"]), (200, &Value::Null));
    assert_eq!(body["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["results"][0]["timeslots"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["results"][0]["timeslots"][0]["meter_event_id"], event);

    let mut slot = body["results"][0].clone();
    slot["timeslots"][0]["dispatch_event_types"] = json!(["5m"]);
    slot["timeslots"][0]["cancelled"] = json!(true);
    bench.stand_ins.leap.put(&json!({"meter_dispatches": [slot]}));
    assert_eq!(search(json!({})).await.1["results"], json!([]));
    let (_, body) = search(json!({"exclude_real_time_events": false})).await;
    assert_eq!(body["results"][0]["timeslots"][0]["cancelled"], json!(true));
    assert_eq!(search(json!({"end_date": "2023-08-06T00:00:00Z"})).await.0, 400);
    assert_eq!(search(json!({"page_token": "x"})).await.0, 400);
    let script = bench.stand_ins.script(Provider::Leap).expect("a script");
    assert_eq!(script.requests(event), 5);
}

#[tokio::test]
async fn leaps_search_comes_in_pages() {
    let bench = bench().await;
    let slot =
        json!({"market_group_event_id": "e", "start_time": "2024-01-01T00:00:00Z", "end_time": "2024-01-01T01:00:00Z"});
    let items: Vec<Value> = (0..501)
        .map(|index| json!({"market_group_id": format!("g{index}"), "meter_ids": [], "timeslots": [slot]}))
        .collect();
    bench.stand_ins.leap.put(&json!({"group_dispatches": items}));
    let mut body = json!({"market_group_event_ids": ["e"], "start_date": "2024-01-01T00:00:00Z", "end_date": "2024-01-02T00:00:00Z"});
    let (_, first) = bench.search("group", body.clone()).await;
    body["page_token"] = first["next_page_token"].clone();
    let (_, second) = bench.search("group", body).await;
    let count = |page: &Value| page["results"].as_array().map(Vec::len);
    assert_eq!((count(&first), count(&second), &second["next_page_token"]), (Some(500), Some(1), &Value::Null));
}

#[tokio::test]
async fn openvolt_has_half_hours_of_any_meter_the_one_at_the_end_included() {
    let bench = bench().await;
    let asked = |query: &str| {
        let url = bench.url(Provider::Openvolt, &format!("/v1/interval-data?{query}"));
        answer(bench.http.get(url).header("x-api-key", "key"))
    };
    let start = "2024-05-01T00:30:00Z".parse().expect("an instant");
    bench.stand_ins.openvolt.put("m", start, Value::Null);
    let (status, body) =
        asked("meter_id=m&granularity=hh&start_date=2024-05-01T00:10:00Z&end_date=2024-05-01T01:30:00.000Z").await;
    let rows: Vec<(&Value, &Value)> = body["data"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (&row["start_interval"], &row["consumption"]))
        .collect();
    let expected = [
        (&json!("2024-05-01T00:30:00.000Z"), &Value::Null),
        (&json!("2024-05-01T01:00:00.000Z"), &json!("0.186")),
        (&json!("2024-05-01T01:30:00.000Z"), &json!("0.189")),
    ];
    assert_eq!((status, rows.as_slice()), (200, expected.as_slice()));
    assert_eq!(
        asked("meter_id=m&granularity=hh&start_date=2024-05-01&end_date=2024-05-02").await.1["data"]
            .as_array()
            .map(Vec::len),
        Some(49)
    );
    for wrong in [
        "granularity=hh&start_date=2024-05-01&end_date=2024-05-02",
        "meter_id=m&granularity=day&start_date=2024-05-01&end_date=2024-05-02",
        "meter_id=m&granularity=hh&start_date=2024-05-02&end_date=2024-05-01",
        "meter_id=m&granularity=hh&start_date=x&end_date=y",
    ] {
        assert_eq!(asked(wrong).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_stack_asks_the_stand_ins_whatever_its_configuration_says() {
    let text = "[sources.v]\nprovider = 'voltus'\napi_key = 'env:UNSET'\n[sources.n]\nprovider = 'nvgrid'\n";
    let config = crate::config::Config::parse("f", text).expect("good");
    let stand_ins = StandIns::start().await.expect("started");
    let mut options = UpOptions::new(config);
    stand_ins.answer_for(&mut options);
    assert_eq!(options.config.sources["v"].api_url.as_ref(), stand_ins.urls().get(&Provider::Voltus));
    assert_eq!(options.config.sources["n"].api_url, None);
    let Some(Reference::Env(variable)) = &options.config.sources["v"].api_key else { panic!("no reference") };
    let script = stand_ins.script(Provider::Voltus).expect("a script");
    assert!(script.takes(&options.variables[variable]));
}
