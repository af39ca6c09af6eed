"""The edge: everything that touches a request or a template; views translate, they do not decide."""

__version__ = "0.1.0"
