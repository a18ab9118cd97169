"""A worker that gives slow rewards less time than others do."""

from eureka_agent.training import metered
from eureka_agent.workers import trainer_server

metered.GRACE_S, metered.TIMES = 0.05, 0.05
trainer_server.main()
