"""Streams over replicas, which go on elsewhere when a server dies, drains, is full or falls silent."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Unpack

import grpc

from favor import _methods
from favor._answers import AnswerIterator, AsyncAnswerIterator
from favor._course import Course, ResumeOptions
from favor._proto import attention_pb2
from favor._replay import ReplayLog
from favor.aio import AsyncClient
from favor.attention import AttendReport
from favor.client import Client
from favor.errors import CancelledError, DeadlineExceededError, FavorError, UnavailableError
from favor.options import LONGEST_WAIT
from favor.streams import (
    AsyncAttentionChunks,
    AttentionChunks,
    StreamAnswer,
    StreamOptions,
    as_async,
    opening,
)


def _stream_is_closed() -> CancelledError:
    return CancelledError(grpc.StatusCode.CANCELLED, "the stream is closed")


class _Shared:
    """What those who feed, send, read and watch have in common. Guarded by a lock, or of one event loop."""

    def __init__(self, log: ReplayLog, answer_timeout: float | None) -> None:
        self.log = log
        self.no_more = False  # will be appended to the log
        self.failure: BaseException | None = None  # of the caller's chunks
        self.closed = False
        self._answer_timeout = answer_timeout
        self._call = 0  # the number of the one under way
        self._cancel: Callable[[], object] | None = None
        self._reading = False
        self._all_said = False  # by the call under way: the server owes its end
        self.is_silent = False  # the call was cancelled for it
        self._heard = 0.0  # when the server last took or gave something

    def has_work(self) -> bool:
        """Whether there is a reason for another call, or for none ever: without one it would hold a server's place for
        nothing, and end as idle."""
        return self.closed or self.no_more or not self.log.all_answered

    def is_done(self) -> bool:
        """Whether all is answered. Raises what the caller's chunks raised, and CancelledError when it was closed."""
        if self.closed:
            raise _stream_is_closed()
        if self.failure is not None:
            raise self.failure
        return self.no_more and self.log.all_answered and self.log.num_answers > 0

    def begin_call(self) -> tuple[int, list[bytes]]:
        """The number of a new call, and the messages it begins with; CancelledError when there is to be none."""
        if self.closed:
            raise _stream_is_closed()
        self._call += 1
        self._cancel, self._all_said, self.is_silent = None, False, False
        return self._call, self.log.rewind()

    def on_open(self, cancel: Callable[[], object]) -> None:
        self._cancel = cancel
        if self.closed:
            cancel()

    def close(self) -> None:
        """Ends the call under way, and has none follow."""
        self.closed = True
        if self._cancel is not None:
            self._cancel()

    def begin_reading(self) -> None:
        self._reading, self._heard = True, time.monotonic()

    def take(self, wire: attention_pb2.AttendStreamResponse) -> StreamAnswer | None:
        """What the caller gets of an answer."""
        self._reading = False
        if self.no_more and self.log.all_read:
            return None  # the report of the whole: it counts what was sent again, and nothing from before a break
        return self.log.on_answer(wire)

    def is_over(self, call: int) -> bool:
        return self.closed or self._call != call

    def has_news(self, call: int) -> bool:
        """Whether `next_message` has something to tell."""
        return self.is_over(call) or self.no_more or not self.log.all_sent

    def next_message(self, call: int) -> bytes | None:
        """The next one of a call; None: nothing any more. Raises what the caller's chunks raised."""
        if self.is_over(call):
            return None
        if self.failure is not None:
            raise self.failure
        self._heard = time.monotonic()
        message = self.log.next_to_send()
        self._all_said = message is None
        return message

    def patience(self) -> float | None:
        """Seconds that the server still has to answer; None: nothing is due."""
        if self._answer_timeout is None or self._cancel is None or not self._reading:
            return None
        if not self.log.is_due and not self._all_said:
            return None
        return self._heard + self._answer_timeout - time.monotonic()

    def give_up(self) -> None:
        """Cancels the call of a silent server."""
        assert self._cancel is not None
        self._cancel()
        self._cancel, self.is_silent = None, True

    def end_call(self, failure: FavorError | None) -> FavorError | None:
        """Why the stream is to go on elsewhere; None: it is at its end. Raises what `is_done` does."""
        self._call += 1
        self._cancel, self._reading = None, False
        if self.is_done():
            return None
        if self.is_silent:
            text = f"the server owed an answer for {self._answer_timeout} s"
            failure = DeadlineExceededError(grpc.StatusCode.DEADLINE_EXCEEDED, text)
        if self.no_more and self.log.all_answered and failure is None:
            return None  # without any chunk, the server's word is awaited
        early = "the server ended the stream before its last answer"
        return failure or UnavailableError(grpc.StatusCode.UNAVAILABLE, early)


