//! Deploys `infra/template.yaml` to an endpoint through its `CloudFormation`, as `sam package` and `sam deploy` do.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use aws::environment::OTLP;
use serde_json::json;
use stack_client::FUNCTIONS;
use tokio::time::{Instant, sleep};

use super::{aws_api::AwsApi, template};
use crate::progress::Step;

/// The timeout of a deployment; the emulator needs about a second.
const DEPLOYING: Duration = Duration::from_mins(5);

/// The stack to deploy.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) stack: String,
    pub(super) bucket: String,
    /// The functions' zips.
    pub(super) packages: BTreeMap<&'static str, PathBuf>,
    pub(super) parameters: BTreeMap<String, String>,
    /// Whether the functions log their spans.
    pub(super) spans: bool,
    /// The address of each function that is hosted elsewhere, for `--watch`.
    pub(super) hosted: BTreeMap<&'static str, String>,
}

/// A stack's outputs by name.
pub(super) type Outputs = BTreeMap<String, String>;

impl Deployment {
    /// Uploads the code, creates the stack, waits for it, and sets what an emulator ignores.
    pub(super) async fn create(&self, api: &AwsApi, file: &Path, step: &dyn Step) -> Result<Outputs> {
        let mut template = template::load(file)?;
        if let Some(unknown) = self.parameters.keys().find(|name| !template::has_parameter(&template, name)) {
            bail!("the template has no parameter {unknown}");
        }
        let ttl = template::ttl_attributes(&template);
        template::keep_nothing(&mut template);
        template::write_concurrency(&mut template, &self.parameters)?;
        api.create_bucket(&self.bucket).await?;
        let mut uris = BTreeMap::new();
        for (function, zip) in &self.packages {
            step.at(&format!("uploads {function}"));
            let bytes = tokio::fs::read(zip).await.with_context(|| format!("{} cannot be read", zip.display()))?;
            let key = format!("{function}.zip");
            api.put_object(&self.bucket, &key, bytes).await?;
            uris.insert(*function, format!("s3://{}/{key}", self.bucket));
        }
        template::set_code(&mut template, &uris)?;
        for (function, url) in &self.hosted {
            template::set_variable(&mut template, function, "MINISTACK_LAMBDA_PROXY_URL", json!(url))?;
        }
        // An emulator's API has another address than in the cloud.
        let public_url = json!({ "Fn::Sub": endpoint(api, "${Api}") });
        template::set_variable(&mut template, "alerter", "GRIDBELL_PUBLIC_URL", public_url)?;
        for function in FUNCTIONS {
            // Here commands find the stack by themselves, and no CloudWatch makes metrics.
            template::set_variable(&mut template, function, "GRIDBELL_STACK", json!(""))?;
            if self.spans {
                template::set_variable(&mut template, function, OTLP, json!("on"))?;
            }
        }
        api.put_object(&self.bucket, TEMPLATE_KEY, template.to_string().into_bytes()).await?;
        step.at("creates the stack");
        api.cloudformation("CreateStack", &self.create_parameters(api)).await?;
        let outputs = self.created(api, step).await?;
        for (table, attribute) in ttl {
            let name =
                outputs.get(&format!("{table}Name")).with_context(|| format!("the stack has no output {table}Name"))?;
            api.enable_ttl(name, &attribute).await?;
        }
        Ok(outputs)
    }

