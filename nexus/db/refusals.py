"""What the rules in the database refuse, as an error that says the rule and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import IntegrityError

from nexus.errors import RefusedError


@contextmanager
def refusals() -> Iterator[None]:
    """Turn a refusal by a trigger or a constraint inside the block into a RefusedError; the transaction is lost."""
    try:
        yield
    except IntegrityError as error:
        assert isinstance(error.orig, psycopg.Error)
        raise RefusedError(_sentence(error.orig)) from error
    except psycopg.IntegrityError as error:
        raise RefusedError(_sentence(error)) from error


def _sentence(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error).strip()
    more = error.diag.message_hint or error.diag.message_detail
    return f"{said}; {more}" if more else said
