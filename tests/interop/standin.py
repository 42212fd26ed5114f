"""Just enough of a provider's API for its stock client: files and messages in one shared space."""

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Provider(BaseHTTPRequestHandler):
    """`missing(id)` says what is not there; `answer(path, body)` what a POST beside files gives."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def parts(self):
        return [part for part in self.path.split("?")[0].split("/") if part][1:]

    def do_GET(self):
        match self.parts():
            case [kind]:
                all_of_it = list(self.server.kept.get(kind, {}).values())
                ends = {"first_id": all_of_it[0]["id"], "last_id": all_of_it[-1]["id"]} if all_of_it else {}
                self.say(200, {"object": "list", "data": all_of_it, "has_more": False, **ends})
            case [kind, name, *rest]:
                found = self.server.kept.get(kind, {}).get(name)
                if found is None:
                    self.say(404, self.server.missing(name))
                else:
                    self.say(200, found["content"] if rest == ["content"] else found)

    def do_DELETE(self):
        kind, name = self.parts()
        found = self.server.kept.get(kind, {}).pop(name, None)
        self.say(200, {"id": name, "deleted": True}) if found else self.say(404, self.server.missing(name))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.parts()[0]
        status, document = self.server.answer(kind, body, self.server.kept)
        if status == 200:
            self.server.kept.setdefault(kind, {})[document["id"]] = document
        self.say(status, document)


def start(missing, answer):
    """The URL of a provider."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.kept, server.missing, server.answer = {}, missing, answer
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def new_id(prefix):
    return prefix + uuid.uuid4().hex
