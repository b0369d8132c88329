//! The calls, by their documented names.

use jiff::Timestamp;
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Value, json};

use super::{
    Description, Endpoint, Login, NvgridError, Origin,
    error::one_line,
    session::{Session, meaning},
};

const SITE: &str = "NvGrid";

/// The power events, as webhooks name them.
pub const EVENTS: [&str; 4] = ["start_ramp_up", "end_ramp_up", "start_ramp_down", "end_ramp_down"];

/// A client of a site's `NvGrid`.
#[derive(Debug)]
pub struct Client {
    session: Session,
}

impl Client {
    /// Connects and reads the service's description.
    ///
    /// # Errors
    /// The site is unreachable, or there is no description.
    pub async fn connect(endpoint: &Endpoint, origin: &Origin, login: Login) -> Result<Self, NvgridError> {
        Ok(Self { session: Session::connect(endpoint, origin, login).await? })
    }

    /// Where the description comes from, for people.
    pub fn described_by(&self) -> &str {
        &self.session.description.from
    }

    fn description(&self) -> &Description {
        &self.session.description
    }

    /// Registers an address for these events; none: for all.
    ///
    /// # Errors
    /// [`NvgridError::is_in_doubt`] says whether it may be registered despite the error.
    pub async fn register(&mut self, url: &str, events: &[String]) -> Result<(), NvgridError> {
        let method = self.description().method(SITE, "RegisterWebhook")?;
        self.description().text(&method.input(), "url")?;
        let names: Vec<String> =
            events.iter().map(|event| format!("POWER_EVENT_{}", event.to_ascii_uppercase())).collect();
        let mut request = json!({"url": url});
        if !names.is_empty() {
            self.description().values(&method.input(), "for_events", &names)?;
            request["for_events"] = json!(names);
        }
        self.agreed(&method, request).await
    }

    /// Unregisters an address.
    ///
    /// # Errors
    /// As for [`Self::register`].
    pub async fn unregister(&mut self, url: &str) -> Result<(), NvgridError> {
        let method = self.description().method(SITE, "UnregisterWebhook")?;
        self.description().text(&method.input(), "url")?;
        self.agreed(&method, json!({"url": url})).await
    }

    /// The status of the feeds, as the site reports it.
    ///
    /// # Errors
    /// As for every call.
    pub async fn status(&mut self) -> Result<Value, NvgridError> {
        let method = self.description().method(SITE, "GetStatus")?;
        self.session.call(&method, json!({})).await
    }

    /// The targets of an interval, as the site reports them, for these feeds or for all.
    ///
    /// # Errors
    /// As for every call.
    pub async fn schedule(
        &mut self,
        (from, until): (Timestamp, Timestamp),
        feeds: &[String],
    ) -> Result<Value, NvgridError> {
        let method = self.description().method(SITE, "GetLoadSchedule")?;
        let input = method.input();
        let interval = json!({"start_time": from.to_string(), "end_time": until.to_string()});
        // It is not documented which message contains the two instants.
        let mut request = match self.holder_of_interval(&input)? {
            None => interval,
            Some(field) => json!({field: interval}),
        };
        if !feeds.is_empty() {
            self.description().field(&input, "feed_tags")?;
            request["feed_tags"] = json!(feeds);
        }
        self.session.call(&method, request).await
    }

    /// The request's field that contains `start_time` and `end_time`; none: the request itself.
    fn holder_of_interval(&self, input: &MessageDescriptor) -> Result<Option<String>, NvgridError> {
        let holds = |message: &MessageDescriptor| {
            ["start_time", "end_time"].iter().all(|name| message.get_field_by_name(name).is_some())
        };
        let inner = input.fields().find(|field| matches!(field.kind(), Kind::Message(inner) if holds(&inner)));
        match inner {
            _ if holds(input) => Ok(None),
            Some(field) => Ok(Some(field.name().to_owned())),
            None => self.description().field(input, "start_time").map(|_| None),
        }
    }

    /// Makes a call that answers with a status code and a message.
    async fn agreed(&mut self, method: &MethodDescriptor, request: Value) -> Result<(), NvgridError> {
        self.description().field(&method.output(), "code")?;
        let answer = self.session.call(method, request).await?;
        if answer["code"] == "STATUS_CODE_SUCCESS" {
            return Ok(());
        }
        let code = answer["code"].as_str().map_or_else(|| answer["code"].to_string(), str::to_owned);
        let said = one_line(answer["diag_msg"].as_str().unwrap_or_default());
        let said = if said.is_empty() { code } else { said };
        Err(NvgridError::Refused { base: self.session.base.clone(), meaning: meaning(&said), said })
    }
}
