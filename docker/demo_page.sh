#!/bin/sh
# The page of the demo, which is reached from outside of its container: it wants a token. One is made unless the
# environment has it, and told in the log: `docker compose --profile demo logs demo-page`.
set -eu
: "${REDIS_MOB_UI_OPERATE_TOKEN:=$(python -c 'import secrets; print(secrets.token_urlsafe(24))')}"
export REDIS_MOB_UI_OPERATE_TOKEN
echo "log in at http://127.0.0.1:8790/ with the token $REDIS_MOB_UI_OPERATE_TOKEN"
exec redis-mob ui --url redis://demo-server:6379 --namespace demo \
    --host 0.0.0.0 --allowed-host 127.0.0.1 --allowed-host localhost
