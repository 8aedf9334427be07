"""Traces that another machine keeps: recorded here until they end, then submitted."""

from functools import partial

from flujo_otel.errors import SettingsError
from flujo_otel.guard import guarded
from flujo_otel.lock import SurvivingLock
from flujo_otel.recording.choice import Recording
from flujo_otel.settings import load
from flujo_otel.storage.storage_backend import StorageBackend
from flujo_otel.storage.trace_spans import step_record, trace_record
from flujo_otel.storage.traces import Step, Trace
from flujo_otel.xray.recorder import StorageRecorder
from flujo_otel.xray.remote_sender import RemoteSender
from flujo_otel.xray.submission import Submission

_lock = SurvivingLock()
_known: dict[tuple[str, str | None], Submission] = {}


def submission_to(url: str, token: str | None) -> Submission:
    """The process's. `token` None: the setting. Raises SettingsError, MissingExtra."""
    if not isinstance(url, str):
        raise SettingsError(f"remote_url is {url!r}; it must be a URL like http://host:4318.")
    token = load(token=token).token
    with _lock:
        if (url, token) not in _known:
            _known[url, token] = Submission(partial(RemoteSender, url, token))
        return _known[url, token]


class RemoteRecorder(StorageRecorder):
    """Of one trace; nothing of it is the program's concern."""

    def __init__(self, submission: Submission, recording: Recording) -> None:
        super().__init__(_Outbox(submission, recording))
        self.guard = guarded("submitting an X-Ray trace")
        self._recording = recording

    @property
    def content(self) -> bool:
        """See `Recorder`."""
        return self._recording.content


class _Outbox(StorageBackend):
    """One trace, sent when it is saved as ended; a step that ends later follows alone."""

    def __init__(self, submission: Submission, recording: Recording) -> None:
        self._submission = submission
        self._recording = recording
        self._is_sent = False

    def save_trace(self, trace: Trace) -> None:
        """See `StorageBackend`."""
        if trace.status == "running":
            return
        ended = [step for step in trace.steps if step.status != "running"]
        content = self._recording.content
        records = [trace_record(trace, content=content)]
        records += [step_record(step, content=content) for step in ended]
        self._is_sent = True
        self._submission.put(records)

    def save_step(self, step: Step) -> None:
        """See `StorageBackend`."""
        if self._is_sent:
            self._submission.put([step_record(step, content=self._recording.content)])

    def get_trace(self, trace_id: str) -> None:
        """Nothing is kept here."""

    def get_all_traces(self, limit: int = 100, status: str | None = None) -> list[Trace]:
        """See `get_trace`."""
        return []