# What works for a stream knows nothing of the object that the caller holds: once that is dropped, everything ends.


class _Blocking:
    """One thread feeds the log, gRPC's own sends from it, one watches, and the caller's reads."""

    def __init__(self, shared: _Shared, clients: Sequence[Client], course: Course) -> None:
        self._shared = shared
        self._clients = clients
        self._course = course
        self._changed = threading.Condition()

    def run(self, chunks: AttentionChunks) -> Generator[StreamAnswer, None, None]:
        threading.Thread(target=self._feed, args=(chunks,), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()
        try:
            while self._await_work():
                before = self._shared.log.num_answers
                failure = yield from self._call(self._clients[self._course.server])
                with self._changed:
                    why = self._shared.end_call(failure)
                    self._changed.notify_all()
                if why is None:
                    return
                delay = self._course.delay_after(why, self._shared.log.num_answers > before)
                with self._changed:
                    self._changed.wait_for(lambda: self._shared.closed, delay)
        finally:
            self.end()

    def _await_work(self) -> bool:
        """Until another call has something to send. False: the stream is at its end."""
        with self._changed:
            self._changed.wait_for(self._shared.has_work, self._course.left())
            if self._shared.is_done():
                return False
        self._course.on_call()
        return True

    def end(self) -> None:
        with self._changed:
            self._shared.close()
            self._changed.notify_all()

    def _feed(self, chunks: AttentionChunks) -> None:
        try:
            for chunk in chunks:
                message = self._shared.log.message(chunk)
                with self._changed:
                    self._changed.wait_for(lambda: self._shared.closed or self._shared.log.has_room())
                    if self._shared.closed:
                        return
                    self._shared.log.append(*message)
                    self._changed.notify_all()
        except BaseException as failure:  # raised where answers are read
            self._shared.failure = failure
        with self._changed:
            self._shared.no_more = True
            self._changed.notify_all()

    def _watch(self) -> None:
        with self._changed:
            while not self._shared.closed:
                patience = self._shared.patience()
                if patience is not None and patience <= 0:
                    self._shared.give_up()
                else:
                    self._changed.wait(patience)

    def _requests(self) -> Iterator[bytes]:
        with self._changed:
            call, first = self._shared.begin_call()

        def messages() -> Iterator[bytes]:
            yield from first
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._shared.has_news(call))
                    message = self._shared.next_message(call)
                    self._changed.notify_all()
                if message is None:
                    return
                yield message

        return messages()

    def _on_open(self, cancel: Callable[[], object]) -> None:
        with self._changed:
            self._shared.on_open(cancel)
            self._changed.notify_all()

    def _call(self, client: Client) -> Generator[StreamAnswer, None, FavorError | None]:
        """The new answers of one call; returns how it ended."""
        requests = self._requests()
        wire = client._transport.stream(_methods.ATTEND_STREAM, requests, self._course.left(), self._on_open)
        with contextlib.closing(wire):
            while True:
                with self._changed:
                    self._shared.begin_reading()
                    self._changed.notify_all()
                try:
                    message = next(wire, None)
                except FavorError as failure:
                    return failure
                if message is None:
                    return None
                with self._changed:
                    answer = self._shared.take(message)
                    self._changed.notify_all()
                if answer is not None:
                    yield answer


