"""What a person is given who takes a request over."""

from .endings import done_in_words
from .escalation import Case
from .memory.conversation import Conversation, summarise_plainly, write_out
from .visit import Visit, client_of


def case_of(visit: Visit, because: str) -> Case:
    """Return a request as it stands, with all that was said, found out and done."""
    request, desk = visit.request, visit.desk
    conversation = visit.session.conversation if visit.session is not None else Conversation("", request.history)
    return Case(
        session_id=visit.session_id,
        user_id=request.user_id,
        client_id=client_of(request),
        request=request.text,
        because=because,
        summary=summarise_plainly(write_out(conversation)),
        plan=tuple(f"{note.get('step')}: {note.get('note')}" for note in desk.notes) if desk is not None else (),
        done=tuple(done_in_words([one]) for one in desk.done) if desk is not None else (),
        trace_url=visit.run.url or None,
    )
