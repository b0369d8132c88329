//! AWS's query protocol: a form in the request, XML in the response.

use aws_config::SdkConfig;

use aws::signed::{Call, CallError, Service};

/// A service with this protocol.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    service: Service,
    version: &'static str,
}

impl Query {
    /// The service with that name and API version.
    pub(crate) fn new(http: reqwest::Client, aws: &SdkConfig, service: &'static str, version: &'static str) -> Self {
        Self { service: Service::new(http, aws, service), version }
    }

    /// Calls an action; returns XML.
    pub(crate) async fn call(&self, action: &str, parameters: &[(String, String)]) -> Result<String, CallError> {
        let body = form(action, self.version, parameters);
        let headers = &[("content-type", "application/x-www-form-urlencoded")];
        self.service.post(&Call { action, headers, body }).await
    }
}

fn form(action: &str, version: &str, parameters: &[(String, String)]) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let own = [("Action", action), ("Version", version)];
    let all = own.into_iter().chain(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let pairs = all.map(|(name, value)| {
        format!("{}={}", utf8_percent_encode(name, NON_ALPHANUMERIC), utf8_percent_encode(value, NON_ALPHANUMERIC))
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_carries_json_and_spaces() {
        let value = ("Parameters.member.1.ParameterValue".to_owned(), r#"{"a": "b&c"}"#.to_owned());
        assert_eq!(
            form("UpdateStack", "2010-05-15", &[value]),
            "Action=UpdateStack&Version=2010%2D05%2D15&Parameters%2Emember%2E1%2EParameterValue=%7B%22a%22%3A%20%22b%26c%22%7D"
        );
    }
}
