"""A worker that gives slow rewards less time than others do."""

from eureka_agent.training import lane
from eureka_agent.workers import trainer_server

lane.GRACE_S, lane.TIMES = 0.05, 0.05
trainer_server.main()
