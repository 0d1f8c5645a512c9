"""What can be done for kombu's own SQL transport, which records no acknowledgement.

A delivered row says nothing more: whether its task runs, ended, or was lost with its worker. So
nothing here acts by itself, and what is acted upon is what the result backend proves.
"""
