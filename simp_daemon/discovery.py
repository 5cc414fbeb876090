"""Multicast DNS: announces this daemon, and reports whoever else is announced (discovery 1)."""

import asyncio
import logging
import re
from contextlib import suppress
from itertools import chain, repeat
from typing import Final

from zeroconf import (
    BadTypeInNameException,
    Error,
    IPVersion,
    NonUniqueNameException,
    RecordUpdate,
    RecordUpdateListener,
    Zeroconf,
    current_time_millis,
)
from zeroconf import DNSOutgoing as Outgoing  # type: ignore[attr-defined]
from zeroconf import DNSPointer as PointerRecord  # type: ignore[attr-defined]  # not in its __all__
from zeroconf import DNSQuestion as QuestionRecord  # type: ignore[attr-defined]
from zeroconf import DNSRecord as Record  # type: ignore[attr-defined]
from zeroconf import DNSText as TextRecord  # type: ignore[attr-defined]
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
from zeroconf.const import _CLASS_IN, _FLAGS_QR_QUERY, _TYPE_PTR, _TYPE_SRV, _TYPE_TXT

from simp_daemon.announcement import Announcement
from simp_daemon.gate import Gate
from simp_daemon.log import log
from simp_daemon.networks import came_from_link, networks, reachable
from simp_daemon.occurrences import Announced, Handle, Withdrawn
from simp_proto.address import Address, with_interface
from simp_proto.constants import IDENTITY, SERVICE
from simp_proto.errors import LineError
from simp_proto.interfaces import Network
from simp_proto.printable import printable, printable_name, quoted
from simp_proto.text import check_user

_EVERYBODY: Final = QuestionRecord(SERVICE, _TYPE_PTR, _CLASS_IN)
_AGAIN: Final = 60.0  # seconds until a clash is tried again (discovery 1.5)
_LOOK: Final = 15.0
"""Seconds between looks at the interfaces (discovery 1.6)."""
_SOON: Final = (0.05, 1.0, 4.0)
"""Seconds before each of the first questions."""
_SELDOM: Final = 500.0
"""Before others, two of which come within the shortest time that zeroconf lets an announcement last."""
_PATIENCE: Final = 3000
"""Milliseconds for the rest of a record."""
_UNDER_WAY: Final = 64
"""Records whose rest is asked for at the same time; further ones wait until they are announced again."""
_OF_A_HOST: Final = 8  # of those, so that none keeps others waiting
_LABEL: Final = 63
"""Bytes of an instance (RFC 1035, 2.3.4): whatever has more can't be asked for, and keeps others from being asked."""
_INSTANCES: Final = 1024
"""As many as there may be neighbours (discovery 2.4); earlier ones give way."""
_TEXT: Final = 400
"""Bytes that a text has less than (discovery 1.4)."""
_RECORDS: Final = 32
"""No host has so many (discovery 2.4)."""


def _interfaces(here: list[Network]) -> list[str | int]:  # as zeroconf wants them
    return [each.interface if ":" in each.host else each.host for each in here]


