#!/bin/sh
# Start the server with TLS. It does not run as root, and gets a copy of the certificates that it can read.
set -e
cp -R /etc/redis_mob/certificates .
exec docker-entrypoint.sh /etc/redis_mob/tls.conf
