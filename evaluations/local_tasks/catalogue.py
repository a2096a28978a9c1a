"""The ten tasks of the suite ``local``.

Six that a good instruction should help with; two (film sentences, walks) of which that is not expected, as a small
model's errors there are not ones of knowing what is asked; two with answers at random.
"""

from __future__ import annotations

from collections.abc import Mapping

from evaluations import graders
from evaluations.local_tasks import contacts, invoices, navigation, refunds, routing, sentences, triage
from evaluations.local_tasks.kind import LocalTask

PREFIX = "local/"
TASKS: Mapping[str, LocalTask] = {
    "local/routing": LocalTask(routing.UNTOLD, graders.label, routing.messages),
    "local/routing told": LocalTask(routing.TOLD, graders.label, routing.messages),
    "local/refunds": LocalTask(refunds.START, graders.label, refunds.requests),
    "local/triage": LocalTask(triage.START, graders.label, triage.tickets),
    "local/invoices": LocalTask(invoices.START, graders.fields, invoices.invoices),
    "local/contacts": LocalTask(contacts.START, graders.fields, contacts.contacts),
    "local/polarity": LocalTask(
        sentences.POLARITY, graders.label, sentences.sentences("sentence_polarity"), is_helped=False
    ),
    "local/navigate": LocalTask(navigation.START, graders.label, navigation.walks, is_helped=False),
    "local/subjectivity shuffled": LocalTask(
        sentences.SUBJECTIVITY, graders.label, sentences.sentences("subjectivity"), is_helped=False, is_shuffled=True
    ),
    "local/triage shuffled": LocalTask(triage.START, graders.label, triage.tickets, is_helped=False, is_shuffled=True),
}