class Discovery(RecordUpdateListener):
    """For the daemon that says that of itself, at that address. `start` it; it ends with `close`."""

    def __init__(self, own: Announcement, address: Address, handle: Handle) -> None:
        self._own = own
        self._address = address
        self._handle = handle
        self._announced: AsyncServiceInfo | None = None
        self._asking: asyncio.Task[None] | None = None
        self._repeats: asyncio.Future[None] | None = None  # of the last announcement
        self._changed = asyncio.Event()
        self._trouble = ""
        self._touched: dict[str, bool] = {}
        self._names: set[str] = set()
        self._instances: set[str] = set()
        self._copied = False
        self._resolving: dict[str, asyncio.Task[None]] = {}
        self._networks: list[Network] = []
        self._gate = Gate(lambda host: came_from_link(host, self._networks))
        self._version = IPVersion.V6Only if ":" in address[0] else IPVersion.V4Only

    async def start(self) -> None:
        """Begins to look, and to announce this daemon. Raises `OSError` where multicast can't be had."""
        logging.getLogger("zeroconf").setLevel(logging.CRITICAL)  # what goes wrong now goes well at the next look
        self._networks = networks(self._address[0])
        self._zeroconf = AsyncZeroconf(interfaces=_interfaces(self._networks), ip_version=self._version)
        await self._zeroconf.zeroconf.async_wait_for_start()
        self._guard()
        self._browse()
        self._task = asyncio.create_task(self._announce())

    def _guard(self) -> None:
        for each in self._zeroconf.zeroconf.engine.readers:
            self._gate.guard(each.transport)

    def _browse(self) -> None:
        """Whoever is known already is looked up again."""
        self._zeroconf.zeroconf.async_add_listener(self, _EVERYBODY)
        if self._asking:
            self._asking.cancel()
        self._asking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        """Who is there (RFC 6762, 5.2). A browser of zeroconf's would remember whatever says that it lasts for ever."""
        zeroconf = self._zeroconf.zeroconf
        for pause in chain(_SOON, repeat(_SELDOM)):
            await asyncio.sleep(pause)
            now, out = current_time_millis(), Outgoing(_FLAGS_QR_QUERY)
            out.add_question(question := QuestionRecord(SERVICE, _TYPE_PTR, _CLASS_IN))
            question.unicast = pause == _SOON[0]  # others' caches needn't be told
            for record in filter(lambda each: not each.is_stale(now), zeroconf.cache.entries_with_name(SERVICE)):
                out.add_answer_at_time(record, now)
            with suppress(Error):  # a name that can't be written
                zeroconf.async_send(out)

    def rename(self, name: str) -> None:
        """Who is there now; nobody where that is empty."""
        self._own.rename(name)
        self._changed.set()

    async def close(self) -> None:
        """Says goodbye."""
        for task in filter(None, (self._task, self._asking, self._repeats, *self._resolving.values())):
            task.cancel()
        await self._zeroconf.async_close()

    # -- what is announced

    async def _announce(self) -> None:
        """Keeps the announcement true, one change after the other."""
        while True:
            self._changed.clear()
            patience = _LOOK
            try:
                await self._renew()
                self._trouble = ""
            except NonUniqueNameException:
                self._complain(f"another one is announced with its identity, {self._own.identity()}")
                patience = _AGAIN
            except (OSError, RuntimeError) as error:
                self._complain(str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), patience)

    def _complain(self, trouble: str) -> None:
        """Once, as long as it lasts."""
        if trouble != self._trouble:
            log.warning("this daemon can't be announced: %s", trouble)
        self._trouble = trouble

    async def _renew(self) -> None:
        here = networks(self._address[0])
        moved, self._networks = here != self._networks, here
        # Also where they are the same, since one that was too young to be used has no other sign of having grown up.
        await self._zeroconf.async_update_interfaces(interfaces=_interfaces(here))
        self._guard()
        if moved:  # whose questions would come too late
            self._browse()
        info = self._record()
        self._instances.add(info.name)
        if not moved and self._announced is not None and _says(info) == _says(self._announced):
            return
        if self._repeats:
            self._repeats.cancel()
        if self._announced is not None and self._announced.name == info.name:
            self._repeats = asyncio.ensure_future(await self._zeroconf.async_update_service(info))
        else:  # the new one first, so that a goodbye can always be said
            self._forget(info.name)
            self._repeats = asyncio.ensure_future(await self._zeroconf.async_register_service(info))
            if self._announced is not None:
                await (await self._zeroconf.async_unregister_service(self._announced))
        self._announced = info

    def _forget(self, instance: str) -> None:
        """What is cached of a clash: whoever holds that name says so again, and a forgery lasts no longer (1.5)."""
        cache = self._zeroconf.zeroconf.cache
        while record := cache.current_entry_with_name_and_alias(SERVICE, instance):
            cache.async_remove_records([record])

    def _record(self) -> AsyncServiceInfo:
        instance, host, text = self._own.record()
        return AsyncServiceInfo(
            SERVICE,
            f"{instance}.{SERVICE}",
            port=self._address[1],
            properties=text,
            server=host,
            parsed_addresses=[each.host.partition("%")[0] for each in self._networks],
        )

    # -- what others announce

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """New and repeated records: a repeated one shows that whoever was gone is back."""
        for update in records:
            record = update.new
            if isinstance(record, PointerRecord) and record.key == SERVICE:
                self._touched[record.alias] = not record.is_expired(now)
                continue
            self._names.add(record.key)
            if record.key.endswith(SERVICE) and not record.is_expired(now):  # the rest of an announcement ends sooner
                self._touched.setdefault(record.name, True)

    def async_update_records_complete(self) -> None:
        """The cache has them now."""
        names, self._names = self._names, set()
        for name in names:
            self._drop_useless(name)
        cache = self._zeroconf.zeroconf.cache
        cache.async_remove_records(cache.entries_with_name(SERVICE)[:-_INSTANCES])
        touched, self._touched = self._touched, {}
        for full, alive in touched.items():
            if len(full.removesuffix(f".{SERVICE}").encode()) > _LABEL:  # as bytes that are no UTF-8 become
                self._forget(full)
                continue
            identity = full.removesuffix(f".{SERVICE}").rpartition(" ")[2]
            if not re.fullmatch(IDENTITY, identity):
                continue
            if identity == self._own.identity():
                self._note_copy(full, alive)
            elif not alive:
                self._handle(Withdrawn(identity, full))
            else:
                self._look_up(identity, full)

    def _note_copy(self, full: str, alive: bool) -> None:
        """Says once that another daemon has this one's identity, under another name (discovery 1.5)."""
        if alive and full not in self._instances and not self._copied:
            self._copied = True
            instance = quoted(full.removesuffix(f".{SERVICE}"))
            log.warning("%s has this daemon's identity, as a copy of its profile has, or a forgery", instance)

    def _look_up(self, identity: str, full: str) -> None:
        try:
            info = AsyncServiceInfo(SERVICE, full)
        except BadTypeInNameException:  # nobody's name can have such characters
            return
        self._drop_earlier(full)
        if info.load_from_cache(self._zeroconf.zeroconf):
            self._report(identity, info, self._gate.source)
            return
        its = [each for each in self._resolving.values() if each.get_name() == self._gate.source]
        if full not in self._resolving and len(self._resolving) < _UNDER_WAY and len(its) < _OF_A_HOST:
            resolving = self._resolve(identity, info, self._gate.source)
            self._resolving[full] = asyncio.create_task(resolving, name=self._gate.source)

    def _drop_earlier(self, full: str) -> None:
        """Of what an instance has said, the latest counts, also within the second that RFC 6762, 10.2, leaves (1.4)."""
        cache = self._zeroconf.zeroconf.cache
        for kind in (_TYPE_SRV, _TYPE_TXT):
            found = cache.get_all_by_details(full, kind, _CLASS_IN)
            latest = max(found, key=lambda each: (each.ttl > 1, each.created), default=None)  # 1 s: about to expire
            cache.async_remove_records([each for each in found if each is not latest])

    def _drop_useless(self, name: str) -> None:
        """What nobody asks for, and all of a host that has too much, since sorting it would take the daemon's time."""
        cache = self._zeroconf.zeroconf.cache
        records = cache.entries_with_name(name)
        many = len(records) > _RECORDS and name != SERVICE
        cache.async_remove_records([each for each in records if many or not _is_useful(each)])

    async def _resolve(self, identity: str, info: AsyncServiceInfo, source: str) -> None:
        try:
            if await info.async_request(self._zeroconf.zeroconf, _PATIENCE):
                self._report(identity, info, source)
        except Error as error:  # a host's name that is none, say
            log.debug("%s can't be asked for: %s", printable(info.name), error)
        finally:
            del self._resolving[info.name]

    def _report(self, identity: str, info: AsyncServiceInfo, source: str) -> None:
        try:
            name = printable_name(check_user((info.decoded_properties.get("n") or "") if info.properties else ""))
        except LineError:
            name = ""
        hosts = info.parsed_scoped_addresses(self._version)[:_RECORDS]
        addresses = reachable([(with_interface(host), info.port or 0) for host in hosts], self._address, self._networks)
        if addresses:
            self._handle(Announced(identity, info.name, name, addresses, source))
        else:
            log.debug("%s is announced without an address that can be reached", printable(info.name))


def _says(info: AsyncServiceInfo) -> tuple[object, ...]:
    return info.name, info.text, info.port, info.parsed_addresses()


def _is_useful(record: Record) -> bool:
    """Whether it may be of a daemon (discovery 1.1, 1.3, 1.4)."""
    if isinstance(record, PointerRecord):
        return bool(record.key == SERVICE)
    if isinstance(record, TextRecord) and len(record.text) >= _TEXT:
        return False
    return re.fullmatch(rf"(.* )?{IDENTITY}\.{SERVICE}|simp-{IDENTITY}\.local\.", record.key, re.DOTALL) is not None
