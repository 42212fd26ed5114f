"""A provider that answers by a script: whole or in pieces, plain or gzip, to its end or cut off."""

import dataclasses
import json
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclasses.dataclass
class Answer:
    pieces: list
    status: int = 200
    kind: str = "application/json"
    cut: bool = False


def whole(document, status=200):
    return Answer([json.dumps(document).encode()], status)


def events(*pieces, cut=False):
    return Answer([piece.encode() for piece in pieces], kind="text/event-stream", cut=cut)


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.asked.append((self.path, body))
        answer = self.server.script(self.path.split("?")[0], body)
        packed = "gzip" in json.dumps(body) and "gzip" in self.headers.get("Accept-Encoding", "")
        pack = zlib.compressobj(wbits=31) if packed else None
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Transfer-Encoding", "chunked")
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        for piece in answer.pieces:
            self.chunk(pack.compress(piece) + pack.flush(zlib.Z_SYNC_FLUSH) if pack else piece)
        if answer.cut:
            self.close_connection = True
            return
        if pack:
            self.chunk(pack.flush())
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Scripted:
    """A running provider: `script(path, body)` gives its answers, `asked` is what reached it."""

    def __init__(self, script):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
        self.server.script, self.server.asked = script, []
        # A client that goes early is nothing to tell of.
        self.server.handle_error = lambda *_: None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def asked(self):
        return self.server.asked


def view(call):
    """All that the caller of a client sees: every object in the order it came, or what was raised."""
    seen = []
    try:
        found = call()
        for one in found if hasattr(found, "__stream__") else [found]:
            seen.append(one.to_dict())
    except Exception as refusal:
        seen.append([type(refusal).__name__, str(getattr(refusal, "message", refusal))])
    return seen
