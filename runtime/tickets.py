"""Tickets: wait, space, release and signal as functions that give the site where a stream must stop, or None."""

from __future__ import annotations

from cimc.runtime.affine import IMAGE, Counters, Number
from cimc.runtime.machine import RingState
from cimc.runtime.sites import Site
from cimc.runtime.transfers import Step, Wake


def compile_ticket(value: Number, tickets: int, counters: Counters) -> Number:
    """A ticket counted over all inputs: clamped to one input's, behind those of the inputs before."""

    def ticket() -> int:
        number = value()
        if number < 0:
            number = 0
        elif number > tickets:
            number = tickets
        return counters[IMAGE] * tickets + number

    return ticket


def compile_until(reached: Number, ticket: Number, site: Site) -> Step:
    """Until the number that is reached is as large as the ticket."""

    def wait() -> Site | None:
        wanted = ticket()
        if reached() >= wanted:
            return None
        site.wanted = wanted
        return site

    return wait


def compile_release(ring: RingState, port: int, ticket: Number, wake: Wake) -> Step:
    """The slots below the ticket are no longer needed behind a port."""

    def release() -> Site | None:
        given = ticket()
        if given > ring.released[port]:
            ring.released[port] = given
            ring.free = min(ring.released)
            if ring.sleepers:
                wake(ring)
        return None

    return release


def compile_signal(ring: RingState, producer: int, ticket: Number, wake: Wake) -> Step:
    """A producer's slots below the ticket are ready; slots are, when all producers say so."""
    signalled = ring.signalled

    def signal() -> Site | None:
        given = ticket()
        if given > signalled[producer]:
            signalled[producer] = given
            produced = min(signalled)
            if produced > ring.produced:
                ring.produced = produced
                if ring.sleepers:
                    wake(ring)
        return None

    return signal
