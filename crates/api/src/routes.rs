//! Which handler answers which path?

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use utoipa_axum::routes;

use crate::errors::not_found;
use crate::openapi::{self, Described};
use crate::{
    App, absent, blobs, bulk, charts, cloudevents, data, datatypes, deadline, events, groups,
    history, messages, namespaces, network, parked, pause, reads, secret, seek, socket, status,
    subscriptions, trial, ui,
};

/// Every path that belongs to a namespace is there twice: with its name, and without for the default one.
const NAMESPACED: [&str; 2] = ["/api/v1/namespaces/{ns}", "/api/v1"];

/// All routes, and the transports' own paths as what answers where there is none.
pub(crate) fn routes(app: App) -> Router {
    let mut routes = openapi::routes(&app);
    let turns = from_fn_with_state(app.clone(), reads::in_turn);
    let list_turns = from_fn_with_state(app.clone(), reads::list_in_turn);
    let in_turn = one_thing()
        .into_iter()
        .map(|(schemas, paths, methods)| (schemas, paths, methods.route_layer(turns.clone())));
    let lists_in_turn = lists()
        .into_iter()
        .map(|(schemas, paths, methods)| (schemas, paths, methods.route_layer(list_turns.clone())));
    let others = [
        whole(),
        namespaced(),
        network::described(),
        absent::described(),
    ];
    let others = others.into_iter().flatten();
    for described in others.chain(in_turn).chain(lists_in_turn) {
        let path = openapi::path_of(&described).0.to_owned();
        let (_, _, methods) = described;
        let prefixes = match path.starts_with("/api/") {
            true => [""].as_slice(),
            false => &NAMESPACED,
        };
        for prefix in prefixes {
            let path = format!("{prefix}{path}");
            let methods = app.metrics.route(&path).name(methods.clone());
            routes = routes.route(&path, methods);
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

/// All handlers, as they describe themselves.
pub(crate) fn described() -> impl Iterator<Item = Described> {
    let all = [
        whole(),
        namespaced(),
        network::described(),
        absent::described(),
        one_thing(),
        lists(),
    ];
    all.into_iter().flatten()
}

/// What stands where it stands.
fn whole() -> Vec<Described> {
    vec![
        routes!(namespaces::list, namespaces::create),
        routes!(namespaces::one),
    ]
}

/// What belongs to a namespace.
fn namespaced() -> Vec<Described> {
    vec![
        routes!(status::namespace),
        routes!(status::multiparty),
        routes!(status::batch_manager),
        routes!(
            subscriptions::list,
            subscriptions::create,
            subscriptions::put
        ),
        routes!(subscriptions::one, subscriptions::delete),
        routes!(seek::seek),
        routes!(pause::pause),
        routes!(pause::resume),
        routes!(secret::rotate),
        routes!(trial::test),
        routes!(parked::replay),
        routes!(parked::discard),
        routes!(groups::one),
        routes!(blobs::download),
        routes!(blobs::paths),
        routes!(blobs::paths_below),
        routes!(data::create),
        routes!(datatypes::list, datatypes::create),
        routes!(datatypes::one),
        routes!(data::delete),
        routes!(data::publish_value),
        routes!(data::publish_blob),
        routes!(messages::broadcast),
        routes!(bulk::publish),
        routes!(messages::private),
        routes!(socket::open),
        routes!(cloudevents::publish),
        routes!(messages::request_reply),
    ]
}

/// What reads something of the log, in turn.
fn one_thing() -> Vec<Described> {
    vec![
        routes!(messages::one),
        routes!(messages::data),
        routes!(messages::events),
        routes!(messages::transaction),
        routes!(events::one),
        routes!(data::one),
        routes!(data::value),
        routes!(data::messages),
        routes!(parked::one),
    ]
}

/// What may go through all of it, in turn.
fn lists() -> Vec<Described> {
    vec![
        routes!(messages::list),
        routes!(events::list),
        routes!(data::list),
        routes!(groups::list),
        routes!(charts::histogram),
        routes!(history::preview),
        routes!(history::list),
        routes!(parked::list),
    ]
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
