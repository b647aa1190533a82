#!/bin/sh
# A Sentinel rewrites its configuration: so it gets one of its own. By address: a name is gone with
# its container, and a Sentinel that waits for the name server does nothing else meanwhile.
cat > /tmp/sentinel.conf <<END
protected-mode no
sentinel monitor flowstore 198.19.0.11 6379 2
sentinel down-after-milliseconds flowstore 5000
sentinel failover-timeout flowstore 10000
END
exec redis-server /tmp/sentinel.conf --sentinel
