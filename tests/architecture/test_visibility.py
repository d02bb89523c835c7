"""No query shows conversations, texts, calls or what belongs to them past the company's visibility rule.

Every function and statement of the rooms that reads one of these tables carries the rule's clause, or stands in
`FREE` with the reason why it needs none.
"""

import ast
import importlib
import pkgutil
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ringfence import features
from ringfence.db.base import Base
from ringfence.features.conversations.queries import visibility
from ringfence.migrations.metadata import metadata

# Whatever shows somebody what was said, to whom, and when.
TABLES = {
    "conversations",
    "sms_messages",
    "sms_media",
    "message_events",
    "scheduled_sms",
    "calls",
    "call_legs",
    "call_recordings",
    "events",
    "conversation_notes",
    "conversation_reads",
    "message_words",
}
# A room that says the rule for its own rows says it in a function of this name.
OWN_CLAUSE = "_visible_to"
CLAUSES = {visibility.visible_to, visibility.in_visible_thread, visibility.visible_between}
_SQL_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+([a-z_]+)")

ROW = "works on a row that its caller has found through the clause"
SERVER = "the server's own work: nobody is shown what it reads"
GATE = "the gate asks; its answer names a rule, never a text or a conversation"
RULE = "the rule itself"
CHOICE = "chooses the sender; who would write into a hidden conversation is refused after it"
PLATFORM = "super admins see times and codes, no content"
PART = "a part of queries, each of which carries the clause"
STEP = "finds ids; the texts themselves are read through the clause before anything is answered"
ADMINS = "counts for company admins, who see every conversation"
OWN = "only the caller's own"
HOOKS = "goes where company admins, who see every conversation, have it sent"
MANAGERS = "figures for managers, who see every conversation"

