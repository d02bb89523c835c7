"""Settings: environment variables `RINGFENCE_*`, read once at the doors and handed down as one object."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ringfence.errors import ConfigurationError

PREFIX = "RINGFENCE_"


class Settings(BaseSettings):
    """Every setting of the server, with its default. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        default=None,
        description="Owner's login; used only by `db` and `adopt`. Unset: the embedded database.",
    )
    app_database_url: SecretStr | None = Field(
        default=None, description="Login of the role ringfence_app (tenant work)."
    )
    platform_database_url: SecretStr | None = Field(
        default=None, description="Login of the role ringfence_platform (directory, dispatcher lease)."
    )
    data_dir: Path = Field(
        default=Path("ringfence-data"), description="Folder of the embedded database and of generated keys."
    )
    media_dir: Path | None = Field(default=None, description="Folder of stored media. Default: `media` in DATA_DIR.")
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Comma-separated keys of 32 or more characters: the first encrypts, all decrypt.",
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        description="Where Twilio and people reach this server; webhook signatures are checked against it.",
    )
    twilio_api_url: str = Field(
        default="https://api.twilio.com", description="Base of the Twilio REST API; the emulator in the demo."
    )
    smtp_url: SecretStr | None = Field(
        default=None, description="Mail server, smtp://user:password@host:port. Unset: no mail is sent."
    )
    mail_from: str = Field(
        default="Ringfence <ringfence@localhost>", description="Sender of the mails this server writes."
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the API listens on.")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Comma-separated addresses or networks of proxies that are believed whom they forward for"
        " (X-Forwarded-For). Unset: nobody is.",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port on HOST where `work` shows its metrics. Unset: nowhere; `serve` has its own at /metrics.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged."
    )
    log_format: Literal["json", "console"] = Field(default="json", description="How log lines are written.")
    database_pool_size: int = Field(default=10, ge=1, le=200, description="Connections per role and process.")
    session_hours: int = Field(default=24 * 14, ge=1, description="How long a log-in lasts, in hours.")
    invitation_hours: int = Field(default=24 * 7, ge=1, description="How long an invitation lasts, in hours.")
    post_timeout_seconds: float = Field(
        default=30.0, gt=0, description="Deadline of one POST to Twilio; its own is about 26 s."
    )
    post_grace_seconds: float = Field(
        default=10.0,
        gt=0,
        description="After the deadline, how long until a POST without outcome counts as unknown.",
    )
    unknown_lookup_seconds: float = Field(
        default=60.0,
        gt=0,
        description="How long a text of unknown outcome waits before Twilio's list is asked.",
    )
    unconfirmed_after_seconds: float = Field(
        default=600.0, gt=0, description="How long until a text of unknown outcome is shown as unconfirmed."
    )
    dispatcher_lease_seconds: float = Field(
        default=8.0,
        ge=1,
        le=10,
        description="Life of the dispatcher's lease; a stand-by takes over after it.",
    )
    dispatch_in_flight: int = Field(
        default=400, ge=1, le=5000, description="POSTs under way at once, over all companies."
    )
    account_in_flight: int = Field(
        default=100, ge=1, le=1000, description="Most POSTs under way at once for one Twilio account."
    )
    sweep_seconds: float = Field(
        default=60.0, gt=0, description="How often texts that stay unfinished are asked about at Twilio."
    )
    log_sweep_seconds: float = Field(
        default=300.0,
        gt=0,
        description="How often Twilio's log is looked through for texts whose webhook never came.",
    )
    schedule_seconds: float = Field(
        default=5.0, gt=0, description="How often it is looked whether scheduled texts are due."
    )
    bulk_seconds: float = Field(default=5.0, gt=0, description="How often the lanes of bulk sends are filled again.")

    webhook_allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Comma-separated networks (10.0.0.0/8) that outgoing webhooks may go to although they are private;"
        " there http will do too. Unset: the public internet by https only.",
    )
    webhook_timeout_seconds: float = Field(
        default=15.0, gt=0, le=60, description="How long a receiver of an outgoing webhook may take to answer."
    )

    @field_validator("secret_keys", "trusted_proxies", "webhook_allowed_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("secret_keys")
    @classmethod
    def _long_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < 32 for key in value):
            raise ValueError("each key needs 32 or more characters (openssl rand -hex 32 makes one)")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _real_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            try:
                network = ip_network(item)
            except ValueError:
                raise ValueError(f"{item} is no address or network, such as 127.0.0.1 or 10.0.0.0/8") from None
            if network.prefixlen == 0:
                raise ValueError("whoever is believed by everybody is believed by nobody: name the proxies' addresses")
        return value

    @field_validator("public_url", "twilio_api_url")
    @classmethod
    def _plain_base(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an address such as https://text.example.com")
        return value.rstrip("/")

    @property
    def media_folder(self) -> Path:
        """Where stored media live."""
        return self.media_dir or self.data_dir / "media"

    @property
    def uploads_folder(self) -> Path:
        """Where uploaded files wait to be read; API and workers share it."""
        return self.data_dir / "uploads"

    @property
    def cookie_secure(self) -> bool:
        """Whether the session cookie is for HTTPS only: as PUBLIC_URL says."""
        return self.public_url.startswith("https://")


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment; raises ConfigurationError naming the variable and the fix."""
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType]  # pydantic checks the values
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
        raise ConfigurationError(f"{name} is wrong: {first['msg']}.") from None
