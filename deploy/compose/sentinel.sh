#!/bin/sh
# A Sentinel rewrites its configuration: so it gets one of its own.
cat > /tmp/sentinel.conf <<END
protected-mode no
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor flowstore redis 6379 2
sentinel down-after-milliseconds flowstore 3000
sentinel failover-timeout flowstore 10000
END
exec redis-server /tmp/sentinel.conf --sentinel
