"""The one error of the embedded PostgreSQL, apart so that every module of it can raise it."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot do what was asked.

    The text is one line for the operator: what is wrong, where, and the fix. It never holds a password.
    """
