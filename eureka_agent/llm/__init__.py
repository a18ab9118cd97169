"""The client of a large language model behind any OpenAI-compatible server."""

from eureka_agent.llm.client import Client
from eureka_agent.llm.errors import ModelError, ModelRefused, ModelUnavailable
from eureka_agent.llm.messages import ChatMessage, ModelSettings, Picture, Reply

__all__ = [
    "ChatMessage",
    "Client",
    "ModelError",
    "ModelRefused",
    "ModelSettings",
    "ModelUnavailable",
    "Picture",
    "Reply",
]
