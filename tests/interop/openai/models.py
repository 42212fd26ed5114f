"""What OpenAI answers to chats, responses and embeddings, by what the last text asks for."""

import base64
import json
import struct

import scripted

CHAT = {"id": "chatcmpl-B9MBs8Cjv", "created": 1741569952, "model": "gauge-1-2026-11-01", "system_fingerprint": "fp_1"}
PIECES = ["The ", "quick ☃ ", "🦊."]
CALL = {"name": "weather", "arguments": '{"city":"Oslo"}'}
# What each scenario counts: input without the cached, cached, output.
COUNTS = {"text": (19, 0, 10), "cached": (88, 1024, 300), "tools": (81, 0, 17), "refusal": (82, 0, 11), "embed": (8, 0, 0)}


def counts(text):
    return next((count for name, count in COUNTS.items() if name in text), COUNTS["text"])


def chat_usage(text):
    given, cached, output = counts(text)
    return {
        "prompt_tokens": given + cached,
        "completion_tokens": output,
        "total_tokens": given + cached + output,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": output // 2, "audio_tokens": 0},
    }


def chat(body):
    text = body["messages"][-1]["content"]
    if not body.get("stream"):
        message = {"role": "assistant", "content": "".join(PIECES), "refusal": None, "annotations": []}
        finish = "stop"
        if "tools" in text:
            message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": CALL}]}
            finish = "tool_calls"
        if "refusal" in text:
            message |= {"content": None, "refusal": "I can't help with that."}
        if "error" in text:
            return scripted.whole({"error": {"message": "broken", "type": "server_error", "param": None, "code": None}}, 500)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return scripted.whole({**CHAT, "object": "chat.completion", "choices": [choice], "usage": chat_usage(text)})

    asked = (body.get("stream_options") or {}).get("include_usage")

    def chunk(delta, finish=None):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        more = {"usage": None} if asked else {}
        return sse({**CHAT, "object": "chat.completion.chunk", "choices": [choice], **more})

    said = [chunk({"role": "assistant", "content": "", "refusal": None})]
    if "tools" in text:
        named = {"index": 0, "id": "call_1", "type": "function", "function": {"name": CALL["name"], "arguments": ""}}
        said.append(chunk({"tool_calls": [named]}))
        for part in (CALL["arguments"][:6], CALL["arguments"][6:]):
            said.append(chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}))
        said.append(chunk({}, "tool_calls"))
    else:
        member = "refusal" if "refusal" in text else "content"
        said += [chunk({member: piece}) for piece in PIECES]
        said.append(chunk({}, "stop"))
    if "error" in text:
        said[2:] = [sse({"error": {"message": "The server had an error", "type": "server_error", "code": None}})]
        return scripted.events(*said)
    if "cut" in text:
        return scripted.events(*said[:3], cut=True)
    if asked:
        said.append(sse({**CHAT, "object": "chat.completion.chunk", "choices": [], "usage": chat_usage(text)}))
    return scripted.events(*said, "data: [DONE]\n\n")


def sse(document, name=None):
    event = f"event: {name}\n" if name else ""
    return f"{event}data: {json.dumps(document, ensure_ascii=False)}\n\n"


def response(body):
    text = body["input"]
    given, cached, output = counts(text)
    part = {"type": "output_text", "text": "".join(PIECES), "annotations": []}
    if "refusal" in text:
        part = {"type": "refusal", "refusal": "I can't help with that."}
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    if "tools" in text:
        item = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", **CALL}
    begun = {"id": "resp_67ccd2bed1ec8190", "object": "response", "created_at": 1741476542, "status": "in_progress",
             "model": CHAT["model"], "output": [], "error": None, "usage": None, "parallel_tool_calls": True,
             "tool_choice": "auto", "tools": []}
    usage = {
        "input_tokens": given + cached,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": given + cached + output,
    }
    done = {**begun, "status": "completed", "output": [item], "usage": usage}
    if not body.get("stream"):
        return scripted.whole(done)
    said = []

    def add(kind, **more):
        said.append(sse({"type": kind, "sequence_number": len(said), **more}, kind))

    add("response.created", response=begun)
    add("response.in_progress", response=begun)
    add("response.output_item.added", output_index=0, item={**item, "status": "in_progress"})
    at = {"item_id": item["id"], "output_index": 0}
    if "tools" in text:
        add("response.function_call_arguments.delta", **at, delta=CALL["arguments"])
        add("response.function_call_arguments.done", **at, arguments=CALL["arguments"])
    else:
        for piece in PIECES:
            add("response.output_text.delta", **at, content_index=0, delta=piece, logprobs=[])
    add("response.output_item.done", output_index=0, item=item)
    if "error" in text:
        failed = {**begun, "status": "failed", "error": {"code": "server_error", "message": "broken"}}
        add("response.failed", response=failed)
    else:
        add("response.completed", response=done)
    return scripted.events(*said)


def embedding(body):
    vector = [0.25, -0.5, 0.125]
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<3f", *vector)).decode()
    given = counts("embed")[0]
    return scripted.whole({
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": body["model"],
        "usage": {"prompt_tokens": given, "total_tokens": given},
    })


def script(path, body):
    match path:
        case "/v1/chat/completions":
            return chat(body)
        case "/v1/responses":
            return response(body)
        case "/v1/embeddings":
            return embedding(body)
    return scripted.whole({"error": {"message": "no such page", "type": "invalid_request_error"}}, 404)
