//! Deploys `infra/template.yaml` to an endpoint through its `CloudFormation`, as `sam package` and `sam deploy` do.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use aws::environment::OTLP;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stack_client::FUNCTIONS;
use tokio::time::{Instant, sleep};

use super::{
    aws_api::AwsApi,
    stack_status::{Stack, failures},
    template,
};
use crate::progress::Step;

/// The timeout of a deployment; the emulator needs about a second.
const DEPLOYING: Duration = Duration::from_mins(5);

/// The stack to deploy.
#[derive(Debug, Clone)]
pub(super) struct Deployment {
    pub(super) stack: String,
    pub(super) bucket: String,
    pub(super) template: PathBuf,
    /// The functions' zips.
    pub(super) packages: BTreeMap<&'static str, PathBuf>,
    /// Given by the caller: the template must have each of them.
    pub(super) parameters: BTreeMap<String, String>,
    /// The local stack's own, unless the caller gives another value. An older template may lack some.
    pub(super) usual: BTreeMap<String, String>,
    /// Whether the functions log their spans.
    pub(super) spans: bool,
    /// The address of each function that is hosted elsewhere, for `--watch`.
    pub(super) hosted: BTreeMap<&'static str, String>,
}

/// A stack's outputs by name.
pub(super) type Outputs = BTreeMap<String, String>;

impl Deployment {
    /// Uploads the code, creates the stack, waits for it, and sets what an emulator ignores.
    pub(super) async fn create(&self, api: &AwsApi, step: &dyn Step) -> Result<Outputs> {
        let template = template::load(&self.template)?;
        let ttl = template::ttl_attributes(&template);
        api.create_bucket(&self.bucket).await?;
        let form = self.upload(api, template, step).await?;
        step.at("creates the stack");
        api.cloudformation("CreateStack", &form).await?;
        let outputs = self.finished(api, "CREATE", step).await?;
        for (table, attribute) in ttl {
            // A stack without a courier lacks its table.
            if let Some(name) = outputs.get(&format!("{table}Name")) {
                api.enable_ttl(name, &attribute).await?;
            }
        }
        Ok(outputs)
    }

    /// Deploys another build to the same stack, whose queues and tables stay.
    pub(super) async fn update(&self, api: &AwsApi, step: &dyn Step) -> Result<Outputs> {
        let form = self.upload(api, template::load(&self.template)?, step).await?;
        step.at("updates the stack");
        api.cloudformation("UpdateStack", &form).await?;
        self.finished(api, "UPDATE", step).await
    }

    /// Uploads the code and the template; returns the request's parameters.
    async fn upload(&self, api: &AwsApi, mut template: Value, step: &dyn Step) -> Result<Vec<(String, String)>> {
        if let Some(unknown) = self.parameters.keys().find(|name| !template::has_parameter(&template, name)) {
            bail!("the template has no parameter {unknown}");
        }
        let mut parameters = self.usual.clone();
        parameters.retain(|name, _| template::has_parameter(&template, name));
        parameters.extend(self.parameters.clone());
        template::keep_nothing(&mut template);
        template::write_concurrency(&mut template, &parameters)?;
        template::write_defaults(&mut template, &parameters);
        let mut uris = BTreeMap::new();
        for (function, zip) in &self.packages {
            step.at(&format!("uploads {function}"));
            let bytes = tokio::fs::read(zip).await.with_context(|| format!("{} cannot be read", zip.display()))?;
            // Named by its content: SAM publishes a new version of a function only if the address of its code changes.
            let key = format!("{function}-{:.16x}.zip", Sha256::digest(&bytes));
            api.put_object(&self.bucket, &key, bytes).await?;
            uris.insert(*function, format!("s3://{}/{key}", self.bucket));
        }
        template::set_code(&mut template, &uris)?;
        for (function, url) in self.hosted.iter().filter(|(function, _)| self.packages.contains_key(*function)) {
            template::set_variable(&mut template, function, "MINISTACK_LAMBDA_PROXY_URL", json!(url))?;
        }
        // An emulator's API has another address than in the cloud.
        let public_url = json!({ "Fn::Sub": endpoint(api, "${Api}") });
        template::set_variable(&mut template, "alerter", "GRIDBELL_PUBLIC_URL", public_url)?;
        // Here commands find the stack by themselves.
        template::set_variable(&mut template, "alerter", "GRIDBELL_STACK", json!(""))?;
        for function in FUNCTIONS.iter().filter(|_| self.spans) {
            template::set_variable(&mut template, function, OTLP, json!("on"))?;
        }
        api.put_object(&self.bucket, TEMPLATE_KEY, template.to_string().into_bytes()).await?;
        Ok(self.request(api, &parameters))
    }

