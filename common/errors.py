"""The errors people may see.

AtelierError
├── BadRequest            a value that was asked for is not allowed; says which, and what is
│   └── QueueFull         too many jobs wait already
├── ModelUnavailable      a checkpoint is not on this machine; says which, and the command that gets it
├── OutOfMemory           the work does not fit into this device's memory; says what would
├── Blocked               a safeguard refused what came in or what was to go out
└── Cancelled             the owner no longer wants the result

The message of an `AtelierError` is shown to the user as it is, so it is one or two plain sentences without paths,
module names or markup. Any other exception is a bug of ours: it is logged under an id and shown as that id.
"""
# ruff: noqa: N818 (the names say what happened; the base says that it is an error)


class AtelierError(Exception):
    """Base of all errors whose message is meant for the user."""


class BadRequest(AtelierError):
    """A value is not allowed. The message names the value and what is allowed."""


class QueueFull(BadRequest):
    """No room for another job. The message says how many wait and what to do."""


class ModelUnavailable(AtelierError):
    """A checkpoint is missing. The message names it and the command that gets it."""


class OutOfMemory(AtelierError):
    """The work does not fit into memory. The message says what was needed and what would fit."""


class Blocked(AtelierError):
    """A safeguard refused a prompt or a picture. The message says that it did, never an empty frame."""


class Cancelled(AtelierError):
    """The job was discarded before it had a result."""
