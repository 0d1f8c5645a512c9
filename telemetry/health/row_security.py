"""Whether PostgreSQL keeps tenants apart: what the catalogue says, and what a row shows.

Comes in: a cursor in a transaction, tables, the setting that names the tenant. Goes out: nothing,
or `NotReady` with every reason. The catalogue alone proves little: a policy of USING (true) is a
policy. So a row of one tenant is inserted, seen by it, and must be invisible to another tenant and
to nobody in particular. Whoever called rolls back; before a row is written it is made sure that
there is something to roll back.

https://www.postgresql.org/docs/current/ddl-rowsecurity.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from telemetry.health.readiness import NotReady, described

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Cursor: TypeAlias = Any
"""A DB-API 2.0 cursor with parameters as %(name)s, as psycopg2 and psycopg have it."""

TENANTS = ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b")
"""Two tenants that are nobody's, as a uuid or as text."""
FEW_SECONDS = 2
"""For each statement, and for a lock that somebody else holds."""

_ROLE = "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
_TABLE = """
SELECT class.oid::regclass::text, relrowsecurity, relforcerowsecurity,
       EXISTS (SELECT FROM pg_policy WHERE polrelid = class.oid
         AND (0 = ANY (polroles)
              OR EXISTS (SELECT FROM unnest(polroles) AS role WHERE pg_has_role(role, 'USAGE')))),
       row_security_active(class.oid)
FROM pg_class AS class WHERE class.oid = to_regclass(%(name)s)
"""


class TenantTable(NamedTuple):
    """A table whose rows belong to tenants, and how to make one for a moment.

    A row is inserted with the tenant and `values`; columns with a default need none. Where that is
    not enough, as for foreign keys, `insert` is a whole INSERT, or a WITH that ends in one, without
    RETURNING; it may use %(tenant)s and the names in `values`. Sequences move on: nothing else
    stays.
    """

    name: str
    """As in SQL, with a schema if need be: `orders`, `shop.orders`."""
    tenant_column: str = "tenant_id"
    values: Mapping[str, object] = {}
    insert: str = ""


def prove(
    cursor: Cursor, tables: Sequence[TenantTable], setting: str, tenants: tuple[object, object]
) -> None:
    """Look at the role, and at every table. Raises NotReady, or what the driver does."""
    _in_transaction(cursor)
    cursor.execute(f"SET LOCAL statement_timeout = '{FEW_SECONDS}s'")
    cursor.execute(f"SET LOCAL lock_timeout = '{FEW_SECONDS}s'")
    reasons = _role(cursor)
    for table in tables:
        cursor.execute("SAVEPOINT portless_table")
        try:
            reasons += [f"{table.name}: {why}" for why in _table(cursor, table, setting, tenants)]
        except Exception as error:
            if not _speaks_sql(error):  # the connection is gone
                raise
            reasons.append(f"{table.name}: {described(error)}")
        cursor.execute("ROLLBACK TO SAVEPOINT portless_table")
    if reasons:
        raise NotReady("; ".join(reasons))


def _in_transaction(cursor: Cursor) -> None:
    """Only inside of a transaction is there a savepoint, and only there a row can be taken back."""
    try:
        cursor.execute("SAVEPOINT portless_begin")
    except Exception as error:
        if not _speaks_sql(error):
            raise
        raise NotReady(
            "the connection commits by itself; give one whose autocommit is off"
        ) from error


def _role(cursor: Cursor) -> list[str]:
    cursor.execute(_ROLE)
    name, is_super, bypasses = cursor.fetchone()
    why = [("is a superuser", is_super), ("has BYPASSRLS", bypasses)]
    return [f"the role {name} {what}, whom no policy binds" for what, is_so in why if is_so]


def _table(
    cursor: Cursor, table: TenantTable, setting: str, tenants: tuple[object, object]
) -> list[str]:
    cursor.execute(_TABLE, {"name": table.name})
    found = cursor.fetchone()
    if found is None:
        return ["there is no such table, or this role may not see it"]
    quoted, enabled, forced, has_policy, active = found
    facts = [
        ("ROW LEVEL SECURITY is not enabled", enabled),
        ("it is not FORCEd, so its owner sees every row", forced),
        ("no policy is for this role", has_policy),
        ("row security is not active for this role", active),
    ]
    reasons = [why for why, is_so in facts if not is_so]
    return reasons or _rows(cursor, table, quoted, setting, tenants)


def _rows(
    cursor: Cursor, table: TenantTable, quoted: str, setting: str, tenants: tuple[object, object]
) -> list[str]:
    """The proof on the data: one row, and three who look for it."""
    owner, other = tenants
    _become(cursor, setting, owner)
    cursor.execute(_insert(table, quoted), {**table.values, "tenant": owner})
    row = cursor.fetchone()
    if row is None:
        return ["a row could not be made: a trigger or a rule took it away"]
    place = dict(zip(("table", "row"), row))
    if not _sees(cursor, quoted, place):
        return ["a tenant does not see its own row, so nothing is proven"]
    reasons = []
    _become(cursor, setting, other)
    if _sees(cursor, quoted, place):
        reasons.append("a row of one tenant is visible to another")
    if _seen_by_nobody_in_particular(cursor, quoted, setting, place):
        reasons.append("a row is visible while no tenant is set")
    return reasons


def _become(cursor: Cursor, setting: str, tenant: object) -> None:
    parameters = {"setting": setting, "tenant": str(tenant)}
    cursor.execute("SELECT set_config(%(setting)s, %(tenant)s, true)", parameters)


def _sees(cursor: Cursor, quoted: str, place: Mapping[str, object]) -> bool:
    cursor.execute(
        f"SELECT count(*) FROM {_text(quoted)}"  # noqa: S608 - as PostgreSQL has quoted it
        " WHERE tableoid = %(table)s::oid AND ctid = %(row)s::tid",
        place,
    )
    return bool(cursor.fetchone()[0])


def _seen_by_nobody_in_particular(
    cursor: Cursor, quoted: str, setting: str, place: Mapping[str, object]
) -> bool:
    """Whether a session that has set no tenant sees it; an error is as good as no."""
    cursor.execute("SAVEPOINT portless_nobody")
    try:
        _become(cursor, setting, "")
        return _sees(cursor, quoted, place)
    except Exception as error:
        if not _speaks_sql(error):
            raise
        return False
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT portless_nobody")


def _insert(table: TenantTable, quoted: str) -> str:
    returning = " RETURNING tableoid::bigint, ctid::text"
    if table.insert:
        return table.insert + returning
    columns = ", ".join(_identifier(name) for name in (table.tenant_column, *table.values))
    values = ", ".join(f"%({name})s" for name in ("tenant", *table.values))
    return f"INSERT INTO {_text(quoted)} ({columns}) VALUES ({values}){returning}"  # noqa: S608 - identifiers are quoted


def _identifier(name: str) -> str:
    return _text('"' + name.replace('"', '""') + '"')


def _text(sql: str) -> str:
    """What is no parameter, for a driver that takes % for the beginning of one."""
    return sql.replace("%", "%%")


def _speaks_sql(error: BaseException) -> bool:
    """Whether the server said so; otherwise the connection is gone, or no driver raised it."""
    return bool(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None))
