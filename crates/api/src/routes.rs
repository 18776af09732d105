//! Which handler answers which path?

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use crate::errors::not_found;
use crate::{
    App, bulk, cloudevents, data, deadline, events, messages, namespaces, reads, socket, status,
    subscriptions, ui,
};

/// Every path that belongs to a namespace is there twice: with its name, and without for the default one.
const NAMESPACED: [&str; 2] = ["/api/v1/namespaces/{ns}", "/api/v1"];

/// All routes, and the transports' own paths as what answers where there is none.
pub(crate) fn routes(app: App) -> Router {
    let named = |template: &str, methods| app.metrics.route(template).name(methods);
    let mut routes = Router::new()
        .route(
            "/api/v1/namespaces",
            named(
                "/api/v1/namespaces",
                get(namespaces::list).post(namespaces::create),
            ),
        )
        .route(
            "/api/v1/namespaces/{ns}",
            named("/api/v1/namespaces/{ns}", get(namespaces::one)),
        );
    for prefix in NAMESPACED {
        for (path, methods) in namespaced().into_iter().chain(log_reads(&app)) {
            let path = format!("{prefix}/{path}");
            routes = routes.route(&path, named(&path, methods));
        }
    }
    if let Some(folder) = &app.config.ui_folder {
        routes = ui::with_folder(routes, folder);
    }
    routes
        .route_layer(from_fn_with_state(app.clone(), deadline::enforce))
        .fallback(elsewhere)
        .with_state(app)
}

fn namespaced() -> [(&'static str, MethodRouter<App>); 9] {
    [
        ("status", get(status::namespace)),
        (
            "subscriptions",
            get(subscriptions::list)
                .post(subscriptions::create)
                .put(subscriptions::put),
        ),
        (
            "subscriptions/{id}",
            get(subscriptions::one).delete(subscriptions::delete),
        ),
        ("messages/broadcast", post(messages::broadcast)),
        ("messages/bulk", post(bulk::publish)),
        ("messages/private", post(messages::private)),
        ("publish", get(socket::open)),
        ("cloudevents", post(cloudevents::publish)),
        ("messages/requestreply", post(messages::request_reply)),
    ]
}

/// What reads the log, in turn.
fn log_reads(app: &App) -> impl Iterator<Item = (&'static str, MethodRouter<App>)> {
    let turns = from_fn_with_state(app.clone(), reads::in_turn);
    let routes: [(_, MethodRouter<App>); 9] = [
        ("messages", get(messages::list)),
        ("messages/{id}", get(messages::one)),
        ("messages/{id}/data", get(messages::data)),
        ("messages/{id}/events", get(messages::events)),
        ("events", get(events::list)),
        ("events/{id}", get(events::one)),
        ("data", get(data::list)),
        ("data/{id}", get(data::one)),
        ("data/{id}/value", get(data::value)),
    ];
    let in_turn =
        move |(path, route): (_, MethodRouter<App>)| (path, route.route_layer(turns.clone()));
    routes.into_iter().map(in_turn)
}

/// Answers what is no route of ours: a path or the status of a transport, or nothing.
async fn elsewhere(State(app): State<App>, request: Request) -> Response {
    if let Some((service, params, route)) = app.mounts.find(request.uri().path()) {
        return crate::mounts::call(service, params, route, request).await;
    }
    match status::transport(&app, &request) {
        Some(response) => {
            app.mounts.statuses.found(&request);
            response
        }
        None => not_found().into_response(),
    }
}
