#!/usr/bin/env bash
# Lets PostgreSQL's usual drivers work on a cluster of three, through a follower,
# and compares what they show with NAME.out. To accept what they show now:
#
#   REWRITE=1 testdata/clients/run.sh [path of quorate]
#
# It needs Debian's python3-psycopg2, python3-psycopg, libpostgresql-jdbc-java and
# a JDK. Its ports may be moved with SQL_PORT, PEER_PORT and ADMIN_PORT.
set -euo pipefail
source "$(dirname "$0")/../dev.sh"
cd "$(dirname "$0")"

start_dev "${ports[@]}"
url=$(follower)
# Debian's own python3 is the one that has Debian's packages.
golden psycopg2.out /usr/bin/python3 psycopg2_smoke.py "$url"
golden psycopg3.out /usr/bin/python3 psycopg3_smoke.py "$url"
golden jdbc.out java -Dfile.encoding=UTF-8 -Dstdout.encoding=UTF-8 -cp /usr/share/java/postgresql.jar Jdbc.java \
    "postgresql://${url#*@}"
echo "psycopg2, psycopg 3 and JDBC show what they should"
