#!/usr/bin/env bash
# Installs the PostgreSQL that the price record's tests start for themselves, where it is missing.
set -euo pipefail
if compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || command -v initdb >/dev/null; then
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy postgresql-common
# The tests need its programs, not the server that the package would set up.
sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
apt-get install -qy postgresql
