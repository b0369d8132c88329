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

/// What SES lets the account do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailAccount {
    /// It may write to every address, not only to those that are verified themselves.
    pub production: bool,
    /// How many mails it may send; none: no limit is known.
    pub quota: Option<MailQuota>,
}

/// Mails within 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailQuota {
    /// So many may be sent.
    pub most: u64,
    /// So many were.
    pub sent: u64,
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

    /// The account's rights and quota.
    pub async fn account(&self) -> Result<MailAccount, PortError> {
        let answer = Box::pin(self.0.get_account().send()).await.map_err(|error| unavailable(PORT, error))?;
        let quota = answer
            .send_quota()
            .map(|quota| MailQuota { most: whole(quota.max24_hour_send()), sent: whole(quota.sent_last24_hours()) });
        // -1 stands for no limit.
        let limited = answer.send_quota().is_some_and(|quota| quota.max24_hour_send() > 0.0);
        Ok(MailAccount { production: answer.production_access_enabled(), quota: quota.filter(|_| limited) })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "SES counts mails in floats, from 0 to millions"
)]
fn whole(mails: f64) -> u64 {
    mails.max(0.0) as u64
}
