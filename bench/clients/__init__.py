"""Clients, each a program that is measured whole: it reads what was prepared, asks, and ends.

The bare ones print ``{"ok": …, "refused": …, "lost": …}``.
"""
