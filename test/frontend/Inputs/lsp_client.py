"""A client of `cnnc lsp`: JSON-RPC on the server's standard input and output.
In: CNNC.  Out: replies, and the diagnostics that come with each change."""
import json
import subprocess


class Client:
    def __init__(self, cnnc):
        self.server = subprocess.Popen([cnnc, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number = 0
        self.versions = {}
        self.capabilities = self.call("initialize", {"processId": None, "rootUri": None, "capabilities": {}})["capabilities"]
        self.notify("initialized", {})

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.server.stdin.flush()

    def receive(self):
        length = 0
        while line := self.server.stdout.readline().strip():
            name, value = line.split(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise EOFError("the server has ended")
        return json.loads(self.server.stdout.read(length))

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def reply(self, method, params):
        """-> the whole reply, error or result"""
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        while (message := self.receive()).get("id") != self.number:
            pass
        return message

    def call(self, method, params):
        message = self.reply(method, params)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    def diagnostics(self):
        while (message := self.receive()).get("method") != "textDocument/publishDiagnostics":
            pass
        return message["params"]

    def open(self, uri, text):
        self.versions[uri] = 1
        self.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "cnn", "version": 1, "text": text}})
        return self.diagnostics()

    def change(self, uri, *changes):
        self.versions[uri] += 1
        self.notify("textDocument/didChange", {"textDocument": {"uri": uri, "version": self.versions[uri]}, "contentChanges": list(changes)})
        return self.diagnostics()

    def write(self, uri, text):
        return self.change(uri, {"text": text})

    def at(self, method, uri, line, character, **more):
        return self.call("textDocument/" + method, {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}, **more})

    def whole(self, method, uri, **more):
        return self.call("textDocument/" + method, {"textDocument": {"uri": uri}, **more})

    def end(self):
        """-> the exit status"""
        self.call("shutdown", None)
        self.notify("exit", None)
        self.server.stdin.close()
        return self.server.wait(30)


def utf16(text, offset):
    """-> line and character of an offset in characters, as the protocol counts"""
    before = text[:offset]
    return before.count("\n"), len(before[before.rfind("\n") + 1:].encode("utf-16-le")) // 2


def edited(text, edits):
    """Applies TextEdits."""
    lines = [0]
    data = text.encode("utf-16-le")
    for i in range(0, len(data), 2):
        if data[i:i + 2] == b"\n\0":
            lines.append(i + 2)
    offset = lambda p: min(lines[p["line"]] + 2 * p["character"], len(data)) if p["line"] < len(lines) else len(data)
    for edit in sorted(edits, key=lambda e: offset(e["range"]["start"]), reverse=True):
        data = data[:offset(edit["range"]["start"])] + edit["newText"].encode("utf-16-le") + data[offset(edit["range"]["end"]):]
    return data.decode("utf-16-le")
