//! What is asked of a bare server over HTTP?

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;

use super::{
    BROKERS_PATH, BULK_PATH, HOOKS_PATH, INSERT_PATH, Message, PARSE_PATH, READ_PATH,
    RELAY_BULK_PATH, RELAY_PATH, ROWS_PATH, Shared, WRITE_PACED_PATH, WRITE_PATH, brokers, bulk,
    hooks, rows,
};

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Result<()> {
    let router = Router::new()
        .route(PARSE_PATH, post(parse))
        .route(INSERT_PATH, post(insert))
        .route(RELAY_PATH, post(relay))
        .route(BULK_PATH, post(bulk))
        .route(RELAY_BULK_PATH, post(relay_bulk))
        .route(ROWS_PATH, post(insert_rows))
        .route(WRITE_PATH, post(write))
        .route(WRITE_PACED_PATH, post(write_paced))
        .route(READ_PATH, post(read))
        .route(HOOKS_PATH, post(ask_hooks))
        .route(BROKERS_PATH, post(publish_to_broker))
        .layer(DefaultBodyLimit::disable())
        .with_state(shared);
    let listener = listener.tap_io(|stream| {
        // What fails here fails with the first read, too.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn parse(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Failed> {
    Message::parse(&body)?;
    Ok(accepted(&shared))
}

async fn insert(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Failed> {
    let tag = Message::parse(&body)?.tag()?;
    shared.rows.commit(tag).await?;
    Ok(accepted(&shared))
}

async fn relay(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Failed> {
    let tag = Message::parse(&body)?.tag()?;
    shared.relayed.commit(tag).await?;
    Ok(accepted(&shared))
}

async fn bulk(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    bulk::answer(shared.rows.clone(), body)
}

async fn relay_bulk(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    bulk::answer(shared.relayed.clone(), body)
}

async fn insert_rows(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Failed> {
    let order = serde_json::from_slice(&body)?;
    let done = tokio::task::spawn_blocking(move || rows::insert(&shared, order)).await??;
    Ok(serde_json::to_string(&done)?.into_response())
}

async fn write(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Failed> {
    let order = serde_json::from_slice(&body)?;
    let done = tokio::task::spawn_blocking(move || rows::write(&shared, order)).await??;
    Ok(serde_json::to_string(&done)?.into_response())
}

async fn write_paced(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Failed> {
    let order = serde_json::from_slice(&body)?;
    let done = tokio::task::spawn_blocking(move || rows::write_paced(&shared, order)).await??;
    Ok(serde_json::to_string(&done)?.into_response())
}

async fn read(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Failed> {
    let order = serde_json::from_slice(&body)?;
    let done = tokio::task::spawn_blocking(move || rows::read(&shared, order)).await??;
    Ok(serde_json::to_string(&done)?.into_response())
}

async fn ask_hooks(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Response, Failed> {
    let done = hooks::ask(shared, serde_json::from_slice(&body)?).await?;
    Ok(serde_json::to_string(&done)?.into_response())
}

async fn publish_to_broker(body: Bytes) -> Result<Response, Failed> {
    let done = brokers::publish(serde_json::from_slice(&body)?).await?;
    Ok(serde_json::to_string(&done)?.into_response())
}

/// The answer that the product gives, byte for byte as long.
fn accepted(shared: &Shared) -> Response {
    let headers = [(CONTENT_TYPE, crate::wire::http::JSON)];
    (StatusCode::ACCEPTED, headers, shared.answer.clone()).into_response()
}

struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}", self.0)).into_response()
    }
}
