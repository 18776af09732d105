//! How does a folder of web pages come under `/ui`?
//!
//! FireFly's own UI is such a folder: one page, which finds its way by the path.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response};
use tower::ServiceExt;
use tower_http::services::{ServeDir, ServeFile};

/// The page that answers where there is no file.
pub(crate) const INDEX: &str = "index.html";
/// Where the folder is.
const PATH: &str = "/ui";

/// The routes, with those of the folder.
pub(crate) fn with_folder<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    folder: &Path,
) -> Router<S> {
    let files = ServeDir::new(folder)
        .append_index_html_on_directories(true)
        .fallback(ServeFile::new(folder.join(INDEX)));
    let files = ServiceExt::<Request>::map_response(files, guarded);
    routes.nest_service(PATH, files)
}

/// A browser takes a file for what it is said to be, and asks for it again when it has changed.
fn guarded<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
