"""The edge: everything that touches a request or a template; views translate, they do not decide."""
