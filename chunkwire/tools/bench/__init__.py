"""How late do frames arrive? Many open streams timed, their samples, and the figures made of them."""