class _Asynchronous:
    """The same for asyncio: tasks in the place of threads."""

    def __init__(self, shared: _Shared, clients: Sequence[AsyncClient], course: Course) -> None:
        self._shared = shared
        self._clients = clients
        self._course = course
        self._changed = asyncio.Condition()
        self._closed = asyncio.Event()
        self._fed = asyncio.Event()  # or closed, since it was last cleared

    async def run(self, chunks: AsyncAttentionChunks) -> AsyncGenerator[StreamAnswer, None]:
        tasks = [asyncio.ensure_future(self._feed(chunks)), asyncio.ensure_future(self._watch())]
        try:
            while await self._await_work():
                before = self._shared.log.num_answers
                failure: FavorError | None = None
                async with contextlib.aclosing(self._call(self._clients[self._course.server])) as answers:
                    try:
                        async for answer in answers:
                            yield answer
                    except FavorError as error:
                        failure = error
                async with self._changed:
                    why = self._shared.end_call(failure)
                    self._changed.notify_all()
                if why is None:
                    return
                delay = self._course.delay_after(why, self._shared.log.num_answers > before)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._closed.wait()
        finally:
            self.end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _await_work(self) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._course.left()):
                while not self._shared.has_work():
                    self._fed.clear()
                    await self._fed.wait()
        if self._shared.is_done():
            return False
        self._course.on_call()
        return True

    def end(self) -> None:
        self._shared.close()
        self._closed.set()
        self._fed.set()

    async def _feed(self, chunks: AsyncAttentionChunks) -> None:
        try:
            async for chunk in as_async(chunks):
                message = self._shared.log.message(chunk)
                async with self._changed:
                    await self._changed.wait_for(self._shared.log.has_room)
                    self._shared.log.append(*message)
                    self._fed.set()
                    self._changed.notify_all()
        except BaseException as failure:  # raised where answers are read; of a task that is cancelled, no more
            self._shared.failure = failure
        async with self._changed:
            self._shared.no_more = True
            self._fed.set()
            self._changed.notify_all()

    async def _watch(self) -> None:
        async with self._changed:
            while True:
                patience = self._shared.patience()
                if patience is not None and patience <= 0:
                    self._shared.give_up()
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):  # wait_for may forget that it was cancelled
                        await self._changed.wait()

    def _requests(self) -> AsyncIterator[bytes]:
        call, first = self._shared.begin_call()

        async def messages() -> AsyncIterator[bytes]:
            for message in first:
                yield message
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._shared.has_news(call))
                    next_message = self._shared.next_message(call)
                    self._changed.notify_all()
                if next_message is None:
                    return
                yield next_message

        return messages()

    async def _call(self, client: AsyncClient) -> AsyncGenerator[StreamAnswer, None]:
        """The new answers of one call; raises how it failed."""
        requests = self._requests()
        wire = client._transport.stream(_methods.ATTEND_STREAM, requests, self._course.left(), self._shared.on_open)
        async with contextlib.aclosing(wire):
            while True:
                async with self._changed:
                    self._shared.begin_reading()
                    self._changed.notify_all()
                message = await anext(wire, None)
                if message is None:
                    return
                async with self._changed:
                    answer = self._shared.take(message)
                    self._changed.notify_all()
                if answer is not None:
                    yield answer


def _shared(options: ResumeOptions, stream: StreamOptions) -> _Shared:
    log = ReplayLog(
        opening("ResumingStream", report_every_chunk=True, **stream),
        checkpoint_every=options.checkpoint_every,
        max_kept_bytes=options.max_kept_bytes,
        give_checkpoints=options.give_checkpoints,
    )
    return _Shared(log, None if options.answer_timeout is None else min(options.answer_timeout, LONGEST_WAIT))


class ResumingStream(AnswerIterator[StreamAnswer]):
    """`attend_stream` over replicas: when a server dies, drains, has no room or falls silent, the next of the list goes
    on from the last checkpoint. What came since then is sent again, answers that the caller has had are dropped, and
    the others are the same bits as without the break, as long as the servers have CPUs of the same kind.

        clients = [favor.Client("a:50051"), favor.Client("b:50051")]
        for answer in favor.ResumingStream(clients, chunks, causal=True):
            answer.output

    Every chunk has an answer, chunks of keys too, each with its report. A break is UNAVAILABLE, RESOURCE_EXHAUSTED with
    a delay, a server that cancels or gives up waiting, a connection that is reset, or ResumeOptions.answer_timeout; any
    other error ends the stream. `deadline` is that of the whole.
    """

    def __init__(
        self,
        clients: Sequence[Client],
        chunks: AttentionChunks,
        *,
        resume: ResumeOptions = ResumeOptions(),
        deadline: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._shared = _shared(resume, options)
        self._course = Course(clients, resume, deadline)
        work = _Blocking(self._shared, clients, self._course)
        super().__init__((work.run(chunks), work.end))

    @property
    def report(self) -> AttendReport | None:
        """What ran last, with rows and times of all so far."""
        return self._shared.log.report

    @property
    def num_resumes(self) -> int:
        """How often another call went on so far."""
        return self._course.num_resumes


class AsyncResumingStream(AsyncAnswerIterator[StreamAnswer]):
    """ResumingStream for asyncio, over AsyncClients."""

    def __init__(
        self,
        clients: Sequence[AsyncClient],
        chunks: AsyncAttentionChunks,
        *,
        resume: ResumeOptions = ResumeOptions(),
        deadline: float | None = None,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._shared = _shared(resume, options)
        self._course = Course(clients, resume, deadline)
        work = _Asynchronous(self._shared, clients, self._course)
        super().__init__((work.run(chunks), work.end))

    @property
    def report(self) -> AttendReport | None:
        """What ran last, with rows and times of all so far."""
        return self._shared.log.report

    @property
    def num_resumes(self) -> int:
        """How often another call went on so far."""
        return self._course.num_resumes
