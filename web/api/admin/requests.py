"""The request to the administration API after its access token was verified."""

from django.http import HttpRequest

from idp.accounts.people import Person


class ApiRequest(HttpRequest):
    """A request to an operation. ``auth``: the administrator on whose behalf the program acts."""

    auth: Person
