"""Data sets on object storage. Needs the extra ``cloud``; imported only when a command is given a URL."""
