//! The answers of `CloudFormation` about a stack: its status, its outputs, and what failed.

use anyhow::{Context, Result};

use super::deploy::Outputs;

/// A stack as `CloudFormation` describes it.
pub(super) struct Stack {
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) outputs: Outputs,
}

impl Stack {
    /// Parses the answer to `DescribeStacks` of one stack.
    pub(super) fn read(xml: &str) -> Result<Self> {
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
pub(super) fn failures(xml: &str) -> String {
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
