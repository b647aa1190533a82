#!/bin/sh
# Makes a cluster of the three empty masters, and waits until it says that it is one.
set -e
nodes=$(getent ahostsv4 redis-node | awk '{ print $1 ":6379" }' | sort -u)
first=${nodes%%:*}
state() { redis-cli -h "$first" cluster info | grep -q '^cluster_state:ok'; }
state || redis-cli --cluster create $nodes --cluster-yes
for _ in $(seq 60); do
  if state; then exit 0; fi
  sleep 0.5
done
echo 'cluster-init: the cluster does not come up' >&2
exit 1
