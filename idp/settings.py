"""The only settings module: a few environment variables, with defaults for a bare machine."""

import sys
from pathlib import Path
from typing import Any

from celery.schedules import schedule

from idp.runtime import env, services
from idp.runtime.secret_key import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
env.provide_time_zones()

# --- what an operator sets (docs/operations.md) -------------------------------------------------------------
_env = env.read()
DATA = Path(_env.data).absolute()
PORT, BIND = _env.port, _env.bind
SECRET_KEY = secret_key(_env.secret_key, DATA)
SECRET_KEY_FALLBACKS = list(_env.secret_key_fallbacks)
SECRET_KEY_IS_GIVEN = bool(_env.secret_key)  # else it is stored in the data folder
TRUSTED_PROXIES = _env.trusted_proxies
FORWARDED_HOST = _env.forwarded_host
DEFAULT_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", *_env.hosts})
ON_THIS_MACHINE = env.is_loopback(BIND) and not TRUSTED_PROXIES
DEMO = ON_THIS_MACHINE if _env.demo is None else _env.demo
REDIS_URL = _env.redis_url
SMTP = services.smtp(_env.smtp_url)
MAIL_FROM = _env.mail_from
MAILS_PER_DAY = _env.mails_per_day
DATABASES = {"default": services.database(_env.database_url, DATA)}
SQLITE = services.sqlite_file(_env.database_url, DATA)  # None with PostgreSQL
GEOIP = _env.geoip
SECRETS = _env.secrets
BLUEPRINTS = _env.blueprints
LOG_FORMAT = _env.log or ("console" if sys.stderr.isatty() else "json")
LOG_LEVEL = _env.log_level

# --- what the product is made of ----------------------------------------------------------------------------
INSTALLED_APPS = [
    "idp",
    "idp.tenancy",
    "idp.ratelimit",
    "idp.outbox",
    "idp.events",
    "idp.accounts",
    "idp.oauth",
    "idp.devices",
    "flows",
    "blueprints",
    "web",
    "django.forms",
    "django.contrib.humanize",  # numbers for people
    "django.contrib.staticfiles",
    "django_htmx",  # for its copy of htmx
    *(["tools"] if (BASE_DIR / "manage.py").is_file() else []),  # in a checkout, not in a wheel
]
STAGE_PACKAGES = ["stages"]
OAUTH_GRANTS = [
    "idp.devices.grant.DeviceGrant",
    "idp.oauth.grants.client_credentials.ClientCredentials",
    "idp.oauth.grants.refresh.Refresh",
]
OUTBOX_HANDLERS = {"mail": "idp.outbox.mail.deliver"}
CONDITION_VARIABLES = [
    "idp.foundation.request_variables.CONDITION_VARIABLES",
    "idp.accounts.condition_variables.CONDITION_VARIABLES",
    "idp.oauth.condition_variables.CONDITION_VARIABLES",
    "idp.devices.condition_variables.CONDITION_VARIABLES",
]

ROOT_URLCONF = "idp.urls"
ASGI_APPLICATION = "idp.asgi.application"
MIDDLEWARE = [
    "web.middleware.origin.OriginMiddleware",
    "web.middleware.headers.HeadersMiddleware",
    "web.middleware.cookies.CookiesMiddleware",
    "idp.tenancy.middleware.TenantMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "web.middleware.browser.BrowserMiddleware",
]
UNKNOWN_HOST_VIEW = "web.pages.errors.unknown_host"
ALLOWED_HOSTS = ["*"]  # TenantMiddleware checks the host
DEBUG = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000  # a bulk action lists each object; the size is the real limit
APPEND_SLASH = False

_LOADERS = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
    "flows.template_loader.Loader",  # templates of stages in external packages
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "web", BASE_DIR / "stages" / "templates"],  # each template is beside its module
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "web.middleware.headers.page_context",
            ],
            "loaders": [("django.template.loaders.cached.Loader", _LOADERS)],
        },
    }
]
FORM_RENDERER = "web.pages.rendering.FormRenderer"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = USE_TZ = True