FREE: dict[str, str] = {
    "analytics.queries._ANSWERS_SQL": MANAGERS,
    "analytics.queries._TEXTS_SQL": MANAGERS,
    "bulk.queries.prices.measured": MANAGERS,
    "bulk.queries.sends._failed": MANAGERS,
    "bulk.queries.sends.count_opt_outs": SERVER,
    "bulk.queries.sends.own_threads": CHOICE,
    "bulk.queries.sends.told": MANAGERS,
    "calls.actions.absorbing._is_awaited": SERVER,
    "calls.actions.keeping.note_asked": SERVER,
    "calls.actions.legs.follow": SERVER,
    "calls.actions.legs.locked": ROW,
    "calls.actions.recordings.mark_failed": SERVER,
    "calls.actions.recordings.take_in": SERVER,
    "calls.queries.find_leg": SERVER,
    "calls.queries.just_asked_for": OWN,
    "calls.queries.late_recordings": SERVER,
    "calls.queries.legs_of": ROW,
    "calls.queries.of_conversation": ROW,
    "calls.queries.pending_recording": SERVER,
    "calls.queries.recording_ids": SERVER,
    "calls.queries.recording_of": SERVER,
    "calls.queries.stored_recording": ROW,
    "calls.queries.taken_sids": SERVER,
    "calls.queries.unfinished": SERVER,
    "conversations.actions.releasing.release_some": SERVER,
    "conversations.actions.keeping._set_mark": ROW,
    "conversations.actions.keeping.empty": SERVER,
    "conversations.actions.keeping.end_snooze": SERVER,
    "conversations.actions.keeping.lock_to_purge": SERVER,
    "conversations.actions.keeping.restore_conversation": "managers, who see all",
    "conversations.actions.texts._ABSORB": SERVER,
    "conversations.actions.texts._BUMP": SERVER,
    "conversations.actions.texts._BUMP_MANY": SERVER,
    "conversations.actions.texts.mark_all_read": SERVER,
    "conversations.actions.texts.show_last": ROW,
    "conversations.queries.lists._merged": PART,
    "conversations.queries.lists._narrowed": PART,
    "conversations.queries.lists._newest": PART,
    "conversations.queries.lists._numbers": PART,
    "conversations.queries.lists._owner": PART,
    "conversations.queries.threads.own_mark": PART,
    "conversations.queries.threads.threads": PART,
    "conversations.queries.threads.unread": PART,
    "conversations.queries.threads.find_between": CHOICE,
    "conversations.queries.threads.find_latest": CHOICE,
    "conversations.queries.visibility.in_visible_thread": RULE,
    "conversations.queries.visibility.visible_between": RULE,
    "conversations.queries.visibility.visible_to": RULE,
    "doctor.queries._REPORTS": ADMINS,
    "doctor.queries._STATES": ADMINS,
    "events.actions._NUMBER": SERVER,
    "events.actions._OLDEST_OF_THE_NEWEST": SERVER,
    "events.actions._TRIM": SERVER,
    "events.actions.read": SERVER,
    "events.queries.has_older": SERVER,
    "events.queries.has_waiting": SERVER,
    "inbox.actions.purging.purge_some": SERVER,
    "messages.actions.absorbing._INSERT": SERVER,
    "messages.actions.absorbing._PRICE_INBOUND": SERVER,
    "messages.actions.answering._unwelcome": SERVER,
    "messages.actions.background._tell": SERVER,
    "messages.actions.background.expect_media": SERVER,
    "messages.actions.background.mark_failed": SERVER,
    "messages.actions.background.mark_stored": SERVER,
    "messages.actions.background.note_asked": SERVER,
    "messages.actions.batching._store": SERVER,
    "messages.actions.callbacks._owners": SERVER,
    "messages.actions.deleting._remove": ROW,
    "messages.actions.deleting.wipe_texts": SERVER,
    "messages.actions.dispatching.MessageTexts._owners": SERVER,
    "messages.actions.indexing._ADD": SERVER,
    "messages.actions.indexing._REMOVE": SERVER,
    "messages.actions.receiving._STORE": SERVER,
    "messages.actions.recording._LOCK": SERVER,
    "messages.actions.recording._WRITE": SERVER,
    "messages.actions.uploading.sweep": SERVER,
    "messages.queries.batches._duplicates": GATE,
    "messages.queries.batches.entries": SERVER,
    "messages.queries.batches.of_bulk": SERVER,
    "messages.queries.facts._TEXTS": GATE,
    "messages.queries.facts.addresses": ROW,
    "messages.queries.facts.is_duplicate": GATE,
    "messages.queries.inbound._SURROUNDINGS": SERVER,
    "messages.queries.messages.find_retry": ROW,
    "messages.queries.messages.get_media": ROW,
    "messages.queries.messages.last_of": ROW,
    "messages.queries.messages.media_of": ROW,
    "messages.queries.messages.timeline": ROW,
    "messages.queries.open._UNFINISHED": SERVER,
    "messages.queries.open.held": SERVER,
    "messages.queries.open.pending_media": SERVER,
    "messages.queries.open.stored_media": SERVER,
    "messages.queries.open.with_late_media": SERVER,
    "messages.queries.search._COUNT": STEP,
    "messages.queries.search._ENDINGS": STEP,
    "messages.queries.search._FIND": STEP,
    "messages.queries.search.to_index": SERVER,
    "messages.queries.past._LATER_WORDS": SERVER,
    "messages.queries.past._STANDING": SERVER,
    "messages.queries.past._WITHOUT_MEDIA": SERVER,
    "messages.queries.timing._SURROUNDINGS": GATE,
    "notices.queries.reply_with_thread": "each person who is told is asked for with the clause first",
    "outgoing_webhooks.actions.planning._ended_calls": SERVER,
    "outgoing_webhooks.actions.planning._received": SERVER,
    "outgoing_webhooks.actions.planning._statuses": SERVER,
    "outgoing_webhooks.queries.payloads._call": HOOKS,
    "outgoing_webhooks.queries.payloads._messages": HOOKS,
    "outgoing_webhooks.queries.payloads._received": HOOKS,
    "platform.queries._last_activity": PLATFORM,
    "platform.queries._last_error": PLATFORM,
    "scheduling.actions.replies.cancel_answered": SERVER,
    "scheduling.queries.due": SERVER,
    "scheduling.queries.has_replied": SERVER,
    "scheduling.queries.next_due": SERVER,
    "scheduling.queries.take_due": SERVER,
}


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(features.__path__, "ringfence.features."):
        yield importlib.import_module(found.name)


def guarded_models() -> set[Any]:
    metadata()
    return {mapper.class_ for mapper in Base.registry.mappers if mapper.local_table.name in TABLES}


def resolve(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """What a name, or a name in an imported module, stands for."""
    if isinstance(node, ast.Name):
        return namespace.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, namespace)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
    return None


