"""Detects questions that ask for a secret; only the stages that verify a secret may ask for it."""

import re

from idp.foundation.text import fold

_ANYWHERE = (
    *(
        "password",
        "passcode",
        "passphrase",
        "passwort",
        "kennwort",
        "wachtwoord",
        "mot de passe",
        "contrase",
        "contrasena",
        "senha",
    ),
    *(
        "lösenord",
        "losenord",
        "adgangskode",
        "salasana",
        "hasło",
        "haslo",
        "heslo",
        "şifre",
        "sifre",
        "пароль",
        "密码",
        "パスワード",
        "비밀번호",
    ),
)
_WHOLE = (
    "pwd",
    "passwd",
    "pw",
    "pin",
    "otp",
    "totp",
    "tan",
    "token",
    "code",
    "codes",
    "cvv",
    "cvc",
    "secret",
    "pass",
    "parola",
)
_HARMLESS = re.compile(
    r"\b(?:area|building|cost|country|currency|customer|department|dial|dialling|discount|employee|invitation|language|post|postal|product"
    r"|project|promo|room|tax|voucher|zip)[ ]?codes?\b"
)


def find_secret_word(*texts: str) -> str:
    """Return the word by which these texts ask for a password, code, PIN or token; "" without one."""
    for text in texts:
        words = " ".join(re.findall(r"[^\W_]+", fold(text)))
        if found := next((each for each in _ANYWHERE if each in words or each in words.replace(" ", "")), ""):
            return found
        if found := next((each for each in _HARMLESS.sub(" ", words).split() if each in _WHOLE), ""):
            return found
    return ""
