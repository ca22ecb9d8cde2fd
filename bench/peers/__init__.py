"""What the harness compares with: relays, proxies and origins, each as its own documentation writes it.

Every program takes its ports as arguments and serves until it is ended. The Python ones run in an environment of
their own (`bench.environment`) as `python -m bench.peers.NAME`; what they share with the harness is `stamps` alone.
"""
