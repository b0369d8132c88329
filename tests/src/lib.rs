//! Tests of the whole. Here: the checks of `infra/template.yaml` and of the direction of dependencies, which need nothing but the
//! files. In `flows/`: the flows on the local stack, black box over HTTP, SQS and mail.

#[cfg(test)]
mod directions;
#[cfg(test)]
mod template;
