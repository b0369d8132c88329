//! Tests of the whole. Here: the checks of `infra/template.yaml`, which need nothing but the file. In `flows/`: the flows on the
//! local stack, black box over HTTP, SQS and mail.

#[cfg(test)]
mod template;
