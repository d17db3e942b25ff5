"""The only package that knows Redis: addresses, servers, scripts, keys."""
