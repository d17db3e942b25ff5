from redis_mob import Mob, step

mob = Mob("quickstart")


@mob.handler
def greet(name: str = "world") -> str:
    return f"Hello, {name}!"


hello = mob.flow("hello", [step("greet")])

if __name__ == "__main__":
    print(mob.run_sync(hello, {"name": "fleet"}).output("greet", str))
