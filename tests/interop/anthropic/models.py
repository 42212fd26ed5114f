"""What Anthropic answers to messages, by what the last text asks for."""

import json

import scripted

MESSAGE = {"id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "model": "gauge-1"}
PIECES = ["Hello", " ☃", " 🦊!"]
# What each scenario counts: input, cache write, cache read, output.
COUNTS = {"text": (25, 0, 0, 15), "cached": (50, 1800, 2480, 503), "tools": (472, 0, 0, 89), "thinking": (43, 0, 0, 240)}


def counts(text):
    return next((count for name, count in COUNTS.items() if name in text), COUNTS["text"])


def usage(text, output=None):
    given, written, read, said = counts(text)
    return {
        "input_tokens": given,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": said if output is None else output,
        "service_tier": "standard",
    }


def blocks(text):
    """The content, and for each block of it the deltas in which it is streamed."""
    if "thinking" in text:
        thought = {"type": "thinking", "thinking": "Let me think.", "signature": "c2ln"}
        deltas = [{"type": "thinking_delta", "thinking": "Let me "}, {"type": "thinking_delta", "thinking": "think."}]
        yield thought, {**thought, "thinking": "", "signature": ""}, [*deltas, {"type": "signature_delta", "signature": "c2ln"}]
    said = {"type": "text", "text": "".join(PIECES)}
    yield said, {**said, "text": ""}, [{"type": "text_delta", "text": piece} for piece in PIECES]
    if "tools" in text:
        use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
        parts = ["", '{"city":', ' "Oslo"}']
        yield use, {**use, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]


def message(body):
    text = body["messages"][-1]["content"]
    stop = {"stop_reason": "tool_use" if "tools" in text else "end_turn", "stop_sequence": None}
    if not body.get("stream"):
        if "error" in text:
            error = {"type": "api_error", "message": "broken"}
            return scripted.whole({"type": "error", "error": error, "request_id": "req_1"}, 500)
        content = [block for block, _, _ in blocks(text)]
        return scripted.whole({**MESSAGE, "content": content, **stop, "usage": usage(text)})
    said = []

    def add(kind, **more):
        said.append(f"event: {kind}\ndata: {json.dumps({'type': kind, **more}, ensure_ascii=False)}\n\n")

    begun = {**MESSAGE, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage(text, 1)}
    add("message_start", message=begun)
    add("ping")
    for index, (_, empty, deltas) in enumerate(blocks(text)):
        add("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            add("content_block_delta", index=index, delta=delta)
        add("content_block_stop", index=index)
    if "error" in text:
        del said[4:]
        add("error", error={"type": "overloaded_error", "message": "Overloaded"})
        return scripted.events(*said)
    if "cut" in text:
        return scripted.events(*said[:5], cut=True)
    # Cumulative, and twice: what is counted twice costs too much.
    add("message_delta", delta={"stop_reason": None, "stop_sequence": None}, usage={"output_tokens": counts(text)[3] - 1})
    add("message_delta", delta=stop, usage=usage(text))
    add("message_stop")
    return scripted.events(*said)


def script(path, body):
    match path:
        case "/v1/messages":
            return message(body)
        case "/v1/messages/count_tokens":
            return scripted.whole({"input_tokens": 25})
    return scripted.whole({"type": "error", "error": {"type": "not_found_error", "message": "no such page"}}, 404)
