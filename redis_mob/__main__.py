"""`python -m redis_mob` is the command `redis-mob`."""

from redis_mob.cli import main

main()
