"""The page of `redis-mob ui`: it shows a fleet as it moves, and lets people steer it.

It needs `pip install 'redis-mob[ui]'`; `redis-mob ui` serves it, and `app.ui_app` is the application by itself.
"""
