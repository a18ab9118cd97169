"""A worker that gives slow rewards less time than others do."""

from eureka_agent.sandbox import worker
from eureka_agent.training import metered

metered.GRACE_S, metered.TIMES = 0.05, 0.05
worker.main()
