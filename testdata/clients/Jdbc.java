import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;

/** The JDBC driver in autocommit mode: named statements and binary results after five uses, batches, fetch sizes. */
class Jdbc {
    interface Work { Object run() throws Exception; }

    static Connection connection;

    static void show(String name, Work work) throws Exception {
        try {
            System.out.println(name + " => " + work.run());
        } catch (SQLException e) {
            System.out.println(name + " => error " + e.getSQLState() + " " + e.getMessage().lines().findFirst().get());
        }
    }

    static List<String> rows(ResultSet r) throws SQLException {
        List<String> all = new ArrayList<>();
        int n = r.getMetaData().getColumnCount();
        while (r.next()) {
            StringJoiner row = new StringJoiner(", ", "(", ")");
            for (int i = 1; i <= n; i++) {
                Object o = r.getObject(i);
                row.add(o instanceof byte[] b ? Arrays.toString(b) : String.valueOf(o));
            }
            all.add(row.toString());
        }
        return all;
    }

    static Object query(String sql, Object... args) throws SQLException {
        try (PreparedStatement p = connection.prepareStatement(sql)) {
            return execute(p, args);
        }
    }

    static Object execute(PreparedStatement p, Object... args) throws SQLException {
        for (int i = 0; i < args.length; i++) p.setObject(i + 1, args[i]);
        return p.execute() ? rows(p.getResultSet()) : p.getUpdateCount();
    }

    /** Carries a statement out often enough to be prepared on the server, and shows the one result. */
    static Object often(String sql, Object... args) throws SQLException {
        try (PreparedStatement p = connection.prepareStatement(sql)) {
            Set<Object> results = new HashSet<>();
            for (int i = 0; i < 12; i++) results.add(execute(p, args));
            return results;
        }
    }

    public static void main(String[] args) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        connection = DriverManager.getConnection("jdbc:" + args[0], "quorate", "");
        LocalDateTime at = LocalDateTime.of(2026, 1, 2, 3, 4, 5, 678901000);
        Object[] values = {(short) 1, 2, 1L << 62, 1.5f, 2.25, new BigDecimal("12.345"), true, "it's \\ ü😀", "v", new byte[] {0, -1},
            at, at.atOffset(ZoneOffset.ofHours(2)), at.toLocalDate(), new UUID(0, 7), at.toLocalTime()};
        String columns = "i2, i4, i8, r, d, n, b, s, v, raw, ts, tz, day, u, tod";
        String insert = "insert into jd (" + columns + ") values (" + "?, ".repeat(14) + "?)";

        show("create", () -> query("create table jd (id bigserial primary key, i2 smallint, i4 integer, i8 bigint, r real,"
            + " d double precision, n numeric(12,3), b boolean, s text, v varchar(10), raw bytea, ts timestamp, tz timestamptz,"
            + " day date, u uuid, tod time)"));
        show("values", () -> often(insert, values));
        show("nulls", () -> often(insert, new Object[15]));
        show("rows", () -> often("select " + columns + " from jd where id in (?, ?) order by id", 1L, 24L));
        show("compare", () -> often("select count(*) from jd where i8 = ? and s = ? and ts = ? and tz = ? and u = ? and n = ?",
            values[2], values[7], values[10], values[11], values[13], values[5]));
        show("generated keys", () -> {
            try (PreparedStatement p = connection.prepareStatement("insert into jd (s) values (?)", new String[] {"id"})) {
                p.setString(1, "key");
                p.executeUpdate();
                return rows(p.getGeneratedKeys());
            }
        });
        show("batch", () -> batch(1000, 1000));
        show("batch with a mistake", () -> batch(2, 1));
        show("nothing of it", () -> query("select count(*) from jd where id between 2000000 and 2000001"));
        show("several statements", () -> {
            try (Statement s = connection.createStatement()) {
                s.execute("insert into jd (s) values ('several'); select count(*) from jd where s = 'several'");
                return s.getMoreResults() ? rows(s.getResultSet()) : "no rows";
            }
        });
        show("fetch size, limit", () -> {
            try (Statement s = connection.createStatement()) {
                s.setFetchSize(10);
                s.setMaxRows(55);
                return rows(s.executeQuery("select id from jd")).size();
            }
        });
        show("timeout", () -> {
            try (Statement s = connection.createStatement()) {
                s.setQueryTimeout(1);
                return rows(s.executeQuery("with recursive x(n) as (select 1 union all select n + 1 from x) select count(*) from x"));
            }
        });
        show("valid", () -> connection.isValid(5));
        show("transaction", () -> {
            connection.setAutoCommit(false);
            try {
                return query("select 1");
            } finally {
                connection.rollback();
                connection.setAutoCommit(true);
            }
        });
        show("after it", () -> query("select ?", 1));
    }

    /** Inserts ids from 1000·n upwards in one batch; one of them at most is there already. */
    static Object batch(int n, int id) throws SQLException {
        try (PreparedStatement p = connection.prepareStatement("insert into jd (id, s) values (?, ?)")) {
            for (int i = 0; i < n; i++) {
                p.setLong(1, i == n - 1 && id == 1 ? 1 : n * 1000000L + i);
                p.setString(2, "batch");
                p.addBatch();
            }
            return p.executeBatch().length;
        }
    }
}
