//! A session with a site: the connection, the description, the login, and the calls.

use std::{fmt, time::Duration};

use aws::secrets::Secret;
use prost::{Message, bytes::Bytes};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use super::{
    Description, Endpoint, NvgridError, Origin, Raw,
    description::{from_json, to_json},
    error::{one_line, said},
    reflection,
};

const LOGIN: &str = "AuthService";

/// How a session authenticates.
pub enum Login {
    /// User name and password.
    Password(String, Secret),
    /// A token of the site's identity provider; needs no login.
    Token(Secret),
}

impl Login {
    /// Parses `username:password`; a text without a colon is a token.
    pub fn parse(key: &Secret) -> Self {
        match key.expose().trim_end_matches(['\r', '\n']).split_once(':') {
            Some((user, password)) => Self::Password(user.to_owned(), Secret::new(password)),
            None => Self::Token(Secret::new(key.expose().trim())),
        }
    }
}

/// A session with a site. It logs in at the first call, and again when the session has expired.
pub(crate) struct Session {
    pub(crate) base: String,
    answers: Duration,
    channel: Channel,
    pub(crate) description: Description,
    login: Login,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Session {
    /// Connects and reads the service's description.
    ///
    /// # Errors
    /// The site is unreachable, or there is no description.
    pub(crate) async fn connect(endpoint: &Endpoint, origin: &Origin, login: Login) -> Result<Self, NvgridError> {
        // Report an unreadable file before connecting.
        let read = match origin {
            Origin::Proto { files, folders } => Some(Description::of_proto(files, folders)?),
            Origin::DescriptorSet(file) => Some(Description::of_set(file)?),
            Origin::Reflection => None,
        };
        let authorization = match &login {
            Login::Token(token) => Some(bearer(token.expose())?),
            Login::Password(..) => None,
        };
        let base = endpoint.shown();
        let connecting = async {
            let channel = endpoint.connect().await?;
            let description = match read {
                Some(description) => description,
                None => reflection::describe(&base, &channel, authorization.as_ref()).await?,
            };
            Ok((channel, description))
        };
        let Ok(connected) = tokio::time::timeout(endpoint.answers, connecting).await else {
            return Err(NvgridError::Unreachable { base, reason: "no answer in time".to_owned() });
        };
        let (channel, description) = connected?;
        Ok(Self { base, answers: endpoint.answers, channel, description, login, authorization })
    }

    /// Makes a call within the session.
    pub(crate) async fn call(&mut self, method: &MethodDescriptor, request: Value) -> Result<Value, NvgridError> {
        if self.authorization.is_none() {
            self.log_in().await?;
        }
        let answer = match (self.once(method, &request).await, &self.login) {
            (Err(status), Login::Password(..)) if status.code() == Code::Unauthenticated => {
                self.log_in().await?;
                self.once(method, &request).await
            }
            (answer, _) => answer,
        };
        match (answer, &self.login) {
            (Ok(bytes), _) => self.read(method, bytes),
            (Err(status), Login::Token(_)) if status.code() == Code::Unauthenticated => Err(NvgridError::Login {
                base: self.base.clone(),
                said: said(&status),
                way: "the token has expired or is none of this site's; get a fresh one, or give username:password",
            }),
            (Err(status), _) if one_line(status.message()).contains("whitelist") => {
                let said = said(&status);
                Err(NvgridError::Refused { base: self.base.clone(), meaning: meaning(&said), said })
            }
            (Err(status), _) => Err(NvgridError::failed(&self.base, method.name(), &status)),
        }
    }

    async fn log_in(&mut self) -> Result<(), NvgridError> {
        let Login::Password(user, password) = &self.login else { return Ok(()) };
        let method = self.description.method(LOGIN, "Token")?;
        let credential = self.description.message(&method.input(), "password_credential")?;
        for name in ["username", "password"] {
            self.description.text(&credential, name)?;
        }
        self.description.text(&method.output(), "access_token")?;
        let request = json!({"password_credential": {"username": user, "password": password.expose()}});
        let refused = |said: String| NvgridError::Login {
            base: self.base.clone(),
            said,
            way: "check that api_key (or --login) leads to username:password of a user of this DPS",
        };
        self.authorization = None;
        let answer = match self.once(&method, &request).await {
            Ok(bytes) => self.read(&method, bytes).map_err(NvgridError::before)?,
            Err(status) => {
                return Err(match status.code() {
                    Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::NotFound => {
                        refused(said(&status))
                    }
                    _ => NvgridError::failed(&self.base, "the login", &status).before(),
                });
            }
        };
        match answer["access_token"].as_str().filter(|token| !token.is_empty()) {
            Some(token) => self.authorization = Some(bearer(token)?),
            None => return Err(refused("it answers without a token".to_owned())),
        }
        Ok(())
    }

    async fn once(&self, method: &MethodDescriptor, request: &Value) -> Result<Bytes, Status> {
        let message = from_json(method.input(), request.clone()).map_err(|error| {
            Status::invalid_argument(format!("{} cannot be written: {error}", method.input().full_name()))
        })?;
        let mut request = Request::new(Bytes::from(message.encode_to_vec()));
        request.set_timeout(self.answers);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = PathAndQuery::try_from(path).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        // A server may ignore the deadline in the request.
        match tokio::time::timeout(self.answers, client.unary(request, path, Raw)).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("")),
        }
    }

    fn read(&self, method: &MethodDescriptor, bytes: Bytes) -> Result<Value, NvgridError> {
        let strange = |reason: String| NvgridError::Strange {
            base: self.base.clone(),
            method: method.name().to_owned(),
            reason: one_line(&reason),
            in_doubt: true,
        };
        let message = DynamicMessage::decode(method.output(), bytes).map_err(|error| strange(error.to_string()))?;
        to_json(&message).map_err(|error| strange(error.to_string()))
    }
}

/// Leaves the login and the session out.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("base", &self.base).finish_non_exhaustive()
    }
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>, NvgridError> {
    let value = format!("Bearer {token}").parse::<MetadataValue<Ascii>>();
    let mut value =
        value.map_err(|_| NvgridError::Setting { problem: "the token holds what no header may".to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a refusal means, if known.
pub(crate) fn meaning(said: &str) -> String {
    if said.contains("whitelist") {
        return ": the site's operator must put the address on the DPS whitelist (scheme, host and port as they are, the path exactly or as a prefix ending in /), \
                in the Helm values under dps.nvgrid.webhook.whitelist"
            .to_owned();
    }
    String::new()
}
