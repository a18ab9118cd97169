"""How many requests are under way at once, and for how long one of them is waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


class Closed(Exception):
    """Raised when a request waits for a place, and nothing more is to be sent."""


@dataclass
class Place:
    """A request under way.

    Attributes:
        clock: raises `TimeoutError` once no answer is expected any more.
        company: whether other requests were under way at some time while it was.
        answered: answers that the server had given to others before it.
    """

    clock: asyncio.Timeout
    company: bool
    answered: int


class Places:
    """Lets so many requests be under way at once as the server answers.

    A server that works on one request after the other lets the rest wait. Nothing shows when it
    begins with one, but it cannot be before it answered those ahead: so each answer sets the clocks
    of all requests back. Where several are sent and none is answered in time, one goes at a time
    from then on; where a server turns some away, as many as it took.

    Args:
        most: requests at once.
        seconds: that a request is waited for.
        notify: told when only one goes at a time.

    Attributes:
        most: requests at once, as far as it is known by now.
        lasting: the same, for later requests as well: those that were turned away may have come
            too often rather than too many at once.
    """

    def __init__(self, most: int, seconds: float, notify: Callable[[str], None]) -> None:
        self.most = self.lasting = most
        self._seconds, self._notify = seconds, notify
        self._under_way: list[Place] = []
        self._answered = 0
        self._changed = asyncio.Condition()
        self._closed = False

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Place]:
        """Wait for a place, and hold it with its clock running.

        Raises:
            TimeoutError: no answer came in time.
            Closed: nothing more is to be sent.
        """
        async with self._changed:
            await self._changed.wait_for(self._goes_on)
            if self._closed:
                raise Closed
            place = Place(asyncio.timeout(self._seconds), bool(self._under_way), self._answered)
            for other in self._under_way:
                other.company = True
            self._under_way.append(place)
        try:
            async with place.clock:
                yield place
        finally:
            self._under_way.remove(place)
            async with self._changed:
                self._changed.notify_all()

    async def close(self) -> None:
        """Send nothing more; what is under way goes on."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    def answered(self) -> None:
        """Note that the server answered a request."""
        self._answered += 1
        end = asyncio.get_running_loop().time() + self._seconds
        for place in self._under_way:
            if not place.clock.expired():
                place.clock.reschedule(end)

    def crowded(self, place: Place, *, silent: bool) -> bool:
        """Send fewer at once, if that a request failed may be for there being others.

        Args:
            place: which the request had.
            silent: whether it was not answered in time; else the server turned it away.

        Returns:
            Whether it may be.
        """
        if not place.company or (silent and place.answered < self._answered):
            return False
        self.most = min(self.most, 1 if silent else max(1, len(self._under_way)))
        if silent and self.lasting > 1:
            self.lasting = 1
            self._notify(
                "The server answered none of several requests in time: one goes at a time from now "
                "on, as with --set concurrency=1."
            )
        return True

    def _goes_on(self) -> bool:
        return self._closed or len(self._under_way) < self.most
