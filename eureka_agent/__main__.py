"""`python -m eureka_agent` is the command `eureka-agent`."""

from eureka_agent.cli import main

if __name__ == "__main__":
    main()