    fn request(&self, api: &AwsApi, parameters: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let mut form = vec![
            ("StackName".to_owned(), self.stack.clone()),
            // By URL: the request itself may contain a template of at most 51,200 bytes.
            ("TemplateURL".to_owned(), format!("{}/{}/{TEMPLATE_KEY}", api.base(), self.bucket)),
        ];
        for (index, capability) in
            ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].iter().enumerate()
        {
            form.push((format!("Capabilities.member.{}", index + 1), (*capability).to_owned()));
        }
        for (index, (name, value)) in parameters.iter().enumerate() {
            form.push((format!("Parameters.member.{}.ParameterKey", index + 1), name.clone()));
            form.push((format!("Parameters.member.{}.ParameterValue", index + 1), value.clone()));
        }
        form
    }

    /// Waits until the stack is created or updated.
    async fn finished(&self, api: &AwsApi, what: &str, step: &dyn Step) -> Result<Outputs> {
        let name = [("StackName".to_owned(), self.stack.clone())];
        let deadline = Instant::now() + DEPLOYING;
        loop {
            let answer = api.cloudformation("DescribeStacks", &name).await?;
            let stack = Stack::read(&answer)?;
            match stack.status.as_str() {
                status if status == format!("{what}_COMPLETE") => return Ok(stack.outputs),
                // An update first takes over and then removes what is left of the version before.
                status if status.starts_with(what) && status.ends_with("_IN_PROGRESS") && Instant::now() < deadline => {
                    step.at("waits for the stack");
                }
                status => {
                    let events = api.cloudformation("DescribeStackEvents", &name).await.unwrap_or_default();
                    bail!("the stack is {status}: {}\n{}", stack.reason, failures(&events));
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Deletes everything that [`Deployment::create`] made.
    pub(super) async fn delete(&self, api: &AwsApi) -> Result<()> {
        let name = [("StackName".to_owned(), self.stack.clone())];
        api.cloudformation("DeleteStack", &name).await?;
        let deadline = Instant::now() + DEPLOYING;
        // A deleted stack cannot be described: the call is refused.
        while let Ok(answer) = api.cloudformation("DescribeStacks", &name).await {
            match Stack::read(&answer)?.status.as_str() {
                "DELETE_COMPLETE" => break,
                "DELETE_IN_PROGRESS" if Instant::now() < deadline => sleep(Duration::from_millis(200)).await,
                status => bail!("the stack {} is {status}", self.stack),
            }
        }
        for key in api.objects(&self.bucket).await? {
            api.delete_object(&self.bucket, &key).await?;
        }
        api.delete_bucket(&self.bucket).await
    }
}

/// The base URL of an HTTP API's routes.
pub(super) fn endpoint(api: &AwsApi, id: &str) -> String {
    stack_client::emulated_api(api.base(), id)
}

const TEMPLATE_KEY: &str = "template.json";

/// Puts the keys, reports placeholders, and returns the parameters that did not exist before.
pub(super) async fn put_secrets(
    api: &AwsApi,
    secrets: &[super::prepare::Secret],
    note: &dyn Fn(&str),
) -> Result<Vec<String>> {
    let mut made = Vec::new();
    for secret in secrets {
        let is_new = api.put_secret(&secret.parameter, &secret.value, false).await?;
        if is_new {
            made.push(secret.parameter.clone());
        }
        match (secret.placeholder, is_new) {
            (true, true) => note(&secret.parameter),
            (false, false) => drop(api.put_secret(&secret.parameter, &secret.value, true).await?),
            _ => {}
        }
    }
    Ok(made)
}

/// One value of the outputs.
pub(super) fn output<'o>(outputs: &'o Outputs, name: &str) -> Result<&'o str> {
    outputs
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .with_context(|| format!("the stack has no output {name}"))
}
