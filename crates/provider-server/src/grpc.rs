//! A simulator over gRPC, with server reflection. It maps calls to the simulator's requests and answers to messages, by
//! the simulator's own description (`provider_sims::Simulated::proto`).

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use anyhow::{Context as _, Result};
use axum::{Router, body::Body, extract::Request, http::header::CONTENT_TYPE, response::Response};
use prost::{Message, bytes::Bytes};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use protox::{
    Compiler,
    file::{File, FileResolver, GoogleFileResolver},
};
use serde_json::Value;
use tonic::{Code, Status, codegen::Service, server::Grpc};
use tonic_reflection::server::Builder;

use super::server::Served;
use nvgrid_client::{Raw, from_json, to_json};

const FILE: &str = "simulated.proto";

/// Finds the built-in description.
struct BuiltIn(&'static str);

impl FileResolver for BuiltIn {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            FILE => File::from_source(name, self.0),
            other => GoogleFileResolver::new().open_file(other),
        }
    }
}

/// Adds server reflection to the router; returns it with the description.
pub(crate) fn serve(router: Router<Arc<Served>>, proto: &'static str) -> Result<(Router<Arc<Served>>, DescriptorPool)> {
    let mut compiler = Compiler::with_file_resolver(BuiltIn(proto));
    compiler.include_imports(true).open_file(FILE).context("the simulator's description")?;
    let set = compiler.encode_file_descriptor_set();
    let reflection = || Builder::configure().register_encoded_file_descriptor_set(&set);
    let router = router
        .route_service("/grpc.reflection.v1.ServerReflection/{call}", reflection().build_v1()?)
        .route_service("/grpc.reflection.v1alpha.ServerReflection/{call}", reflection().build_v1alpha()?);
    Ok((router, compiler.descriptor_pool()))
}

/// Whether a request is a gRPC call.
pub(crate) fn is_call(request: &Request) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// Answers a call.
pub(crate) async fn handle(served: Arc<Served>, pool: &DescriptorPool, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let found = path.trim_start_matches('/').split_once('/').and_then(|(service, method)| {
        let service = pool.get_service_by_name(service)?;
        service.methods().find(|one| one.name() == method)
    });
    let Some(method) = found else {
        return Status::unimplemented(format!("{path} is not simulated")).into_http::<Body>();
    };
    Grpc::new(Raw).unary(Call { served, method, path }, request).await.map(Body::new)
}

/// One call.
#[derive(Clone)]
struct Call {
    served: Arc<Served>,
    method: MethodDescriptor,
    path: String,
}

impl Service<tonic::Request<Bytes>> for Call {
    type Response = tonic::Response<Bytes>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

impl Call {
    async fn answer(self, request: tonic::Request<Bytes>) -> Result<tonic::Response<Bytes>, Status> {
        let authorization = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let headers = authorization.map(|value| ("authorization".to_owned(), value.to_owned()));
        let unreadable = |error: &dyn std::error::Error| Status::invalid_argument(error.to_string());
        let headers: BTreeMap<String, String> = headers.into_iter().collect();
        let message = DynamicMessage::decode(self.method.input(), request.into_inner());
        let body = to_json(&message.map_err(|error| unreadable(&error))?).map_err(|error| unreadable(&error))?;
        let request = provider_sims::Request {
            method: "POST".to_owned(),
            path: self.path,
            query: BTreeMap::new(),
            headers,
            body: body.to_string().into_bytes(),
        };
        let response = self.served.respond(&request).await.ok_or_else(|| Status::unavailable("the simulator ends"))?;
        tokio::time::sleep(response.delay.try_into().unwrap_or_default()).await;
        let answer: Option<Value> = serde_json::from_slice(&response.body).ok();
        if response.status != 200 {
            let said = answer.as_ref().and_then(|answer| answer["message"].as_str()).unwrap_or_default();
            return Err(Status::new(code(response.status), said));
        }
        // An answer that is not JSON was corrupted on purpose, and is sent unchanged.
        let message = answer.and_then(|answer| from_json(self.method.output(), answer).ok());
        let bytes = message.map_or(response.body, |message| message.encode_to_vec());
        Ok(tonic::Response::new(Bytes::from(bytes)))
    }
}

/// The gRPC code for an HTTP status.
fn code(status: u16) -> Code {
    match status {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        405 | 501 => Code::Unimplemented,
        429 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}
