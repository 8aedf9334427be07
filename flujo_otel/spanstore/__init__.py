"""The span store: ports (`api`), the backends behind them, and the factory that picks one."""
