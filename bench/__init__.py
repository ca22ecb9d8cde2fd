"""The project's own benchmarks: cost of a relay, an origin and the codec, measured beside other programs.

`python -m bench --help` lists the experiments; README.md has the method and the figures. chunkwire does not import
this package, which runs `python -m chunkwire` as a user does.
"""