# --- people and sessions ------------------------------------------------------------------------------------
PASSWORD_HASHERS = ["idp.accounts.hashers.Argon2id", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "name", "email")},
    },
]
SESSION_LIFETIME = 12 * 3600
RUN_LIFETIME = 30 * 60
RUNS_PER_ADDRESS = 200
CSRF_COOKIE_NAME = "foyer_csrf"
CSRF_FAILURE_VIEW = "web.pages.errors.csrf_failure"

# --- static files: collected into the data folder, served by the ASGI wrapper -------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

# --- the two ways to run: everything in one process, or Redis between many ----------------------------------
EMBEDDED = not REDIS_URL
# This installation's names in Redis have a prefix: pub/sub is shared by all databases of a server.
REDIS_PREFIX = _env.redis_prefix or services.redis_prefix(_env.database_url, REDIS_URL)
REDIS_SOCKETS = {"socket_connect_timeout": 2, "socket_keepalive": True}
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
    if EMBEDDED
    # The cache holds nothing indispensable: while Redis is unavailable it is empty, and no request waits for
    # it (breaker.py).
    else {"BACKEND": "idp.foundation.redis_cache.Cache", "LOCATION": REDIS_URL, "KEY_PREFIX": REDIS_PREFIX}
}
CHANNEL_LAYERS: dict[str, Any] = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}}
    if EMBEDDED
    else {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, **REDIS_SOCKETS}], "prefix": REDIS_PREFIX},
    }
}
EVENT_LOOK_SECONDS = 0.5
EVENTS_DAYS = _env.events_days  # 0: for ever
LISTENERS_PER_ADDRESS = _env.listeners_per_address
LISTENERS_PER_CODE = 3
CONNECTIONS = _env.connections
CONNECTIONS_PER_ADDRESS = _env.connections_per_address or LISTENERS_PER_ADDRESS + 300
_default_drain_seconds = 0 if EMBEDDED else 2
DRAIN_SECONDS = _default_drain_seconds if _env.drain_seconds is None else _env.drain_seconds
CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"polling_interval": 0.05}
    if EMBEDDED
    else {
        **REDIS_SOCKETS,
        "socket_timeout": 10,
        "global_keyprefix": f"{REDIS_PREFIX}:",
        "visibility_timeout": 600,
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever
# A task that its worker did not finish is repeated by another one after the visibility timeout at the latest.
# So each task may run twice.
CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = None if EMBEDDED else 300  # below the visibility timeout; threads cannot be killed
CELERY_TASK_IGNORE_RESULT = True
# A worker takes from each queue in turn, so a mail waits for one or two tasks, however many there are.
CELERY_TASK_QUEUES: dict[str, Any] = {"celery": {}, "mails": {}}
CELERY_TASK_ROUTES = {"idp.outbox.tasks.deliver_outbox": {"queue": "mails"}}
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {
    # A task that waited for a minute is dropped, because the next one does the same. The minimum allows for
    # clocks that differ between hosts.
    task: {"task": task, "schedule": schedule(seconds), "options": {"expires": max(seconds, 60)}}
    for task, seconds in {
        "idp.outbox.tasks.deliver_outbox": 2,
        "blueprints.tasks.apply_watched": 10,
        "idp.devices.tasks.expire_device_codes": 30,
        "flows.tasks.sweep_runs": 60,
        "idp.ratelimit.tasks.sweep_attempts": 300,
        "idp.outbox.tasks.sweep_outbox": 900,
        "idp.accounts.tasks.sweep_sessions": 900,
        "idp.events.tasks.sweep_events": 900,
        "blueprints.tasks.look_for_drift": 600,
        "idp.oauth.tasks.sweep_tokens": 900,
    }.items()
}

LOGGING_CONFIG = "idp.runtime.logs.configure"
LOGGING = {"format": LOG_FORMAT, "level": LOG_LEVEL}
