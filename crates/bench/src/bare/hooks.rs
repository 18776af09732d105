//! How fast does an HTTP client ask, with nothing behind it?
//!
//! The library of the product, with the requests of the product but for what a signature costs.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::Shared;
use super::rows::Done;
use crate::clock::now;

/// Whom to ask how often.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    /// Each is asked by a task of its own, one request after the other.
    urls: Vec<String>,
    each: usize,
}

/// Asks all of them.
pub(super) async fn ask(shared: Arc<Shared>, order: Order) -> Result<Done> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let start = now();
    let mut tasks = JoinSet::new();
    let count = order.urls.len();
    for (number, url) in order.urls.into_iter().enumerate() {
        let (shared, client) = (shared.clone(), client.clone());
        tasks.spawn(async move {
            for index in 0..order.each {
                let answer = client
                    .request(request(&shared, &url, number, index)?)
                    .await?;
                ensure!(answer.status().is_success(), "{}", answer.status());
                answer.into_body().collect().await?;
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let asked = (count * order.each) as f64;
    Ok(Done {
        rate: asked / start.elapsed().as_secs_f64(),
    })
}

fn request(
    shared: &Shared,
    url: &str,
    number: usize,
    index: usize,
) -> Result<Request<Full<Bytes>>> {
    let mut body = String::with_capacity(shared.template.capacity());
    shared.template.write(index as u64 + 1, number, &mut body);
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .header("user-agent", "photinus/0.1.0")
        .header("accept-encoding", "gzip")
        .header("webhook-id", "01a203f0-7a23-7481-9bdc-a3ebaac16001")
        .header("webhook-timestamp", "1795432560")
        .header(
            "webhook-signature",
            "v1,saNWmAarPfPwuNi+gQFRuQ0VjcfY7c52Y4nRL2u8Y94=",
        );
    Ok(request.body(Full::new(body.into()))?)
}
