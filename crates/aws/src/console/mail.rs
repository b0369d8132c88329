//! Whether SES would send in somebody's name.

use aws_sdk_sesv2::{Client, operation::get_email_identity::GetEmailIdentityError};
use aws_types::SdkConfig;
use pipeline::ports::PortError;

use crate::client::unavailable;

const PORT: &str = "mail";

/// SES, asked about itself.
#[derive(Debug, Clone)]
pub struct MailSender(Client);

/// What SES says of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// It may send in this name.
    Verified,
    /// The name is known, and nobody has confirmed it yet.
    Unverified,
    /// Neither the address nor its domain is known.
    Unknown,
}

impl MailSender {
    /// The service.
    pub fn new(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }

    /// The state of an address: its own, or that of its domain where that is verified.
    pub async fn state(&self, address: &str) -> Result<MailState, PortError> {
        let own = self.identity(address).await?;
        let Some((_, domain)) = address.rsplit_once('@') else { return Ok(own) };
        if own == MailState::Verified {
            return Ok(own);
        }
        match self.identity(domain).await? {
            MailState::Unknown => Ok(own),
            domain => Ok(domain),
        }
    }

    async fn identity(&self, name: &str) -> Result<MailState, PortError> {
        let request = self.0.get_email_identity().email_identity(name);
        match Box::pin(request.send()).await {
            Ok(answer) if answer.verified_for_sending_status() => Ok(MailState::Verified),
            Ok(_) => Ok(MailState::Unverified),
            Err(error) => match error.as_service_error() {
                Some(GetEmailIdentityError::NotFoundException(_)) => Ok(MailState::Unknown),
                _ => Err(unavailable(PORT, error)),
            },
        }
    }

    /// Whether the account may write to anybody, not only to addresses that are verified themselves.
    pub async fn out_of_sandbox(&self) -> Result<bool, PortError> {
        let answer = Box::pin(self.0.get_account().send()).await.map_err(|error| unavailable(PORT, error))?;
        Ok(answer.production_access_enabled())
    }
}
