//! Tests of the whole. Here: the checks of `infra/template.yaml`, which need only the file. In `flows/`: black-box
//! flows on the local stack, over HTTP, SQS and mail.

#[cfg(test)]
mod template;
