"""Connections that do nothing, or next to nothing, for a server to hold."""

import itertools
import socket
import threading

SETTINGS = bytes.fromhex("000000040000000000")  # none
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS
# HEADERS of stream 1 with END_HEADERS, of 4 KiB that never come to an end.
BEGUN_HEADERS = bytes.fromhex("001000010400000001")
# What each third of the slow ones sends at once, and then dribbles: HTTP/2's preface, its settings, a call's headers.
BEGINS = [(b"", PREFACE), (PREFACE[: -len(SETTINGS)], SETTINGS), (PREFACE, BEGUN_HEADERS + b"\x40" * 4096)]


class Idlers:
    """`idle` connections that finished HTTP/2's handshake, `slow` ones that send a byte of what they begin with now and
    then. One that the server closes is made again."""

    def __init__(self, port: int, idle: int, slow: int, period: float = 0.5) -> None:
        self._port = port
        self._period = period
        self._idle = [self._connect() for _ in range(idle)]
        for one in self._idle:
            one.sendall(PREFACE)
        self._slow = [self._connect() for _ in range(slow)]
        self._sent = [-1] * slow  # bytes of the dribble; -1: not begun
        self.closed = 0  # by the server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._dribble, daemon=True)
        self._thread.start()

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=10)

    def _send_next(self, index: int) -> None:
        begin, dribble = BEGINS[index % len(BEGINS)]
        sent = self._sent[index]
        if sent < 0 and begin:
            self._slow[index].sendall(begin)
        if sent + 1 < len(dribble):
            self._slow[index].sendall(dribble[sent + 1 : sent + 2])
        self._sent[index] = sent + 1

    def _dribble(self) -> None:
        # One after the other, each once a period: clients that know nothing of each other do not send all at once.
        for index in itertools.cycle(range(len(self._slow))):
            if self._stop.wait(self._period / len(self._slow)):
                return
            try:
                self._send_next(index)
            except OSError:  # the server has enough of it
                self._slow[index].close()
                self.closed += 1
                self._slow[index] = self._connect()
                self._sent[index] = -1

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for one in self._idle + self._slow:
            one.close()
