"""Environments of one's own: a folder to start from, and checks that say what is wrong with one."""

from eureka_agent.plugins.checks import CHECKS, check_folder
from eureka_agent.plugins.create import new_environment
from eureka_agent.plugins.findings import CheckFinding

__all__ = ["CHECKS", "CheckFinding", "check_folder", "new_environment"]
