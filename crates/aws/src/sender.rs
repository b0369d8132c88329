//! Whether SES may send from an address.

use aws_sdk_sesv2::{Client, operation::get_email_identity::GetEmailIdentityError};
use aws_types::SdkConfig;
use pipeline::ports::PortError;

use crate::client::unavailable;

const PORT: &str = "mail";

/// Reads the settings of SES.
#[derive(Debug, Clone)]
pub struct MailSender(Client);

/// The state of a sender in SES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// SES may send from this address.
    Verified,
    /// The address is registered, but not yet confirmed.
    Unverified,
    /// Neither the address nor its domain is registered.
    Unknown,
}

/// What SES allows the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailAccount {
    /// The account may send to all addresses, not only to verified ones.
    pub production: bool,
    /// The sending quota; none: no limit is known.
    pub quota: Option<MailQuota>,
}

/// Mails within 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailQuota {
    /// The limit.
    pub most: u64,
    /// The number of sent mails.
    pub sent: u64,
}

impl MailSender {
    /// A client for SES.
    pub fn new(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }

    /// The state of an address, or of its domain if that is verified.
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

    /// The account's permissions and quota.
    pub async fn account(&self) -> Result<MailAccount, PortError> {
        let answer = Box::pin(self.0.get_account().send()).await.map_err(|error| unavailable(PORT, error))?;
        let quota = answer
            .send_quota()
            .map(|quota| MailQuota { most: whole(quota.max24_hour_send()), sent: whole(quota.sent_last24_hours()) });
        // -1 means no limit.
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
