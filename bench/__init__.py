"""The project's own benchmarks: cost of a relay, an origin and the codec, measured beside other programs.

`python -m bench --help` lists the experiments; README.md has the method and the figures. Other modules, such as
`bench.soak`, have a command line of their own. chunkwire does not import this package.
"""
