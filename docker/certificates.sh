#!/bin/sh
# Make what the profile `tls` needs, in the folder `certificates` beside this file: an authority of its own (ca.pem),
# and a certificate with its key for the server and one for clients. The authority's key is thrown away.
set -e
umask 077
cd "$(dirname "$0")"
mkdir -p certificates
cd certificates
echo '*' >.gitignore

key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
cat >extensions <<END
subjectAltName = DNS:localhost, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
# shellcheck disable=SC2086 - $key is several words
openssl req -x509 $key -keyout ca.key -out ca.pem -days 3650 -subj '/CN=redis_mob ca' \
    -addext keyUsage=critical,keyCertSign,cRLSign
for who in server client; do
    # shellcheck disable=SC2086
    openssl req $key -keyout $who.key -out $who.csr -subj "/CN=redis_mob $who"
    openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile extensions -out $who.pem
done
rm -f ca.key extensions ./*.csr ./*.srl
