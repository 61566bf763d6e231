"""What a resuming stream has been told since its last checkpoint, and what counts as a break. The same rules as the C++
client's (client/resume)."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass

import grpc

from favor._proto import attention_pb2
from favor.attention import AttendReport
from favor.errors import FavorError, InternalError
from favor.states import AttentionState
from favor.streams import (
    END_OF_KEYS,
    AttentionChunk,
    Kind,
    Opening,
    StreamAnswer,
    chunk_message,
    get_state_message,
    stream_answer,
)


def is_break(error: FavorError) -> bool:
    """Whether another server, or the same one later, may do what a call could not, given that the caller's own deadline
    is not the reason."""
    if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED):
        return True
    if error.code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return error.retry_delay is not None
    if error.code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL):
        # What gRPC makes of connections and streams that are reset. No favord says so.
        return any(text in error.message for text in ("RST_STREAM", "Stream removed", "Connection reset"))
    return False


def with_text(error: FavorError, text: str) -> FavorError:
    """The error with a remark in parentheses, details kept."""
    return type(error)(error.code, f"{error.message} ({text})", error.field_violations, error.retry_delay)


@dataclass(eq=False)
class _Item:
    kind: Kind
    message: bytes
    is_checkpoint: bool = False
    for_caller: bool = True
    answered: bool = False

    @property
    def is_chunk(self) -> bool:
        return self.kind.value > 0

    @property
    def changes_state(self) -> bool:
        """It must be kept until a checkpoint has it."""
        return self.kind in (Kind.CAUSAL, Kind.KEYS, Kind.END_OF_KEYS)


class ReplayLog:
    """What to send next, what an answer belongs to, whether the caller has had it. Not thread-safe."""

    def __init__(
        self, opening: Opening, *, checkpoint_every: int, max_kept_bytes: int, give_checkpoints: bool
    ) -> None:
        self.report: AttendReport | None = None
        """Of the answers so far, replayed ones not counted."""
        self.num_answers = 0
        """Those that were new, so far."""
        self._opening = opening
        self._checkpoint_every = checkpoint_every
        self._max_kept_bytes = max_kept_bytes
        self._give_checkpoints = give_checkpoints
        self._checkpoint: AttentionState | None = None
        self._keys_ended = False  # before the checkpoint
        self._has_state = opening.state is not None  # a server would have one after all that was appended
        self._items: deque[_Item] = deque()  # since the checkpoint
        # Of the stream under way, counted from the front of _items: the next to send, the next that may be answered.
        self._sent = self._read = 0
        self._num_chunks_made = 0
        self._num_chunks = self._num_bytes = self._num_unanswered = 0  # among _items
        self._chunks_since_request = self._bytes_since_request = 0  # of a checkpoint

    def has_room(self) -> bool:
        """Whether one more chunk may be appended. Always, when there is none."""
        return self._num_chunks == 0 or (
            self._num_chunks < 2 * self._checkpoint_every and self._num_bytes < self._max_kept_bytes
        )

    def message(self, chunk: AttentionChunk) -> tuple[Kind, bytes]:
        """The caller's next chunk, for `append`; TypeError naming it."""
        self._num_chunks_made += 1
        return chunk_message(self._num_chunks_made - 1, chunk, self._opening.encoding)

    def append(self, kind: Kind, message: bytes) -> None:
        """Takes a message of the caller's, and asks for a checkpoint where one is due."""
        if kind is Kind.GET_STATE:
            lossless = self._opening.encoding in (None, "f32_compensated")
            if lossless:
                self._chunks_since_request = self._bytes_since_request = 0
            self._push(_Item(kind, message, is_checkpoint=lossless))
            return
        item = _Item(kind, message)
        self._push(item)
        if kind is Kind.END_OF_KEYS:
            if self._has_state:  # from here on it stays as it is
                self._ask_for_checkpoint()
            return
        self._has_state = self._has_state or item.changes_state
        self._chunks_since_request += 1
        self._bytes_since_request += len(message)
        # Queries alone are let go as they are answered.
        if item.changes_state and (
            self._chunks_since_request >= self._checkpoint_every
            or self._bytes_since_request >= self._max_kept_bytes // 2
        ):
            self._ask_for_checkpoint()

    def rewind(self) -> list[bytes]:
        """Everything is to be sent again, by another stream: the messages it begins with."""
        self._sent = self._read = 0
        messages = [self._opening.message(self._checkpoint)]
        if self._keys_ended:
            messages.append(chunk_message(0, END_OF_KEYS, None)[1])
        return messages

    def next_to_send(self) -> bytes | None:
        """None when nothing is left."""
        if self._sent == len(self._items):
            return None
        self._sent += 1
        return self._items[self._sent - 1].message

    def on_answer(self, wire: attention_pb2.AttendStreamResponse) -> StreamAnswer | None:
        """Takes the next answer of the stream. What the caller gets of it. InternalError for one that belongs to
        nothing."""
        answer = stream_answer(wire)
        while self._read < self._sent and self._items[self._read].kind is Kind.END_OF_KEYS:
            self._read += 1
        if self._read == self._sent:
            raise InternalError(grpc.StatusCode.INTERNAL, "the server's answer belongs to no message")
        item = self._items[self._read]
        self._read += 1
        if (answer.output is not None) != (item.kind in (Kind.CAUSAL, Kind.QUERIES)) or (answer.state is None) != (
            item.is_chunk
        ):
            raise InternalError(grpc.StatusCode.INTERNAL, "the server's answer is not the one to the message before")
        is_new = not item.answered
        if is_new:
            item.answered = True
            self.num_answers += 1
            self._num_unanswered -= 1
            if answer.report is not None:
                self._add_to_report(answer.report)
        if item.is_checkpoint:
            assert answer.state is not None
            self._checkpoint = answer.state
            for _ in range(self._read):
                self._pop()
        while self._items and self._items[0].answered and not self._items[0].changes_state:
            self._pop()
        return answer if is_new and item.for_caller else None

    @property
    def all_answered(self) -> bool:
        """Whether the caller has had all answers."""
        return self._num_unanswered == 0

    @property
    def all_sent(self) -> bool:
        """By the stream under way."""
        return self._sent == len(self._items)

    @property
    def is_due(self) -> bool:
        """Whether the stream under way owes an answer to something it was sent."""
        return any(self._items[i].kind is not Kind.END_OF_KEYS for i in range(self._read, self._sent))

    @property
    def all_read(self) -> bool:
        """Whether the stream under way has answered everything."""
        return all(self._items[i].kind is Kind.END_OF_KEYS for i in range(self._read, len(self._items)))

    def _push(self, item: _Item) -> None:
        self._num_chunks += item.is_chunk
        self._num_bytes += len(item.message)
        if item.kind is Kind.END_OF_KEYS:
            item.answered = True  # none comes
        else:
            self._num_unanswered += 1
        self._items.append(item)

    def _ask_for_checkpoint(self) -> None:
        self._chunks_since_request = self._bytes_since_request = 0
        self._push(
            _Item(
                Kind.GET_STATE, get_state_message(None), is_checkpoint=True, for_caller=self._give_checkpoints
            )
        )

    def _pop(self) -> None:
        item = self._items.popleft()
        self._num_chunks -= item.is_chunk
        self._num_bytes -= len(item.message)
        self._keys_ended = self._keys_ended or item.kind is Kind.END_OF_KEYS
        self._sent -= 1
        self._read -= 1

    def _add_to_report(self, report: AttendReport) -> None:
        if self.report is not None:
            report = dataclasses.replace(
                report,
                degenerate_rows=self.report.degenerate_rows + report.degenerate_rows,
                queue_time=self.report.queue_time + report.queue_time,
                compute_time=self.report.compute_time + report.compute_time,
            )
        self.report = report
