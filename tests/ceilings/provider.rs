//! The stand-in for a provider gives what the stage's other tests rely on.

use serde_json::{Value, json};

use crate::standins::llm::{self, End, Turn};
use crate::support::raw_client;

async fn said(turn: Turn, target: &str, body: Value) -> String {
    let provider = llm::start(turn).await;
    let body = body.to_string();
    let request = raw_client::request("POST", target, &[], body.as_bytes());
    raw_client::exchange(provider.address(), request)
        .await
        .text()
}

#[tokio::test]
async fn a_chat_counts_in_its_stream_only_where_it_was_asked_to() {
    let target = "/v1/chat/completions";
    let plain = said(Turn::short(), target, json!({"stream": true})).await;
    assert!(!plain.contains("usage"), "{plain}");
    let options = json!({"include_usage": true});
    let asked = json!({"stream": true, "stream_options": options});
    let counted = said(Turn::short(), target, asked.clone()).await;
    assert!(counted.contains("\"prompt_tokens\":10"), "{counted}");
    assert!(counted.ends_with("data: [DONE]\n\n"), "{counted}");
    let unmetered = said(Turn::short().ending(End::Unmetered), target, asked).await;
    assert!(!unmetered.contains("prompt_tokens"), "{unmetered}");
}

#[tokio::test]
async fn a_message_counts_its_output_at_the_end() {
    let streamed = json!({"stream": true});
    let whole = said(Turn::short(), "/v1/messages", streamed.clone()).await;
    assert!(whole.contains("\"output_tokens\":5"), "{whole}");
    let cut = said(Turn::short().ending(End::Cut(1)), "/v1/messages", streamed).await;
    assert!(cut.contains("\"output_tokens\":1"), "{cut}");
    assert!(!cut.contains("\"output_tokens\":5"), "{cut}");
}
