"""The frontier: what may be fetched now, and what is known of hosts to decide it.

frontier         the frontier of a plain list, without politeness
polite_frontier  the frontier that schedules hosts: ready_queue, robots_gate
host             a host's queue and times; backoff: its health; politeness: the policy
host_store       host states and budgets shared with the other runs on this machine
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
