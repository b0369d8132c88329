//! Mail over SESv2.

use aws_sdk_sesv2::{
    Client,
    error::BuildError,
    operation::send_email::SendEmailError,
    types::{Body, Content, Destination, EmailContent, Message},
};
use aws_types::SdkConfig;
use pipeline::{
    mail::Mail,
    ports::{Mailer, PortError},
};

use crate::client::unavailable;

const PORT: &str = "mail";

/// SES.
#[derive(Debug, Clone)]
pub struct Ses(Client);

impl Ses {
    /// The service.
    pub fn new(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }
}

impl Mailer for Ses {
    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        let content = content(mail).map_err(|error| PortError::Broken { port: PORT, reason: error.to_string() })?;
        let request = self
            .0
            .send_email()
            .from_email_address(&mail.from)
            .destination(Destination::builder().set_to_addresses(Some(mail.to.clone())).build())
            .content(content);
        let Err(error) = Box::pin(request.send()).await else { return Ok(()) };
        let broken = matches!(error.as_service_error(), Some(SendEmailError::BadRequestException(_)));
        let error = unavailable(PORT, error);
        Err(if broken { PortError::Broken { port: PORT, reason: error.to_string() } } else { error })
    }
}

fn content(mail: &Mail) -> Result<EmailContent, BuildError> {
    let utf8 = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(utf8(&mail.text)?).html(utf8(&mail.html)?).build();
    let message = Message::builder().subject(utf8(&mail.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(message).build())
}
