"""The checks of an API against real servers: PostgreSQL with row security, and brokers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from celery import Celery
from sqlalchemy.engine import make_url

from telemetry.health.checks import TenantTable, broker, database, row_security
from telemetry.health.readiness import NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.redis import Redis
    from tests.system.conftest import Lab

SCHEMA = """
DO $$ BEGIN
  CREATE ROLE shop_owner NOLOGIN; CREATE ROLE shop_api LOGIN; CREATE ROLE shop_root LOGIN SUPERUSER;
  CREATE ROLE shop_bypass LOGIN BYPASSRLS;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE orders (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL, note text DEFAULT '');
CREATE TABLE "Odd %s table" ("tenant %" text NOT NULL, sort int NOT NULL);
CREATE TABLE lines (order_id bigint REFERENCES orders, tenant_id uuid NOT NULL);
"""
TABLES = ("orders", '"Odd %s table"', "lines")
COLUMNS = {'"Odd %s table"': "\"tenant %\" = current_setting('app.tenant_id', true)"}
DEFAULT = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
FOR_TABLE = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
ALTER TABLE {table} OWNER TO shop_owner;
GRANT SELECT, INSERT ON {table} TO shop_api, shop_bypass;
CREATE POLICY tenant ON {table} USING ({condition});
"""
GRANTS = "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO shop_api, shop_bypass"
ORDERS = TenantTable("orders")
ODD = TenantTable('"Odd %s table"', "tenant %", {"sort": 1})
LINES = TenantTable(
    "public.lines",
    insert="""
    WITH made AS (INSERT INTO orders (tenant_id) VALUES (%(tenant)s) RETURNING id)
    INSERT INTO lines (order_id, tenant_id) SELECT id, %(tenant)s::uuid FROM made
    """,
)


