"""`report RUN`: everything worth showing of a run in one HTML file that needs no network."""

from eureka_agent.report.page import report_page, write_report

__all__ = ["report_page", "write_report"]
