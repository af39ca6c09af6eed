"""A request to the administration API, once its access token is known to be good."""

from django.http import HttpRequest

from idp.accounts.people import Person


class ApiRequest(HttpRequest):
    """Every operation gets one. ``auth``: the administrator in whose name the program acts."""

    auth: Person
