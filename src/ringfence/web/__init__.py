"""The FastAPI kit: callers, problem documents, paging."""
