"""TRAIN and JUDGE: processes that run reward programs or judge policies, beside their clients.

A search talks to three workers: `trainer_client` with `trainer_server`, `judge_client` with
`judge_server`, and `probe_client` with `probe_server`. A client is a `session.ClientSession` over a
`process.WorkerProcess`, and checks replies by `replies`; a server runs in `serve.serve`. `protocol`
has their messages. `process` (environment variables), `isolation.bootstrap` (limits) and
`isolation.lock` (everything else) decide what a worker may see and do; `sandbox` finds out how much
of that holds on this machine.

This file imports nothing: `isolation.bootstrap` runs in a worker before numpy and torch may load.
"""