class Shop:
    """A database whose tenants are kept apart, until somebody changes it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        lab.execute(SCHEMA)
        for table in TABLES:
            condition = COLUMNS.get(table, DEFAULT)
            lab.execute(FOR_TABLE.format(table=table, condition=condition))
        lab.execute(GRANTS)

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        return self._lab.execute(sql)

    def connect(self, role: str = "shop_api", *, autocommit: bool = False) -> Any:
        url = make_url(self._lab.database)
        connection = psycopg2.connect(host=str(url.query["host"]), user=role, dbname=url.database)
        connection.autocommit = autocommit
        return connection

    def check(self, *tables: TenantTable, role: str = "shop_api", **how: Any) -> None:
        """Run the check as a role; raises what it does."""
        autocommit = how.pop("autocommit", False)
        check = row_security(
            lambda: self.connect(role, autocommit=autocommit),
            tables or (ORDERS, ODD, LINES),
            setting="app.tenant_id",
            **how,
        )
        check.run()

    def rows(self) -> int:
        return sum(self.execute(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES)


@pytest.fixture
def shop(lab: Lab) -> Iterator[Shop]:
    """A shop for one test; whatever a test did, no row of a check is left in it."""
    made = Shop(lab)
    yield made
    assert made.rows() == 0


def test_tenants_that_are_kept_apart(shop: Shop) -> None:
    """Tables with defaults, with names that need quoting, with foreign keys; again and again."""
    for _ in range(3):
        shop.check()
    assert shop.execute("SELECT last_value FROM orders_id_seq")[0][0] > 1, "a row was really made"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER TABLE orders NO FORCE ROW LEVEL SECURITY", "not FORCEd"),
        ("ALTER TABLE orders DISABLE ROW LEVEL SECURITY", "not enabled"),
        ("DROP POLICY tenant ON orders", "no policy is for this role"),
        ("ALTER POLICY tenant ON orders TO shop_owner", "no policy is for this role"),
        ("CREATE POLICY all_of_it ON orders USING (true)", "visible to another"),
        (
            "CREATE POLICY unset ON orders USING (current_setting('app.tenant_id', true) = '')",
            "visible while no tenant is set",
        ),
        ("ALTER POLICY tenant ON orders USING (false)", "row-level security policy"),
        ("ALTER TABLE orders ALTER note SET NOT NULL, ALTER note DROP DEFAULT", "null value"),
        ("REVOKE INSERT ON orders FROM shop_api", "permission denied"),
        ("ALTER TABLE orders RENAME TO elsewhere", "no such table"),
        ("CREATE RULE away AS ON INSERT TO orders DO INSTEAD NOTHING", "orders"),
    ],
)
def test_tenants_that_are_not(shop: Shop, change: str, reason: str) -> None:
    """Whatever is amiss is named with its table; the other tables are looked at all the same."""
    shop.execute(change)
    with pytest.raises(NotReady) as found:
        shop.check(ORDERS, ODD)
    shop.execute("ALTER TABLE IF EXISTS elsewhere RENAME TO orders")
    assert reason in str(found.value)
    assert str(found.value).startswith("orders: ")
    assert "Odd" not in str(found.value)


@pytest.mark.parametrize(
    ("role", "reason"), [("shop_root", "is a superuser"), ("shop_bypass", "has BYPASSRLS")]
)
def test_a_role_that_no_policy_binds(shop: Shop, role: str, reason: str) -> None:
    """As whoever runs migrations: it sees everything, so nothing is enforced for the API."""
    with pytest.raises(NotReady, match=reason):
        shop.check(ORDERS, role=role)


def test_an_owner_is_bound_by_force(shop: Shop) -> None:
    """The API owns its tables in many a shop: well with FORCE, and only then."""
    shop.execute("GRANT shop_owner TO shop_api; ALTER TABLE orders OWNER TO shop_api")
    try:
        shop.check(ORDERS)
        shop.execute("ALTER TABLE orders NO FORCE ROW LEVEL SECURITY")
        with pytest.raises(NotReady, match=r"not FORCEd.*not active for this role"):
            shop.check(ORDERS)
    finally:
        shop.execute("REVOKE shop_owner FROM shop_api")


def test_a_connection_that_commits_by_itself_writes_nothing(shop: Shop) -> None:
    """Without a transaction there would be nothing to roll back."""
    with pytest.raises(NotReady, match="autocommit"):
        shop.check(ORDERS, autocommit=True)


def test_tenants_of_another_kind(shop: Shop) -> None:
    """Whatever the column takes; a value that it does not take is told, and not quoted."""
    with pytest.raises(NotReady, match="orders: InvalidTextRepresentation"):
        shop.check(ORDERS, tenants=("acme", "globex"))
    shop.check(ODD, tenants=("acme", "globex"))


@pytest.mark.parametrize(
    "asked",
    [
        {"tables": [], "setting": "app.tenant_id"},
        {"tables": [ORDERS], "setting": "tenant"},
        {"tables": [ORDERS], "setting": "app.tenant_id", "tenants": ("a", "a")},
    ],
)
def test_what_would_prove_nothing_is_refused(asked: dict[str, Any]) -> None:
    """At the start, and not with the first probe."""
    with pytest.raises(ValueError, match="two different tenants"):
        row_security(lambda: None, **asked)


def test_a_database_that_is_gone(lab: Lab) -> None:
    """The error comes out as it is; only its class is ever told."""
    shop = Shop(lab)
    check = database(shop.connect)
    check.run()
    lab.lock_database()
    with pytest.raises(psycopg2.OperationalError):
        check.run()
    lab.unlock_database()
    check.run()


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # kombu's models
def test_a_broker_answers_for_itself(lab: Lab, redis: Redis) -> None:
    """In its own protocol, also for a queue that nobody has made; when it is gone it is missed."""
    sql, other = (Celery(broker=url) for url in (f"sqla+{lab.database}", redis.address))
    for app in (sql, other):
        broker(app).run()
        broker(app, "a queue that nobody has made").run()
    lab.lock_database()
    redis.stop()
    for app in (sql, other):
        with pytest.raises(Exception, match=r"."):
            broker(app).run()
    lab.unlock_database()
    broker(sql).run()
