"""The firm's clients: who they are, what they prefer, and who is meant by a name."""

from dataclasses import astuple
from sqlite3 import Connection, Row

from .model import Client, DomainError
from .store import DomainStore


def get_client(store: DomainStore, client_id: str) -> Client:
    """Return a client. Raises ``DomainError`` (not_found) that says what ids look like."""
    rows = store.rows("SELECT * FROM client WHERE id = ?", (client_id,))
    if not rows:
        raise DomainError("not_found", f"Client {client_id[:20]} not found. Client ids are five digits and start with 1.")
    return _client(rows[0])


def find_clients(store: DomainStore, name: str) -> tuple[Client, ...]:
    """Return the clients whose name has every word of this one, by id; nobody for no words."""
    words = name.casefold().split()
    everybody = (_client(row) for row in store.rows("SELECT * FROM client ORDER BY id"))
    return tuple(client for client in everybody if words and set(words) <= set(client.name.casefold().split()))


def list_clients(store: DomainStore) -> tuple[Client, ...]:
    """Return all clients, by id."""
    return tuple(_client(row) for row in store.rows("SELECT * FROM client ORDER BY id"))


def save_client(store: DomainStore, client: Client) -> None:
    """Add a client, or replace what is known of one."""
    with store.change() as connection:
        save_client_within(connection, client)


def save_client_within(connection: Connection, client: Client) -> None:
    """Do as ``save_client``, inside a transaction."""
    connection.execute("INSERT OR REPLACE INTO client VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(client))


def _client(row: Row) -> Client:
    return Client(**dict(row))