    fn create_parameters(&self, api: &AwsApi) -> Vec<(String, String)> {
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
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            form.push((format!("Parameters.member.{}.ParameterKey", index + 1), name.clone()));
            form.push((format!("Parameters.member.{}.ParameterValue", index + 1), value.clone()));
        }
        form
    }

    async fn created(&self, api: &AwsApi, step: &dyn Step) -> Result<Outputs> {
        let name = [("StackName".to_owned(), self.stack.clone())];
        let deadline = Instant::now() + DEPLOYING;
        loop {
            let answer = api.cloudformation("DescribeStacks", &name).await?;
            let stack = Stack::read(&answer)?;
            match stack.status.as_str() {
                "CREATE_COMPLETE" => return Ok(stack.outputs),
                "CREATE_IN_PROGRESS" if Instant::now() < deadline => step.at("waits for the stack"),
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
        for key in self.packages.keys().map(|function| format!("{function}.zip")).chain([TEMPLATE_KEY.to_owned()]) {
            api.delete_object(&self.bucket, &key).await?;
        }
        api.delete_bucket(&self.bucket).await
    }
}

/// The base URL of an HTTP API's routes.
pub(super) fn endpoint(api: &AwsApi, id: &str) -> String {
    format!("{}/_aws/execute-api/{id}/$default", api.base())
}

const TEMPLATE_KEY: &str = "template.json";

struct Stack {
    status: String,
    reason: String,
    outputs: Outputs,
}

impl Stack {
    /// Parses the answer to `DescribeStacks` of one stack.
    fn read(xml: &str) -> Result<Self> {
        let document = roxmltree::Document::parse(xml).context("the answer to DescribeStacks is not XML")?;
        let text = |parent: roxmltree::Node<'_, '_>, name: &str| {
            parent
                .children()
                .find(|child| child.has_tag_name_local(name))
                .and_then(|child| child.text())
                .unwrap_or_default()
                .to_owned()
        };
        let stack = document
            .descendants()
            .find(|node| {
                node.has_tag_name_local("member")
                    && node.parent().is_some_and(|parent| parent.has_tag_name_local("Stacks"))
            })
            .context("the answer to DescribeStacks holds no stack")?;
        let outputs = stack
            .descendants()
            .filter(|node| {
                node.has_tag_name_local("member")
                    && node.parent().is_some_and(|parent| parent.has_tag_name_local("Outputs"))
            })
            .map(|output| (text(output, "OutputKey"), text(output, "OutputValue")))
            .collect();
        Ok(Self { status: text(stack, "StackStatus"), reason: text(stack, "StackStatusReason"), outputs })
    }
}

/// The failed resources with their reasons, in order of time.
fn failures(xml: &str) -> String {
    let Ok(document) = roxmltree::Document::parse(xml) else { return String::new() };
    let mut lines: Vec<String> = document
        .descendants()
        .filter(|node| node.has_tag_name_local("member"))
        .filter_map(|event| {
            let text = |name: &str| {
                event.children().find(|child| child.has_tag_name_local(name)).and_then(|child| child.text())
            };
            let status = text("ResourceStatus").filter(|status| status.ends_with("FAILED"))?;
            Some(format!(
                "  | {} {status}: {}\n",
                text("LogicalResourceId")?,
                text("ResourceStatusReason").unwrap_or("no reason given")
            ))
        })
        .collect();
    lines.reverse();
    lines.concat()
}

/// Matches element names with or without AWS's namespace.
trait LocalName {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl LocalName for roxmltree::Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_and_its_failures_are_read() {
        let xml = "<R xmlns='http://x'><DescribeStacksResult><Stacks><member><StackName>s</StackName><Parameters><member><ParameterKey>P</ParameterKey></member></Parameters>\
                   <StackStatus>CREATE_COMPLETE</StackStatus><Outputs><member><OutputKey>ApiId</OutputKey><OutputValue>a1</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult></R>";
        let stack = Stack::read(xml).expect("read");
        assert_eq!(
            (stack.status.as_str(), stack.outputs["ApiId"].as_str(), stack.outputs.len()),
            ("CREATE_COMPLETE", "a1", 1)
        );
        let events = "<R><StackEvents><member><LogicalResourceId>Late</LogicalResourceId><ResourceStatus>CREATE_FAILED</ResourceStatus><ResourceStatusReason>cancelled</ResourceStatusReason></member>\
                      <member><LogicalResourceId>First</LogicalResourceId><ResourceStatus>CREATE_FAILED</ResourceStatus></member><member><LogicalResourceId>Fine</LogicalResourceId><ResourceStatus>CREATE_COMPLETE</ResourceStatus></member></StackEvents></R>";
        assert_eq!(failures(events), "  | First CREATE_FAILED: no reason given\n  | Late CREATE_FAILED: cancelled\n");
    }
}
