"""How much may be asked at a time: limits of the user's, shared by all processes, and the pace that a server bears.

Belongs here: when a request may be sent, and what it may cost. Does not belong here: what is asked, or
what a reply means.
"""
