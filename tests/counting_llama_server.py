"""Replaces the program ``llama-server``: llama.cpp's server from its wheel, behind a proxy that records the requests.

The proxy writes a line for each request (digest of the audio, prompt) into the file that ``MIRKIT_TEST_ASKED`` names.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from text_server import audio_and_prompt


def main() -> None:
    import xllamacpp

    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    wanted = xllamacpp.CommonParams()
    wanted.model.path, wanted.mmproj.path = options["-m"], options["--mmproj"]
    wanted.n_ctx, wanted.n_parallel, wanted.port = int(options["-c"]), int(options["-np"]), 0
    wanted.hostnames, wanted.api_keys = ["127.0.0.1"], [os.environ["LLAMA_API_KEY"]]
    wanted.warmup, wanted.ui, wanted.verbosity = False, False, 0
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(wanted)
    log = os.environ.get("MIRKIT_TEST_ASKED", os.devnull)

    class RecordingProxy(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._forward(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with open(log, "a") as file:
                file.write(json.dumps(audio_and_prompt(json.loads(body))) + "\n")
            self._forward(body)

        def _forward(self, body: bytes | None) -> None:
            names = ("Authorization", "Content-Type")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            try:
                request = urllib.request.Request(server.listening_address + self.path, body, headers)
                with urllib.request.urlopen(request) as response:
                    status, content = response.status, response.read()
            except urllib.error.HTTPError as error:
                status, content = error.code, error.read()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    ThreadingHTTPServer((options["--host"], int(options["--port"])), RecordingProxy).serve_forever()


if __name__ == "__main__":
    main()