class Reads(ast.NodeVisitor):
    """Whether code reads a guarded table, and whether it carries the clause. Annotations and new rows do not count."""

    def __init__(self, namespace: Mapping[str, Any], models: set[Any], own_clause: bool) -> None:
        self.namespace, self.models, self.own_clause = namespace, models, own_clause
        self.reads = self.carries = False

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                return
            called = resolve(node.func, self.namespace)
            self.carries |= callable(called) and called in CLAUSES
            self.carries |= self.own_clause and isinstance(node.func, ast.Name) and node.func.id == OWN_CLAUSE
            # A call of the model makes a new row.
            for child in [*node.args, *node.keywords] + ([] if self._is_model(node.func) else [node.func]):
                self.visit(child)
        elif isinstance(node, ast.arg):
            return
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.visit(node.value)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for child in [*node.args.defaults, *node.body]:
                self.visit(child)
        elif isinstance(node, ast.Subscript):
            self.visit(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.reads |= bool(TABLES & set(_SQL_TABLE.findall(node.value)))
        elif isinstance(node, ast.Name | ast.Attribute) and self._is_model(node):
            self.reads = True
        else:
            super().generic_visit(node)

    def _is_model(self, node: ast.AST) -> bool:
        found = resolve(node, self.namespace) if isinstance(node, ast.expr) else None
        return isinstance(found, type) and found in self.models


def unguarded(source: str, namespace: Mapping[str, Any], models: set[Any]) -> set[str]:
    """The functions and statements of a module that read a guarded table without the clause."""
    found: set[str] = set()
    tree = ast.parse(source)
    own_clause = has_own_clause(tree, namespace, models)
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        parts = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for part in parts:
            look = Reads(namespace, models, own_clause)
            look.visit(part)
            if look.reads and not look.carries:
                found.add(prefix + named(part))
    return found


def has_own_clause(tree: ast.Module, namespace: Mapping[str, Any], models: set[Any]) -> bool:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == OWN_CLAUSE:
            look = Reads(namespace, models, own_clause=False)
            look.visit(node)
            return look.carries
    return False


def named(node: ast.AST) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return f"line {getattr(node, 'lineno', '?')}"


def all_unguarded() -> set[str]:
    models = guarded_models()
    found: set[str] = set()
    for module in modules():
        if module.__name__.endswith(".model"):
            continue
        source = Path(module.__file__ or "").read_text(encoding="utf-8")
        place = module.__name__.removeprefix("ringfence.features.")
        found |= {f"{place}.{name}" for name in unguarded(source, vars(module), models)}
    return found


def test_every_query_carries_the_clause_or_has_a_reason() -> None:
    found = all_unguarded()

    assert found - FREE.keys() == set(), (
        "add visible_to (or its like), or say in FREE why nobody is shown what it reads"
    )
    assert FREE.keys() - found == set(), "stale entries"


PLANTED = {
    "select": "async def peek(session):\n    return await session.scalars(select(Message.id).limit(1))",
    "another name": "from ringfence.features.messages.model import Message as Text\n"
    "async def peek(session):\n    return select(Text.body)",
    "by the module": "from ringfence.features.messages import model\n"
    "async def peek(session):\n    return await session.get(model.Message, 1)",
    "in a method": "class Peeking:\n    async def peek(self, session):\n        return select(Message)",
    "literal": "_PEEK = register('peek', 'SELECT body FROM sms_messages WHERE company_id = :company_id')",
    "joined": "_PEEK = register('peek', 'SELECT 1 FROM contacts JOIN calls ON true WHERE x = :company_id')",
}


@pytest.mark.parametrize("code", PLANTED.values(), ids=PLANTED)
def test_a_query_without_the_clause_is_found(code: str) -> None:
    from ringfence.features.messages.queries import messages

    namespace = dict(vars(messages))
    exec("\n".join(line for line in code.splitlines() if line.startswith("from ")), namespace)

    [name] = unguarded(code, namespace, guarded_models())
    assert name.removeprefix("Peeking.").casefold().strip("_") == "peek"


def test_a_query_that_loses_its_clause_is_found() -> None:
    from ringfence.features.messages.queries import messages

    source = Path(messages.__file__).read_text(encoding="utf-8")
    clause = "conversations.in_visible_thread(session, viewer, Message.conversation_id),"
    assert source.count(clause) == 2
    before = unguarded(source, vars(messages), guarded_models())

    after = unguarded(source.replace(clause, ""), vars(messages), guarded_models())

    assert after - before == {"list_messages", "find_message"}


def test_what_only_names_the_model_is_no_query() -> None:
    from ringfence.features.messages.queries import messages

    code = textwrap.dedent(
        """
        def told(message: Message) -> list[Message]:
            kept: list[Message] = [message]
            return [*kept, Message(body="new")]
        """
    )
    assert unguarded(code, vars(messages), guarded_models()) == set()
