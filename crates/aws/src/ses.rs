//! Mail over SESv2.

use std::{sync::Arc, time::Duration};

use aws_sdk_sesv2::{
    Client,
    error::BuildError,
    operation::send_email::SendEmailError,
    primitives::Blob,
    types::{
        Attachment, AttachmentContentDisposition, AttachmentContentTransferEncoding, Body, Content, Destination,
        EmailContent, Message, MessageHeader,
    },
};
use aws_types::SdkConfig;
use pipeline::{
    mail::Mail,
    ports::{Mailer, PortError},
};

use tokio::{sync::Mutex, time::Instant};

use crate::{
    client::unavailable,
    sender::{MailQuota, MailSender},
};

const PORT: &str = "mail";

/// The file name of the attached calendar event.
const CALENDAR: &str = "dispatch.ics";

/// How long the account's quota is cached.
const QUOTA_LASTS: Duration = Duration::from_mins(5);

/// If less than this share of the daily quota is left, in percent, only urgent mails are sent.
const RESERVED_PERCENT: u64 = 25;

/// SES.
#[derive(Debug, Clone)]
pub struct Ses {
    client: Client,
    account: MailSender,
    configuration_set: Option<String>,
    /// Whether few mails were left, and when the quota was read.
    short: Arc<Mutex<Option<(Instant, bool)>>>,
}

/// Why SES did not send a mail.
enum SendError {
    /// SES may send it later.
    Later(PortError),
    /// SES will never send it.
    Never(PortError),
}

impl Ses {
    /// The SES client.
    pub fn new(aws: &SdkConfig) -> Self {
        let (client, account) = (Client::new(aws), MailSender::new(aws));
        Self { client, account, configuration_set: None, short: Arc::default() }
    }

    /// Sends with this configuration set.
    #[must_use]
    pub fn with_configuration_set(self, configuration_set: Option<String>) -> Self {
        Self { configuration_set, ..self }
    }

    async fn try_send(&self, mail: &Mail, content: Result<EmailContent, BuildError>) -> Result<(), SendError> {
        let broken = |reason: String| SendError::Never(PortError::Broken { port: PORT, reason });
        let content = content.map_err(|error| broken(error.to_string()))?;
        let request = self
            .client
            .send_email()
            .from_email_address(&mail.from)
            .set_configuration_set_name(self.configuration_set.clone())
            .destination(Destination::builder().set_to_addresses(Some(mail.to.clone())).build())
            .content(content);
        let Err(error) = Box::pin(request.send()).await else { return Ok(()) };
        let never = matches!(
            error.as_service_error(),
            Some(SendEmailError::BadRequestException(_) | SendEmailError::MessageRejected(_))
        );
        let error = unavailable(PORT, error);
        Err(if never { broken(error.to_string()) } else { SendError::Later(error) })
    }
}

impl Mailer for Ses {
    async fn is_short(&self) -> bool {
        let mut short = self.short.lock().await;
        if let Some((_, short)) = short.filter(|(at, _)| at.elapsed() < QUOTA_LASTS) {
            return short;
        }
        // If SES does not answer, mails are sent until it refuses one.
        let quota = self.account.account().await.ok().and_then(|account| account.quota);
        let is_short = quota.is_some_and(|MailQuota { most, sent }| {
            most.saturating_sub(sent).saturating_mul(100) < most.saturating_mul(RESERVED_PERCENT)
        });
        *short = Some((Instant::now(), is_short));
        is_short
    }

    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        match self.try_send(mail, whole(mail)).await {
            Ok(()) => Ok(()),
            Err(SendError::Later(error)) => Err(error),
            Err(SendError::Never(error)) => {
                // Whatever SES refuses, the text is more important than the attachment and the headers.
                tracing::warn!(%error, "the mail is sent without its window and thread");
                match self.try_send(mail, bare(mail)).await {
                    Ok(()) => Ok(()),
                    Err(SendError::Later(error) | SendError::Never(error)) => Err(error),
                }
            }
        }
    }
}

fn whole(mail: &Mail) -> Result<EmailContent, BuildError> {
    let header = |name: &str, value: &str| MessageHeader::builder().name(name).value(value).build();
    let headers = vec![
        header("Auto-Submitted", "auto-generated")?,
        // SES sets each mail's own id. A common reference makes all mails of an incident one thread.
        header("References", &mail.thread)?,
        header("In-Reply-To", &mail.thread)?,
    ];
    let attachments = mail.calendar.as_deref().map(attachment).transpose()?;
    let message = message(mail)?.set_headers(Some(headers)).set_attachments(attachments.map(|one| vec![one])).build();
    Ok(EmailContent::builder().simple(message).build())
}

fn bare(mail: &Mail) -> Result<EmailContent, BuildError> {
    Ok(EmailContent::builder().simple(message(mail)?.build()).build())
}

fn message(mail: &Mail) -> Result<aws_sdk_sesv2::types::builders::MessageBuilder, BuildError> {
    let utf8 = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(utf8(&mail.text)?).html(utf8(&mail.html)?).build();
    Ok(Message::builder().subject(utf8(&mail.subject)?).body(body))
}

fn attachment(calendar: &str) -> Result<Attachment, BuildError> {
    Attachment::builder()
        .file_name(CALENDAR)
        .content_type("text/calendar; method=PUBLISH; charset=UTF-8")
        .content_disposition(AttachmentContentDisposition::Attachment)
        .content_transfer_encoding(AttachmentContentTransferEncoding::Base64)
        .raw_content(Blob::new(calendar.as_bytes()))
        .build()
}
