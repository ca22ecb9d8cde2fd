"""The programs that are compared: relays, proxies and origins, each written as its own documentation shows.

A program takes its ports as arguments and serves until it is ended. The Python ones run in an environment of their own
(`bench.workshop`) as `python -m bench.peers.NAME`; of this project they import `stamps` only.
"""
