"""The client of a large language model behind any OpenAI-compatible server."""

from eureka_agent.llm.client import Client
from eureka_agent.llm.messages import (
    ChatMessage,
    ModelDeclined,
    ModelError,
    ModelRefused,
    ModelSettings,
    ModelUnavailable,
    Picture,
    Reply,
)

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
