SABOTEURS={}
def plant(n): pass
