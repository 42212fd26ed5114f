//! A provider of language models that says and counts what it is told to, in the shapes of OpenAI
//! (chat completions, responses, embeddings) and Anthropic (messages), whole or as a stream.

use serde_json::{Value, json};

use crate::support::recording_backend::{Answer, Recorded, RecordingBackend, Signal};

/// What a model says, what it counts, and how that ends.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The text, in the pieces in which it is streamed.
    pub pieces: Vec<&'static str>,
    /// Input tokens that no cache served.
    pub input: u64,
    /// Input tokens that a cache served.
    pub cached: u64,
    /// Output tokens.
    pub output: u64,
    /// The end.
    pub end: End,
}

/// How an answer ends. A number is how many pieces of a stream come before that.
#[derive(Clone, Debug)]
pub enum End {
    /// With its usage, where the protocol gives it.
    Well,
    /// Without any usage.
    Unmetered,
    /// With the provider's error event.
    Failing(usize),
    /// By the end of the connection.
    Cut(usize),
    /// By a reset.
    Reset(usize),
    /// Well, but not before the signal.
    Paused(usize, Signal),
    /// When the client leaves.
    Left(usize),
}

impl Turn {
    /// Two words, 10 tokens in, 5 out.
    pub fn short() -> Self {
        Self {
            pieces: vec!["Hello", " there", "!"],
            input: 10,
            cached: 0,
            output: 5,
            end: End::Well,
        }
    }

    /// The same with other counts.
    pub fn counting(self, input: u64, output: u64) -> Self {
        Self {
            input,
            output,
            ..self
        }
    }

    /// The same with another end.
    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }
}

/// Starts a provider that answers every call by `turn`.
pub async fn start(turn: Turn) -> RecordingBackend {
    RecordingBackend::start(move |request| answer(request, &turn)).await
}

/// The answer to a request, by its path.
pub fn answer(request: &Recorded, turn: &Turn) -> Answer {
    let body: Value = serde_json::from_slice(&request.body.content).unwrap_or_default();
    match request.target().split('?').next().unwrap_or_default() {
        "/v1/chat/completions" => chat(&body, turn),
        "/v1/responses" => responses(&body, turn),
        "/v1/embeddings" => embeddings(&body, turn),
        "/v1/messages" => messages(&body, turn),
        _ => Answer::json(404, r#"{"error":{"message":"no such page"}}"#),
    }
}

/// OpenAI's chat completions. A stream counts only where it was asked to.
pub fn chat(body: &Value, turn: &Turn) -> Answer {
    let usage = json!({
        "prompt_tokens": turn.input + turn.cached, "completion_tokens": turn.output,
        "total_tokens": turn.input + turn.cached + turn.output,
        "prompt_tokens_details": {"cached_tokens": turn.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    });
    if body["stream"] != true {
        let message =
            json!({"role": "assistant", "content": turn.pieces.concat(), "refusal": null});
        let mut whole = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        });
        if !matches!(turn.end, End::Unmetered) {
            whole["usage"] = usage;
        }
        return whole_answer(&whole, &turn.end);
    }
    let asked = body["stream_options"]["include_usage"] == true;
    let chunk = |choices: Value, usage: Option<&Value>| {
        let mut chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": body["model"], "choices": choices,
        });
        if asked {
            chunk["usage"] = usage.cloned().unwrap_or_default();
        }
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let first = chunk(
        choice(json!({"role": "assistant", "content": ""}), Value::Null),
        None,
    );
    let pieces = turn.pieces.iter();
    let pieces = pieces.map(|piece| chunk(choice(json!({"content": piece}), Value::Null), None));
    let mut last = vec![chunk(choice(json!({}), json!("stop")), None)];
    if asked && !matches!(turn.end, End::Unmetered) {
        last.push(chunk(json!([]), Some(&usage)));
    }
    last.push("data: [DONE]\n\n".to_owned());
    let failing = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    stream(vec![first], pieces.collect(), last, failing, &turn.end)
}

/// OpenAI's responses.
pub fn responses(body: &Value, turn: &Turn) -> Answer {
    let text = json!({"type": "output_text", "text": turn.pieces.concat(), "annotations": []});
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text],
    });
    let mut response = json!({
        "id": "resp_1", "object": "response", "created_at": 1, "model": body["model"],
        "status": "completed", "output": [message],
    });
    let begun =
        json!({"id": "resp_1", "object": "response", "status": "in_progress", "usage": null});
    if !matches!(turn.end, End::Unmetered) {
        response["usage"] = json!({
            "input_tokens": turn.input + turn.cached,
            "input_tokens_details": {"cached_tokens": turn.cached},
            "output_tokens": turn.output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": turn.input + turn.cached + turn.output,
        });
    }
    if body["stream"] != true {
        return whole_answer(&response, &turn.end);
    }
    let named = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        event(kind, &data)
    };
    let first = named("response.created", json!({"response": begun}));
    let pieces = turn.pieces.iter().map(|piece| {
        named(
            "response.output_text.delta",
            json!({"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": piece}),
        )
    });
    let last = named("response.completed", json!({"response": response}));
    let failing = named(
        "error",
        json!({"code": "server_error", "message": "overloaded"}),
    );
    stream(
        vec![first],
        pieces.collect(),
        vec![last],
        &failing,
        &turn.end,
    )
}

