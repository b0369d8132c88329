//! Server reflection: v1, else v1alpha, whose messages are the same on the wire.

use std::{collections::BTreeSet, error::Error};

use futures_util::stream;
use prost::{Message, bytes::Bytes};
use prost_reflect::{DescriptorPool, prost_types::FileDescriptorProto};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

use super::{
    Description, NvgridError, Raw,
    channel::in_words,
    description::unreadable,
    error::{one_line, said},
};

const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The required services, in any package.
const SERVICES: [&str; 2] = ["NvGrid", "AuthService"];

/// Most files that a description may have.
const MOST_FILES: usize = 200;

/// One server's reflection.
struct Reflection<'c> {
    channel: &'c Channel,
    authorization: Option<&'c MetadataValue<Ascii>>,
    path: &'static str,
}

/// Reads a server's description from its reflection.
///
/// # Errors
/// [`NvgridError::NoReflection`] if the server offers none, [`NvgridError::Lacks`] if it describes no `NvGrid`.
pub(crate) async fn describe(
    base: &str,
    channel: &Channel,
    authorization: Option<&MetadataValue<Ascii>>,
) -> Result<Description, NvgridError> {
    let from = format!("the reflection of {base}");
    let mut refusal = Status::unimplemented("");
    for path in PATHS {
        let reflection = Reflection { channel, authorization, path };
        match reflection.services().await {
            Ok(listed) => {
                let wanted = |name: &&String| SERVICES.contains(&name.rsplit('.').next().unwrap_or_default());
                let pool = reflection.files(listed.iter().filter(wanted)).await;
                let pool = pool.map_err(|reason| unreadable(&from, &reason))?;
                if pool.services().len() == 0 {
                    return Err(NvgridError::Lacks {
                        from,
                        what: "service NvGrid".to_owned(),
                        there: listed.join(", "),
                    });
                }
                return Ok(Description { pool, from });
            }
            Err(status) => refusal = status,
        }
        if refusal.code() != Code::Unimplemented {
            break;
        }
    }
    let base = base.to_owned();
    if let Some(source) = refusal.source() {
        return Err(NvgridError::Unreachable { base, reason: in_words(source) });
    }
    let reason = match refusal.code() {
        Code::Unimplemented => "it has no server reflection, neither v1 nor v1alpha".to_owned(),
        _ => said(&refusal),
    };
    Err(NvgridError::NoReflection { base, reason })
}

impl Reflection<'_> {
    async fn services(&self) -> Result<Vec<String>, Status> {
        match self.ask(MessageRequest::ListServices(String::new())).await? {
            MessageResponse::ListServicesResponse(listed) => {
                Ok(listed.service.into_iter().map(|service| service.name).collect())
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The files of these services and all their imports. Google's own types are built in.
    async fn files(&self, services: impl Iterator<Item = &String>) -> Result<DescriptorPool, String> {
        let mut pool = DescriptorPool::global();
        let mut files: Vec<FileDescriptorProto> = Vec::new();
        let mut asked = BTreeSet::new();
        let mut open: Vec<MessageRequest> =
            services.map(|name| MessageRequest::FileContainingSymbol(name.clone())).collect();
        while let Some(request) = open.pop() {
            if files.len() > MOST_FILES {
                return Err(format!("more than {MOST_FILES} files"));
            }
            let answer = self.ask(request).await.map_err(|status| said(&status))?;
            let MessageResponse::FileDescriptorResponse(answer) = answer else {
                return Err(unexpected(&answer).message().to_owned());
            };
            for bytes in answer.file_descriptor_proto {
                let file = FileDescriptorProto::decode(bytes.as_slice()).map_err(|error| error.to_string())?;
                if !files.iter().any(|known| known.name == file.name) {
                    files.push(file);
                }
            }
            for import in files.iter().flat_map(|file| &file.dependency) {
                let known = pool.get_file_by_name(import).is_some() || files.iter().any(|file| file.name() == import);
                if !known && asked.insert(import.clone()) {
                    open.push(MessageRequest::FileByFilename(import.clone()));
                }
            }
        }
        pool.add_file_descriptor_protos(files).map_err(|error| format!("{error:?}"))?;
        Ok(pool)
    }

    /// One reflection request, on a stream of its own.
    async fn ask(&self, request: MessageRequest) -> Result<MessageResponse, Status> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let mut request = Request::new(stream::iter([Bytes::from(request.encode_to_vec())]));
        if let Some(authorization) = self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let answers = client.streaming(request, PathAndQuery::from_static(self.path), Raw).await?;
        let answer = answers.into_inner().message().await?.ok_or_else(|| Status::internal("no answer"))?;
        let answer = ServerReflectionResponse::decode(answer).map_err(|error| Status::internal(error.to_string()))?;
        answer.message_response.ok_or_else(|| Status::internal("an empty answer"))
    }
}

fn unexpected(answer: &MessageResponse) -> Status {
    match answer {
        MessageResponse::ErrorResponse(error) => {
            Status::new(Code::from(error.error_code), one_line(&error.error_message))
        }
        _ => Status::internal("it answers another question"),
    }
}
