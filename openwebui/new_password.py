"""Give an account of Open WebUI a new password, for somebody who has lost theirs.

usage: docker compose exec open-webui python3 /opt/foundry-chat/new_password.py EMAIL

Prints the new password, which is random; change it under Settings > Account after signing in.
Exit codes: 0 done, 1 there is no such account (the accounts are listed), 2 wrong usage.
"""

import os
import secrets
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import bcrypt  # type: ignore[import-not-found,unused-ignore]


def main(arguments: Sequence[str]) -> int:
    """Change the password of the account that is named; returns the exit code."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    email = arguments[0].lower()
    database = Path(os.environ.get("DATA_DIR", "/data")) / "webui.db"
    password = secrets.token_urlsafe(12)
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        changed = connection.execute(
            "UPDATE auth SET password = ? WHERE email = ?", (hashed, email)
        ).rowcount
        accounts = [row[0] for row in connection.execute("SELECT email FROM auth ORDER BY email")]
    if not changed:
        known = ", ".join(accounts) or "none yet"
        print(f"There is no account {email}. Accounts: {known}.", file=sys.stderr)
        return 1
    print(f"{email} signs in with: {password}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
