"""The running product around the engine: sessions, worker, command line."""
