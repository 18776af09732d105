//! Is a folder of web pages served under /ui, and nothing outside it?

use photinus_api::ApiConfig;
use photinus_contract::scripted::Scripted;
use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn a_ui_is_served_and_finds_its_way_by_the_path() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::write(outer.path().join("secret.txt"), "secret").unwrap();
    let folder = outer.path().join("build");
    std::fs::create_dir_all(folder.join("static")).unwrap();
    std::fs::write(folder.join("index.html"), "<title>the page</title>").unwrap();
    std::fs::write(folder.join("static/main.js"), "run()").unwrap();
    let api = Api::with(json!({"ui_folder": folder}), Scripted::new()).await;
    for path in [
        "/ui",
        "/ui/",
        "/ui/index.html",
        "/ui/namespaces/default/home",
        "/ui/static/gone.js",
        "/ui/%2e%2e/secret.txt",
        "/ui/..%2fsecret.txt",
        "/ui/static/..%2f..%2fsecret.txt",
        "/ui/%5c..%5csecret.txt",
    ] {
        let reply = api.get(path).await;
        assert!(!reply.text.contains("secret"), "{path}");
        assert!([200, 404].contains(&reply.status), "{path}: {reply:?}");
        if !path.contains('%') {
            assert_eq!(reply.text, "<title>the page</title>", "{path}");
            assert_eq!(reply.headers["content-type"], "text/html", "{path}");
        }
    }
    let script = api.get("/ui/static/main.js").await;
    assert_eq!((script.status, &*script.text), (200, "run()"));
    assert_eq!(script.headers["content-type"], "text/javascript");
    assert_eq!(script.headers["x-content-type-options"], "nosniff");
    let refused = api.post("/ui/index.html", json!({})).await;
    assert_eq!(refused.status, 405);
    api.get("/api/v1/nowhere").await.is_error(404, "FF10109: ");
}

#[tokio::test]
async fn without_a_folder_there_is_no_ui() {
    let api = Api::new().await;
    api.get("/ui").await.is_error(404, "FF10109: ");
}

#[test]
fn a_folder_without_a_page_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config: ApiConfig = serde_json::from_value(json!({"ui_folder": folder.path()})).unwrap();
    let error = config.check().unwrap_err();
    assert!(
        error.starts_with("ui_folder: there is no index.html in '"),
        "{error}"
    );
}
