from __future__ import annotations

import asyncio

import pytest

from foundry_gateway.admission import MAX_OVERTAKEN, Admission, Ticket
from foundry_gateway.errors import OverloadedError

TOKENS = 24_576


async def wait(ticket: Ticket) -> None:
    await ticket.ready


async def hold(
    admission: Admission, until: asyncio.Event, served: list[int], who: int, tokens: int = 1
) -> None:
    async with admission.slot(wait, tokens):
        served.append(who)
        await until.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_queue_is_served_in_order() -> None:
    admission = Admission(1, 10, 60, TOKENS)
    served: list[int] = []
    gates = [asyncio.Event() for _ in range(4)]
    tasks = [
        asyncio.create_task(hold(admission, gate, served, who)) for who, gate in enumerate(gates)
    ]
    await settle()
    assert (admission.active, admission.waiting, served) == (1, 3, [0])
    for gate in gates:
        gate.set()
        await settle()
    await asyncio.gather(*tasks)
    assert served == [0, 1, 2, 3]
    assert (admission.active, admission.waiting) == (0, 0)


async def test_a_full_queue_refuses_with_a_time_to_retry() -> None:
    admission = Admission(1, 0, 60, TOKENS)
    gate = asyncio.Event()
    task = asyncio.create_task(hold(admission, gate, [], 0))
    await settle()
    with pytest.raises(OverloadedError) as refusal:
        async with admission.slot(wait, 1):
            pass
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after >= 1
    gate.set()
    await task
    assert admission.active == 0


async def test_one_that_leaves_the_queue_frees_its_place() -> None:
    admission = Admission(1, 1, 60, TOKENS)
    gate, served = asyncio.Event(), list[int]()
    first = asyncio.create_task(hold(admission, gate, served, 0))
    await settle()
    second = asyncio.create_task(hold(admission, gate, served, 1))
    await settle()
    second.cancel()
    await settle()
    assert admission.waiting == 0
    third = asyncio.create_task(hold(admission, gate, served, 2))
    await settle()
    gate.set()
    await asyncio.gather(first, third)
    assert served == [0, 2]


async def test_one_that_leaves_in_the_moment_of_its_turn_passes_it_on() -> None:
    admission = Admission(1, 2, 60, TOKENS)
    gate, served = asyncio.Event(), list[int]()
    first = asyncio.create_task(hold(admission, gate, served, 0))
    await settle()
    second = asyncio.create_task(hold(admission, gate, served, 1))
    third = asyncio.create_task(hold(admission, gate, served, 2))
    await settle()
    gate.set()
    for _ in range(100):
        if admission.waiting < 2:
            break
        await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, third)
    await asyncio.gather(second, return_exceptions=True)
    assert 2 in served
    assert (admission.active, admission.waiting) == (0, 0)


async def test_waiting_has_an_end() -> None:
    admission = Admission(1, 1, 0.02, TOKENS)
    gate = asyncio.Event()
    task = asyncio.create_task(hold(admission, gate, [], 0))
    await settle()
    with pytest.raises(OverloadedError, match="within"):
        async with admission.slot(wait, 1):
            pass
    assert admission.waiting == 0
    gate.set()
    await task
    assert admission.active == 0


async def test_a_ticket_knows_its_position() -> None:
    admission = Admission(1, 5, 60, TOKENS)
    gate = asyncio.Event()
    seen: list[int] = []

    async def note(ticket: Ticket) -> None:
        seen.append(ticket.position)
        await ticket.ready

    async def queue() -> None:
        async with admission.slot(note, 1):
            pass

    first = asyncio.create_task(hold(admission, gate, [], 0))
    await settle()
    others = [asyncio.create_task(queue()) for _ in range(3)]
    await settle()
    assert seen == [1, 2, 3]
    gate.set()
    await asyncio.gather(first, *others)


