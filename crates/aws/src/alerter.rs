//! The alerter function: turns hints from `alerts` and `reviews` into incidents and mails, and serves the links in
//! those mails.

use std::{cell::OnceCell, collections::BTreeMap};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use pipeline::{
    alerts::{AckPages, Alert, Page},
    config::VERIFY,
};
use serde::Serialize;

use crate::{
    channels::Channels,
    client,
    dynamo::{DeliveriesTable, DispatchesTable, IncidentsTable},
    environment::Table,
    host::Host,
    lambda::{self, Configured, Error, GatewayRequest, GatewayResponse, batch, serve_configured},
    ports::AwsPorts,
    ses::Ses,
    sqs::{InnerQueues, WatchedQueues},
};

/// Response headers that protect the page of a link: no storing, no indexing, no framing, no referrer, no loaded
/// resources.
const GUARDS: [(&str, &str); 6] = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-robots-tag", "noindex, nofollow"),
    ("x-content-type-options", "nosniff"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
];

#[derive(Serialize)]
#[serde(untagged)]
enum Response {
    Batch(SqsBatchResponse),
    Request(GatewayResponse),
}

impl From<Page> for GatewayResponse {
    fn from(page: Page) -> Self {
        let mut headers: BTreeMap<&'static str, String> =
            GUARDS.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        if page.status == 405 {
            headers.insert("allow", "GET, HEAD, POST".to_owned());
        }
        Self { status_code: page.status, headers, body: page.body, is_base64_encoded: false }
    }
}

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (current, (public_url, stack), incidents, table, deliveries, queues, (mailer, ringer), job_queue, outputs) =
        lambda::cold_start(|environment| {
            let aws = client::shared(environment.access()?);
            Ok((
                environment.configuration(&aws)?,
                (environment.public_url()?, environment.stack()),
                IncidentsTable::new(&aws, environment.table(Table::Alerts)?),
                DispatchesTable::new(&aws, environment.table(Table::Dispatches)?),
                DeliveriesTable::new(&aws, environment.table(Table::Deliveries)?),
                WatchedQueues::new(&aws, environment.judged_queues()?),
                (
                    Ses::new(&aws).with_configuration_set(environment.mail_configuration_set()),
                    Channels::new(&aws, environment.extra_roots()?),
                ),
                InnerQueues::new(&aws, environment.alerters_queues()?),
                environment.outputs_table(&aws),
            ))
        })?;
    let configured = Configured::read("alerter", current, |_| Ok(())).await;
    // Created with the first event that finds a configuration, then reused.
    let (alert, configured) = (&OnceCell::new(), &configured);
    let (incidents, table, deliveries, queues) = (&incidents, &table, &deliveries, &queues);
    let (mailer, ringer, job_queue) = (&mailer, &ringer, &job_queue);
    let (public_url, stack) = (public_url.as_deref(), stack.as_deref());
    let outputs = outputs.as_ref();
    serve_configured(configured, lambda::failed, |config, event| async move {
        let host = &Host;
        let alert: &Alert<'_, AwsPorts> = alert.get_or_init(|| Alert {
            config,
            public_url,
            stack,
            incidents,
            table,
            deliveries,
            queues,
            outputs,
            mailer,
            ringer,
            job_queue,
            host,
        });
        if batch::is_batch(&event) {
            // Without its permit, no person is notified of a dispatch of `gridbell verify`.
            let is_verifying = event.get().contains(VERIFY);
            let permitting = if is_verifying { configured.permitting(config).await } else { None };
            if let Some(config) = &permitting {
                let alert = Alert { config, ..*alert };
                return batch::handle(&event, async |messages| alert.batch(messages).await).await.map(Response::Batch);
            }
            return batch::handle(&event, async |messages| alert.batch(messages).await).await.map(Response::Batch);
        }
        let request = GatewayRequest::parse(&event).ok_or("the event is neither a batch nor a request")?;
        let secret = match request.below("alerts") {
            Some([secret]) => secret.as_str(),
            _ => "",
        };
        let pages = AckPages::<AwsPorts> { config, stack, incidents, table, job_queue, host };
        let page = pages.handle(&request.method, secret, &request.body).await;
        tracing::info!(http.status = page.status, outcome = page.outcome, "link");
        Ok(Response::Request(page.into()))
    })
    .await
}
