"""Errors that a user can act on: each names the offender, the value and the remedy."""

from __future__ import annotations


class NexusError(Exception):
    """Base of all errors that the command line prints as one sentence instead of a traceback."""

    exit_status = 2


class SettingError(NexusError):
    """A setting is missing or cannot be used."""


class InputError(NexusError):
    """An argument or a file cannot be used at all; single bad rows are quarantined instead."""


class DatabaseError(NexusError):
    """The database is unreachable, not migrated, or lacks a right."""


class RefusedError(NexusError):
    """The rules of the ledger, the facts or the gate refuse what was asked."""

    exit_status = 3


class LeakError(NexusError):
    """A score at t changed when facts known after t were poisoned."""

    exit_status = 4


class BusyError(NexusError):
    """Another process is doing this right now; nothing was done here."""

    exit_status = 7
