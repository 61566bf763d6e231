"""Connections that do nothing, or next to nothing, for a server to hold."""

import socket
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")  # and empty SETTINGS


class Idlers:
    """`idle` connections that finished HTTP/2's handshake, `slow` ones that send a byte of it now and then."""

    def __init__(self, port: int, idle: int, slow: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(idle + slow)]
        self._slow = self._sockets[idle:]
        for one in self._sockets[:idle]:
            one.sendall(PREFACE)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._dribble, daemon=True)
        self._thread.start()

    def _dribble(self) -> None:
        for byte in PREFACE:
            for one in self._slow:
                try:
                    one.sendall(bytes([byte]))
                except OSError:
                    pass  # the server has enough of it
            if self._stop.wait(0.5):
                return

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for one in self._sockets:
            one.close()
