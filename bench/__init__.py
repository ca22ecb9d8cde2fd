"""The project's own harness: what a relay, an origin and the codec cost, measured beside other programs.

`python -m bench --help` tells what there is, README.md how it is measured. Nothing of chunkwire imports this
package; it starts `python -m chunkwire` as anybody would.
"""
