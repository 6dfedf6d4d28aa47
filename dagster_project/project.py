"""Where the clone lies: it holds ``sql/``, ``expectations/``, ``prompts/`` and the default ``config/``."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[1]
