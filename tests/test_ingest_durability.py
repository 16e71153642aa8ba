"""What was acknowledged is stored, once, however the service dies: real processes, killed under concurrent senders."""

import http.client
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from bench.payloads import Request, Workload, requests
from ingest.store.engine import Store, open_store
from ingest.store.ledger import check_reconciles

from .wire import bill, link_all

KILLS = int(os.environ.get("TEST_KILLS", "3"))
SENDERS = 8
LOST_ANSWERS = 0.03
"""Of the answers so many never reach the sender, who then sends again what was stored already."""


@dataclass
class Sent:
    """What senders know: which requests were acknowledged."""

    acknowledged: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


class Service:
    """The ingest process, on a port of its own that stays the same over restarts."""

    def __init__(self, url: str, directory: Path) -> None:
        self.env = {**os.environ, "CLEW_DATABASE_URL": url, "CLEW_DATA_DIR": str(directory)}
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "webui.cli", "ingest", "--otlp-http-port", str(self.port), "--otlp-grpc-port", "0"]
        self.process = subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        while "otlp-http" not in line:
            assert line, "the ingest process ended at its start"
            line = self.process.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1])

    def stop(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def service(store_url: str, tmp_path: Path) -> Iterator[Service]:
    """Start the ingest process on an empty store."""
    started = Service(store_url, tmp_path)
    started.start()
    yield started
    if started.process is not None and started.process.poll() is None:
        started.stop(signal.SIGKILL)


def send_all(service: Service, workload: Workload, sent: Sent, stop: threading.Event, sender: int) -> None:
    """Send a trace a request, one after the other, each until it is acknowledged, as an exporter does.

    One trace a request makes many small commits, so that a kill finds some under way.
    """
    order = random.Random(sender)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=15)
    for number in itertools.count(sender, SENDERS):
        if stop.is_set():
            break
        (request,) = requests(workload, range(number, number + 1))
        while not stop.is_set():
            status = send_once(connection, request)
            if status == 200 and order.random() >= LOST_ANSWERS:
                sent.acknowledged.append(number)
                break
            if status not in (200, 503, None):
                sent.refused.append(status)
                break
    connection.close()


def send_once(connection: http.client.HTTPConnection, request: Request) -> int | None:
    """Send a request and return the status of the answer; None where none came."""
    try:
        connection.request("POST", "/v1/traces", request.body, {"Content-Type": request.content_type})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        time.sleep(0.02)
        return None
    return answer.status


def spans_by_trace(store: Store) -> dict[bytes, int]:
    """Count the stored spans of each trace."""
    with store.engine.connect() as conn:
        return {bytes(row[0]): row[1] for row in conn.execute(text("SELECT trace_id, count(*) FROM span GROUP BY trace_id"))}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_no_acknowledged_span_is_lost_or_doubled(service: Service, store_url: str, number: signal.Signals) -> None:
    """Kill after kill under eight senders: every acknowledged span is stored, each once, and the bill is that of each once."""
    kills = KILLS if number == signal.SIGKILL else max(KILLS // 5, 1)
    workload = Workload(11, time.time_ns() - 3_600_000_000_000)
    sent, stop = Sent(), threading.Event()
    threads = [threading.Thread(target=send_all, args=(service, workload, sent, stop, sender)) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    order = random.Random(5)
    for _ in range(kills):
        time.sleep(order.uniform(0.05, 0.6))
        code = service.stop(number)
        assert number == signal.SIGKILL or code == 0
        service.start()
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert service.stop(signal.SIGTERM) == 0

    store = open_store(store_url)
    stored = spans_by_trace(store)
    lost = [trace for trace in sent.acknowledged if stored.get(workload.trace_id(trace)) != 24]
    link_all(store, time.time_ns())
    print(f"{kills} x {number.name}: {len(sent.acknowledged)} requests of 24 spans acknowledged, {len(lost)} lost")
    assert sent.refused == []
    assert lost == []
    assert len(sent.acknowledged) > kills * 5
    assert set(stored.values()) == {24}
    assert bill(store)[0][0] >= len(stored)
    assert check_reconciles(store, 1) == {}
    store.close()
