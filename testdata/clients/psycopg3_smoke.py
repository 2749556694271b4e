"""psycopg 3 in autocommit mode: the extended protocol, binary, prepared after five uses, pipelines."""
import datetime
import decimal
import sys
import uuid

import psycopg
from psycopg.types.json import Jsonb

connection = psycopg.connect(sys.argv[1], autocommit=True)


def show(name, work):
    try:
        print(name, "=>", work())
    except psycopg.Error as e:
        print(name, "=> error", e.sqlstate, e.diag.message_primary)


def query(sql, args=None, binary=False):
    cursor = connection.cursor(binary=binary)
    cursor.execute(sql, args)
    return cursor.fetchall() if cursor.description else cursor.statusmessage


def same(results):
    """The one result that all of them are."""
    first = results[0]
    assert all(r == first for r in results), results
    return first


at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
values = (1, 2, 2**62, 1.5, 2.25, decimal.Decimal("12.345"), True, "it's \\ ü😀", "v", b"\x00\xff\\'",
          at.replace(tzinfo=None), at, at.date(), uuid.UUID(int=7), Jsonb({"a": [1, None]}), at.time())
columns = "i2, i4, i8, r, d, n, b, s, v, raw, ts, tz, day, u, j, tod"
insert = f"insert into p3 ({columns}) values ({','.join(['%s'] * 16)})"

show("create", lambda: query(
    "create table p3 (id serial primary key, i2 smallint, i4 integer, i8 bigint, r real, d double precision, n numeric(12,3),"
    " b boolean, s text, v varchar(10), raw bytea, ts timestamp, tz timestamptz, day date, u uuid, j jsonb, tod time)"))
show("values", lambda: same([query(insert, values) for _ in range(8)]))
show("values in binary", lambda: same([query(insert.replace("%s", "%b"), values) for _ in range(8)]))
show("nulls", lambda: same([query(insert, [None] * 16) for _ in range(8)]))
show("rows", lambda: same([query(f"select {columns} from p3 where id = %s", [i % 16 + 1]) for i in range(16)]))
show("rows in binary", lambda: same([query(f"select {columns} from p3 where id = %s", [i % 16 + 1], binary=True) for i in range(16)]))
show("null row", lambda: query(f"select {columns} from p3 where id = 17", binary=True))
show("compare", lambda: same([query("select count(*) from p3 where tz = %s and u = %s and n = %s and raw = %s and b = %s",
                                    (at, values[13], values[5], values[9], True)) for _ in range(8)]))
show("parameters without a column", lambda: query("select %s, %s, %s, %s::int + 1, 'a' || %s", (1, "a", None, 1, "b")))
show("executemany", lambda: connection.cursor().executemany("insert into p3 (i4) values (%s)", [(i,) for i in range(100)]))


def pipeline(*statements):
    with connection.pipeline() as p:
        cursors = [connection.execute(*s) for s in statements]
        p.sync()
    return [c.fetchone() for c in cursors]


show("pipeline", lambda: pipeline(("insert into p3 (s) values (%s) returning s", ["one"]), ("select count(*) from p3 where s = 'one'",)))
show("pipeline with a mistake", lambda: pipeline(("insert into p3 (s) values ('lost')",), ("insert into p3 (id) values (1)",)))
show("nothing of it", lambda: query("select count(*) from p3 where s = 'lost'"))
show("table changed", lambda: (query("alter table p3 add column more int"), query(insert, values)))
show("transaction", lambda: connection.transaction().__enter__())
show("copy", lambda: query("copy p3 from stdin"))
