"""psycopg2 in autocommit mode: literals in simple queries."""
import datetime
import decimal
import sys
import threading
import uuid

import psycopg2
import psycopg2.extras

connection = psycopg2.connect(sys.argv[1])
connection.autocommit = True
cursor = connection.cursor()
psycopg2.extras.register_uuid()


def show(name, work):
    try:
        print(name, "=>", work())
    except psycopg2.Error as e:
        print(name, "=> error", e.pgcode, e.diag.message_primary)


def query(sql, args=None):
    cursor.execute(sql, args)
    return cursor.fetchall() if cursor.description else cursor.statusmessage


at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
values = (1, 2, 2**62, 1.5, 2.25, decimal.Decimal("12.345"), True, "it's \\ ü😀", "v", psycopg2.Binary(b"\x00\xff\\'"),
          at.replace(tzinfo=None), at, at.date(), uuid.UUID(int=7), psycopg2.extras.Json({"a": [1, None]}), at.time())
columns = "i2, i4, i8, r, d, n, b, s, v, raw, ts, tz, day, u, j, tod"
insert = f"insert into p2 ({columns}) values ({','.join(['%s'] * 16)}) returning id"

show("create", lambda: query(
    "create table p2 (id serial primary key, i2 smallint, i4 integer, i8 bigint, r real, d double precision, n numeric(12,3),"
    " b boolean, s text, v varchar(10), raw bytea, ts timestamp, tz timestamptz, day date, u uuid, j jsonb, tod time)"))
show("values", lambda: query(insert, values))
show("nulls", lambda: query(insert, [None] * 16))
show("rows", lambda: query("select i2, i4, i8, r, d, n, b, s, v, ts, tz, day, u, j, tod from p2 order by id"))
show("bytes", lambda: [r[0] and bytes(r[0]) for r in query("select raw from p2 order by id")])
show("compare", lambda: query("select id from p2 where tz = %s and u = %s and n = %s and raw = %s", (at, values[13], values[5], values[9])))
show("execute_values", lambda: psycopg2.extras.execute_values(
    cursor, "insert into p2 (i4, s) values %s returning id", [(i, "x") for i in range(3)], fetch=True))
show("executemany", lambda: cursor.executemany("insert into p2 (i4, s) values (%s, %s)", [(i, "y") for i in range(3)]))
show("one transaction", lambda: query("insert into p2 (s) values ('lost'); insert into p2 (id) values (1)"))
show("nothing of it", lambda: query("select count(*) from p2 where s = 'lost'"))
show("if exists", lambda: (query("drop table if exists nosuch"), connection.notices))
show("begin", lambda: query("begin"))
show("in Berlin", lambda: query("set timezone to 'Europe/Berlin'; select tz::text, ts::text from p2 where id = 1"))

endless = "with recursive x(n) as (select 1 union all select n + 1 from x) select count(*) from x"
show("timeout", lambda: (query("set statement_timeout = '100ms'"), query(endless)))
query("reset statement_timeout")
cancel = threading.Timer(0.2, connection.cancel)
cancel.start()
show("cancel", lambda: query(endless))
cancel.join()
show("after it", lambda: query("select 1"))
