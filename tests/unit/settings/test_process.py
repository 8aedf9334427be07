"""Which process this is, and whether another one is still alive: with real processes."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from multiprocessing import get_context

import pytest

from flujo_otel import process
from flujo_otel.model import Process

SAY_WHO = """
import sys
from dataclasses import astuple
from flujo_otel import process
print(*astuple(process.current()), sep="\\n", flush=True)
sys.stdin.read()
"""


def start_one() -> tuple[subprocess.Popen[str], Process]:
    child = subprocess.Popen(
        [sys.executable, "-c", SAY_WHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    host, pid, start, command = (child.stdout.readline().rstrip("\n") for _ in range(4))
    return child, Process(host, int(pid), start, command)


def end(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate()


def test_this_process_is_alive_and_names_itself_the_same_each_time() -> None:
    assert process.current().pid == os.getpid()
    assert process.current() == process.current()
    assert process.is_alive(process.current())


def test_a_running_process_is_alive_and_a_killed_one_is_not() -> None:
    child, writer = start_one()
    try:
        assert (writer.pid, process.is_alive(writer)) == (child.pid, True)
    finally:
        end(child)
    assert not process.is_alive(writer)


@pytest.mark.skipif(sys.platform != "linux", reason="ps words a zombie's start as before")
def test_a_killed_process_that_nobody_waited_for_is_not_alive() -> None:
    child, writer = start_one()
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert not process.is_alive(writer)
    finally:
        child.communicate()


def test_another_process_with_the_same_pid_is_not_the_writer() -> None:
    me = process.current()
    assert not process.is_alive(replace(me, process_start="another start"))


def test_a_process_of_another_host_counts_as_alive() -> None:
    me = process.current()
    assert process.is_alive(replace(me, host="elsewhere.example", pid=2**22 + 1))


def test_a_process_whose_start_was_never_known_counts_as_alive() -> None:
    assert process.is_alive(replace(process.current(), process_start=""))


def test_a_forked_child_is_another_writer() -> None:
    me = process.current()
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(process.current()))
    child.start()
    other = receiver.recv()
    child.join()
    assert (other.pid, other.host) == (child.pid, me.host)
    assert other != me


def test_the_command_is_the_programs_name_without_its_arguments() -> None:
    child, writer = start_one()
    end(child)
    assert writer.command == "python -c"


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps here")
def test_where_there_is_no_proc_ps_words_the_start_the_same_each_time() -> None:
    child, _ = start_one()
    start = process._start_of_ps(child.pid)
    try:
        assert (start, process._start_of_ps(child.pid)) == (start, start)
        assert start
    finally:
        end(child)
    assert process._start_of_ps(child.pid) is None
