from redis_mob import StepContext


def greet(ctx: StepContext) -> str:
    return f"Hello, {ctx.params.get('name', 'world')}!"
