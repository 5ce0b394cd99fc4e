"""The whole data path under one seeded scheduler: the real code, without processes or sockets."""
