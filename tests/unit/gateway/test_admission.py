from __future__ import annotations

import asyncio

import pytest

from foundry_gateway.admission import Admission, Ticket
from foundry_gateway.errors import OverloadedError


async def wait(ticket: Ticket) -> None:
    await ticket.ready


async def hold(admission: Admission, until: asyncio.Event, served: list[int], who: int) -> None:
    async with admission.slot(wait):
        served.append(who)
        await until.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_queue_is_served_in_order() -> None:
    admission = Admission(1, 10, 60)
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
    admission = Admission(1, 0, 60)
    gate = asyncio.Event()
    task = asyncio.create_task(hold(admission, gate, [], 0))
    await settle()
    with pytest.raises(OverloadedError) as refusal:
        async with admission.slot(wait):
            pass
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after >= 1
    gate.set()
    await task
    assert admission.active == 0


async def test_one_that_leaves_the_queue_frees_its_place() -> None:
    admission = Admission(1, 1, 60)
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
    admission = Admission(1, 2, 60)
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
    admission = Admission(1, 1, 0.02)
    gate = asyncio.Event()
    task = asyncio.create_task(hold(admission, gate, [], 0))
    await settle()
    with pytest.raises(OverloadedError, match="within"):
        async with admission.slot(wait):
            pass
    assert admission.waiting == 0
    gate.set()
    await task
    assert admission.active == 0


async def test_a_ticket_knows_its_position() -> None:
    admission = Admission(1, 5, 60)
    gate = asyncio.Event()
    seen: list[int] = []

    async def note(ticket: Ticket) -> None:
        seen.append(ticket.position)
        await ticket.ready

    async def queue() -> None:
        async with admission.slot(note):
            pass

    first = asyncio.create_task(hold(admission, gate, [], 0))
    await settle()
    others = [asyncio.create_task(queue()) for _ in range(3)]
    await settle()
    assert seen == [1, 2, 3]
    gate.set()
    await asyncio.gather(first, *others)