class Queue:
    """Requests that hold what they are given until they are told to end."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.served: list[int] = []
        self._gates: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, *tokens: int) -> None:
        for count in tokens:
            gate = asyncio.Event()
            who = len(self._gates)
            self._gates.append(gate)
            self._tasks.append(
                asyncio.create_task(hold(self.admission, gate, self.served, who, count))
            )
            await settle()

    async def end(self, *whose: int) -> None:
        for who in whose:
            self._gates[who].set()
        await settle()

    async def leave(self, who: int) -> None:
        self._tasks[who].cancel()
        await settle()

    async def end_all(self) -> None:
        for gate in self._gates:
            gate.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert (self.admission.active, self.admission.active_tokens) == (0, 0)
        assert self.admission.waiting == 0


async def test_eight_long_prompts_run_three_at_a_time_and_eight_short_ones_at_once() -> None:
    long = Queue(Admission(8, 64, 60, TOKENS))
    await long.ask(*[7_000] * 8)
    assert (long.served, long.admission.active_tokens) == ([0, 1, 2], 21_000)
    await long.end_all()
    assert long.served == list(range(8))
    short = Queue(Admission(8, 64, 60, TOKENS))
    await short.ask(*[100] * 8)
    assert short.served == list(range(8))
    await short.end_all()


async def test_a_prompt_over_the_limit_runs_alone() -> None:
    queue = Queue(Admission(8, 64, 60, TOKENS))
    await queue.ask(10, 10 * TOKENS, 10)
    assert queue.served == [0, 2]
    await queue.end(0, 2)
    assert queue.served == [0, 2, 1]
    assert queue.admission.active_tokens == TOKENS
    await queue.ask(10)
    assert queue.served == [0, 2, 1]
    await queue.end_all()


async def test_short_ones_overtake_one_that_waits_for_tokens_but_not_forever() -> None:
    queue = Queue(Admission(8, 64, 60, TOKENS))
    await queue.ask(20_000, 7_000)
    assert queue.served == [0]
    for _ in range(MAX_OVERTAKEN):
        await queue.ask(100)
        await queue.end(queue.served[-1])
    assert len(queue.served) == 1 + MAX_OVERTAKEN
    await queue.ask(100)
    assert queue.admission.waiting == 2
    await queue.end(0)
    assert queue.served[-2:] == [1, MAX_OVERTAKEN + 2]
    await queue.end_all()


async def test_those_behind_one_that_leaves_do_not_wait_for_its_tokens() -> None:
    queue = Queue(Admission(2, 64, 60, TOKENS))
    await queue.ask(TOKENS, TOKENS, TOKENS)
    await queue.leave(1)
    await queue.end(0)
    assert queue.served == [0, 2]
    await queue.end_all()


async def test_a_full_queue_lets_a_short_one_through_that_need_not_wait() -> None:
    queue = Queue(Admission(8, 1, 60, TOKENS))
    await queue.ask(20_000, 20_000, 10)
    assert queue.served == [0, 2]
    with pytest.raises(OverloadedError, match="full"):
        async with queue.admission.slot(wait, 20_000):
            pass
    await queue.end_all()


class Crowd:
    """Requests that spare others, and how each of them ended."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.gate = asyncio.Event()
        self.served = 0
        self.refused = 0

    async def one(self, tokens: int) -> None:
        try:
            async with self.admission.slot(wait, tokens, spares=True):
                self.served += 1
                await self.gate.wait()
        except OverloadedError:
            self.refused += 1

    async def come(self, count: int, tokens: int) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self.one(tokens)) for _ in range(count)]
        await settle()
        return tasks


@pytest.mark.parametrize(
    ("limit", "max_waiting", "tokens", "served"),
    [
        (8, 64, 100, 4),
        (8, 64, 4_000, 3),  # half of the tokens
        (8, 64, 20_000, 1),
        (3, 5, 100, 1),
        (2, 2, 100, 1),
    ],
)
async def test_two_hundred_batches_at_once_leave_half_of_all_places_to_chats(
    limit: int, max_waiting: int, tokens: int, served: int
) -> None:
    admission = Admission(limit, max_waiting, 60, TOKENS)
    crowd = Crowd(admission)
    tasks = await crowd.come(200, tokens)
    assert (crowd.served, admission.waiting) == (served, max_waiting // 2)
    assert crowd.refused == 200 - served - max_waiting // 2
    chats = Queue(admission)
    free = limit - served
    await chats.ask(*[10] * (free + max_waiting - max_waiting // 2))
    assert chats.served == list(range(free)), "they go in at once, the rest wait"
    crowd.gate.set()
    await asyncio.gather(*tasks)
    await chats.end_all()
    assert crowd.served == served + max_waiting // 2


async def test_a_batch_longer_than_its_share_runs_alone_of_its_kind_and_all_are_served() -> None:
    admission = Admission(8, 64, 60, TOKENS)
    crowd = Crowd(admission)
    tasks = await crowd.come(3, 2 * TOKENS)
    assert (crowd.served, admission.active_tokens) == (1, TOKENS)
    crowd.gate.set()
    await asyncio.gather(*tasks)
    assert (crowd.served, admission.active, admission.active_tokens) == (3, 0, 0)


async def test_a_single_place_serves_both_in_turn() -> None:
    admission = Admission(1, 2, 60, TOKENS)
    crowd = Crowd(admission)
    tasks = await crowd.come(2, 10)
    chats = Queue(admission)
    await chats.ask(10)
    assert (crowd.served, chats.served) == (1, [])
    crowd.gate.set()
    await chats.end_all()
    await asyncio.gather(*tasks)
    assert (crowd.served, chats.served) == (2, [0])


async def test_one_of_a_crowd_that_leaves_gives_its_place_back() -> None:
    admission = Admission(2, 8, 60, TOKENS)
    crowd = Crowd(admission)
    first, second = await crowd.come(2, 10)
    first.cancel()
    await settle()
    assert (crowd.served, admission.active) == (2, 1)
    second.cancel()
    await settle()
    assert (admission.active, admission.active_tokens, admission.waiting) == (0, 0, 0)
