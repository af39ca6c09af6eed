"""The edge: everything that handles a request or a template.

Views translate between HTTP and the domain. They decide nothing.
"""

__version__ = "0.1.0"
