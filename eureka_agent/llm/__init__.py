"""The client of a large language model behind any OpenAI-compatible server."""

from eureka_agent.llm.client import Client
from eureka_agent.llm.errors import ModelDeclined, ModelError, ModelRefused, ModelUnavailable
from eureka_agent.llm.messages import ChatMessage, ModelSettings, Picture, Reply

__all__ = [
    "ChatMessage",
    "Client",
    "ModelDeclined",
    "ModelError",
    "ModelRefused",
    "ModelSettings",
    "ModelUnavailable",
    "Picture",
    "Reply",
]
