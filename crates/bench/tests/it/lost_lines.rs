//! Does an upload that goes on beside a measurement notice that lines are not answered?

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use photinus_bench::drive::upload::beside;
use photinus_bench::wire::http::Http;
use tokio::net::TcpListener;

/// Uploads while something else ends at once, to a server that answers all lines but so many.
fn uploaded(unanswered: usize) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = move |body: Bytes| async move {
        let lines = body.iter().filter(|byte| **byte == b'\n').count();
        (1..=lines.saturating_sub(unanswered))
            .map(|sequence| format!("{{\"sequence\":{sequence}}}\n"))
            .collect::<String>()
    };
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async { axum::serve(listener, Router::new().route("/", post(answer))).await };
        let client = async {
            let connection = Http::connect(address).await.unwrap();
            let work = async { Ok("done") };
            beside(connection, "/", 1_000, 0, work).await
        };
        tokio::select! {
            _ = server => panic!("it serves for ever"),
            outcome = client => match outcome {
                Ok((done, rate)) => {
                    assert_eq!(done, "done");
                    assert!(rate > 0.0);
                    Ok(())
                }
                Err(error) => Err(format!("{error:#}")),
            },
        }
    })
}

#[test]
fn an_upload_whose_lines_are_not_all_answered_is_not_measured() {
    assert_eq!(uploaded(0), Ok(()));
    let error = uploaded(1).unwrap_err();
    assert!(error.contains(" answers to "), "{error}");
}
