#!/bin/sh
# Make a Cluster of the nodes, half of them replicas, unless they are one already. Then stay, for the nodes' network.
set -e
nodes=
for port in 7001 7002 7003 7004 7005 7006; do
    until valkey-cli -p "$port" ping | grep -q PONG; do sleep 0.2; done
    nodes="$nodes 127.0.0.1:$port"
done
if valkey-cli -p 7001 cluster info | grep -q cluster_known_nodes:1; then
    # shellcheck disable=SC2086 - one word for each node
    valkey-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes
fi
exec tail -f /dev/null
