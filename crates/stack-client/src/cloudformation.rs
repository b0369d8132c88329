//! The `CloudFormation` calls of the commands, and their XML.

use std::collections::BTreeMap;

use aws::signed::CallError;
use aws_config::SdkConfig;
use roxmltree::{Document, Node};

use crate::query::Query;

/// `CloudFormation` in one region.
#[derive(Debug, Clone)]
pub struct CloudFormation(Query);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CloudFormationError {
    /// The call could not be made, or was rejected.
    #[error(transparent)]
    Call(#[from] CallError),
    /// AWS rejected the call with this error.
    #[error("{code}: {message}")]
    Refused {
        /// AWS's error code.
        code: String,
        /// AWS's message.
        message: String,
    },
    /// The response is unreadable.
    #[error("CloudFormation's answer cannot be read: {0}")]
    SignedResponse(String),
}

impl CloudFormationError {
    /// Whether there is no such stack.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains("does not exist"))
    }
}

/// Most pages of resources that are read, a hundred resources each: a stack has at most 500.
const PAGES: usize = 10;

/// A stack's current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackInfo {
    /// Its name.
    pub name: String,
    /// Such as `UPDATE_COMPLETE`.
    pub status: String,
    /// The reason of a failure.
    pub reason: String,
    /// The template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// The template's outputs.
    pub outputs: BTreeMap<String, String>,
}

impl CloudFormation {
    pub(crate) fn new(http: reqwest::Client, aws: &SdkConfig) -> Self {
        Self(Query::new(http, aws, "cloudformation", "2010-05-15"))
    }

    /// The stack of that name.
    pub async fn describe(&self, name: &str) -> Result<StackInfo, CloudFormationError> {
        let xml = self.call("DescribeStacks", &[("StackName".to_owned(), name.to_owned())]).await?;
        stack(&xml)
    }

    /// The physical ids of a stack's resources of one type, such as `AWS::CloudWatch::Alarm`.
    pub async fn resources(&self, name: &str, kind: &str) -> Result<Vec<String>, CloudFormationError> {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let form = [("StackName".to_owned(), name.to_owned())].into_iter();
            let form: Vec<_> = form.chain(token.take().map(|token| ("NextToken".to_owned(), token))).collect();
            let page = resources(&self.call("ListStackResources", &form).await?, kind)?;
            found.extend(page.ids);
            match page.next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        Ok(found)
    }

    async fn call(&self, action: &str, form: &[(String, String)]) -> Result<String, CloudFormationError> {
        self.0.call(action, form).await.map_err(|error| match &error {
            CallError::Refused { body, .. } => refusal(body).unwrap_or(CloudFormationError::Call(error)),
            _ => CloudFormationError::Call(error),
        })
    }
}

fn refusal(xml: &str) -> Option<CloudFormationError> {
    let document = Document::parse(xml).ok()?;
    let text = |name: &str| {
        let node = document.descendants().find(|node| node.tag_name().name() == name);
        node.and_then(|node| node.text()).map(str::to_owned)
    };
    Some(CloudFormationError::Refused { code: text("Code")?, message: text("Message").unwrap_or_default() })
}

fn stack(xml: &str) -> Result<StackInfo, CloudFormationError> {
    let wrong = |what: &str| CloudFormationError::SignedResponse(what.to_owned());
    let document = Document::parse(xml).map_err(|_| wrong("no XML"))?;
    let stack = members(document.root(), "Stacks").next().ok_or_else(|| wrong("no stack in it"))?;
    let pairs = |list: &str, key: &str, value: &str| {
        members(stack, list).map(|pair| (text(pair, key), text(pair, value))).collect()
    };
    Ok(StackInfo {
        name: text(stack, "StackName"),
        status: text(stack, "StackStatus"),
        reason: text(stack, "StackStatusReason"),
        parameters: pairs("Parameters", "ParameterKey", "ParameterValue"),
        outputs: pairs("Outputs", "OutputKey", "OutputValue"),
    })
}

/// A page of resources of one type.
struct Resources {
    ids: Vec<String>,
    next: Option<String>,
}

fn resources(xml: &str, kind: &str) -> Result<Resources, CloudFormationError> {
    let document = Document::parse(xml).map_err(|_| CloudFormationError::SignedResponse("no XML".to_owned()))?;
    let of_kind = members(document.root(), "StackResourceSummaries").filter(|one| text(*one, "ResourceType") == kind);
    let ids = of_kind.map(|one| text(one, "PhysicalResourceId")).filter(|id| !id.is_empty()).collect();
    let next = document.descendants().find(|node| node.tag_name().name() == "NextToken");
    let next = next.and_then(|next| next.text()).filter(|next| !next.is_empty()).map(str::to_owned);
    Ok(Resources { ids, next })
}

/// The `member`s of a list. The XML may or may not have AWS's namespace.
fn members<'a, 'i: 'a>(parent: Node<'a, 'i>, list: &'a str) -> impl Iterator<Item = Node<'a, 'i>> {
    let of_list = parent.descendants().find(move |node| node.tag_name().name() == list);
    of_list.into_iter().flat_map(|list| list.children().filter(|node| node.tag_name().name() == "member"))
}

fn text(parent: Node<'_, '_>, name: &str) -> String {
    let child = parent.children().find(|child| child.tag_name().name() == name);
    child.and_then(|child| child.text()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_read() {
        let xml = "<R xmlns='http://x'><DescribeStacksResult><Stacks><member><StackName>s</StackName><Parameters><member>\
                   <ParameterKey>MailFrom</ParameterKey><ParameterValue>a@b.example</ParameterValue></member></Parameters>\
                   <StackStatus>CREATE_COMPLETE</StackStatus><Outputs><member><OutputKey>ApiId</OutputKey>\
                   <OutputValue>a1</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult></R>";
        let info = stack(xml).expect("read");
        assert_eq!((info.name.as_str(), info.status.as_str()), ("s", "CREATE_COMPLETE"));
        assert_eq!(info.outputs["ApiId"], "a1");
        assert_eq!(info.parameters["MailFrom"], "a@b.example");
        assert!(stack("<R/>").is_err());
    }

    #[test]
    fn resources_of_a_type_are_listed_by_pages() {
        let member = |kind: &str, id: &str| {
            format!("<member><ResourceType>{kind}</ResourceType><PhysicalResourceId>{id}</PhysicalResourceId></member>")
        };
        let list = [member("AWS::CloudWatch::Alarm", "g-alerter-failing"), member("AWS::SQS::Queue", "q")].concat();
        let page = |next: &str| {
            let xml = format!(
                "<R xmlns='http://x'><ListStackResourcesResult><StackResourceSummaries>{list}</StackResourceSummaries>{next}</ListStackResourcesResult></R>"
            );
            resources(&xml, "AWS::CloudWatch::Alarm").expect("read")
        };
        let first = page("<NextToken>t</NextToken>");
        assert_eq!((first.ids, first.next.as_deref()), (vec!["g-alerter-failing".to_owned()], Some("t")));
        assert_eq!(page("").next, None);
        assert!(resources("no XML", "x").is_err());
    }

    #[test]
    fn a_refusal_is_read_and_a_missing_stack_is_told_apart() {
        let xml = "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error></ErrorResponse>";
        assert!(refusal(xml).expect("read").is_missing());
        assert!(refusal("{}").is_none());
    }
}
