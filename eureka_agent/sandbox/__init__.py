"""Child processes for what the program does not trust, and the plain data that crosses to them.

`process.Child` is the parent's side, `serve.serve` the child's; `protocol` is what they speak.
`lock` is how a child gives up everything but computing, `isolation` how the parent knows it can.
This file imports nothing: `bootstrap` and `limits` run in a child before numpy and torch may load.
"""