/// OpenAI's embeddings.
pub fn embeddings(body: &Value, turn: &Turn) -> Answer {
    let mut whole = json!({
        "object": "list", "model": body["model"],
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
    });
    if !matches!(turn.end, End::Unmetered) {
        whole["usage"] = json!({"prompt_tokens": turn.input, "total_tokens": turn.input});
    }
    whole_answer(&whole, &turn.end)
}

/// Anthropic's messages: the beginning counts the input and one token of output, the end counts all.
pub fn messages(body: &Value, turn: &Turn) -> Answer {
    let usage = |output: u64| {
        json!({
            "input_tokens": turn.input, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": turn.cached, "output_tokens": output,
        })
    };
    let message = |content: Value, stop: Value, usage: Value| {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
            "content": content, "stop_reason": stop, "stop_sequence": null, "usage": usage,
        })
    };
    if body["stream"] != true {
        let content = json!([{"type": "text", "text": turn.pieces.concat()}]);
        let mut whole = message(content, json!("end_turn"), usage(turn.output));
        if matches!(turn.end, End::Unmetered) {
            whole.as_object_mut().unwrap().remove("usage");
        }
        return whole_answer(&whole, &turn.end);
    }
    let named = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        event(kind, &data)
    };
    let begun = message(json!([]), Value::Null, usage(1));
    let first = vec![
        named("message_start", json!({"message": begun})),
        named(
            "content_block_start",
            json!({"index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        named("ping", json!({})),
    ];
    let pieces = turn.pieces.iter().map(|piece| {
        let delta = json!({"type": "text_delta", "text": piece});
        named("content_block_delta", json!({"index": 0, "delta": delta}))
    });
    let mut last = vec![named("content_block_stop", json!({"index": 0}))];
    if !matches!(turn.end, End::Unmetered) {
        last.push(named(
            "message_delta",
            json!({
                "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"output_tokens": turn.output},
            }),
        ));
    }
    last.push(named("message_stop", json!({})));
    let error = json!({"error": {"type": "overloaded_error", "message": "Overloaded"}});
    stream(
        first,
        pieces.collect(),
        last,
        &named("error", error),
        &turn.end,
    )
}

/// An event with a name.
pub fn event(kind: &str, data: &Value) -> String {
    format!("event: {kind}\ndata: {data}\n\n")
}

/// An answer in one piece: ends that are about pieces take the place of all of it.
fn whole_answer(whole: &Value, end: &End) -> Answer {
    let answer = Answer::json(200, &whole.to_string());
    let half = || {
        let head = [
            ("content-type", "application/json"),
            ("content-length", "9999"),
        ];
        Answer::head(200, &head).send(&whole.to_string().as_bytes()[..20])
    };
    match end {
        End::Well | End::Unmetered => answer,
        End::Failing(_) => Answer::json(500, r#"{"error":{"message":"overloaded"}}"#),
        End::Cut(_) => half().close(),
        End::Reset(_) => half().reset(),
        End::Paused(_, signal) => Answer::nothing().wait_for(signal).then_answer(answer),
        End::Left(_) => Answer::nothing().until_the_client_leaves(),
    }
}

fn stream(
    first: Vec<String>,
    pieces: Vec<String>,
    last: Vec<String>,
    failing: &str,
    end: &End,
) -> Answer {
    let before = match end {
        End::Well | End::Unmetered => pieces.len(),
        End::Failing(pieces)
        | End::Cut(pieces)
        | End::Reset(pieces)
        | End::Paused(pieces, _)
        | End::Left(pieces) => *pieces,
    };
    let sent = |answer: Answer, events: &[String]| {
        let events = events.iter();
        events.fold(answer, |answer, event| answer.chunk(event))
    };
    let (now, later) = pieces.split_at(before);
    let answer = sent(sent(Answer::event_stream(), &first), now);
    let rest = |answer: Answer| sent(sent(answer, later), &last).end_of_chunks();
    match end {
        End::Well | End::Unmetered => rest(answer),
        End::Failing(_) => answer.chunk(failing).end_of_chunks(),
        End::Cut(_) => answer.close(),
        End::Reset(_) => answer.reset(),
        End::Paused(_, signal) => rest(answer.wait_for(signal)),
        End::Left(_) => answer.until_the_client_leaves(),
    }
}
