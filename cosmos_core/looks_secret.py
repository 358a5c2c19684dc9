"""What looks like a secret: by the name of a setting, and by the shape of its value, whatever it is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_NAMES = re.compile(
    r"TOKEN(?!S|IZER)|SECRET|PASSW(OR)?D|PASSPHRASE|CREDENTIAL|(API|ACCESS|PRIVATE|AUTH|SIGNING)_?KEY", re.IGNORECASE
)
_ABOUT_ONE = re.compile(r"_(PATH|FILE|DIR|URL|HOME|TTL|TIMEOUT|LIMIT|COUNT|TYPE|NAME)$", re.IGNORECASE)
_SWITCH = re.compile(r"[0-9]|true|false|yes|no|on|off|none|", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{(\w+)\}")

# The shapes are those their makers document: huggingface.co, platform.openai.com, docs.github.com, docs.gitlab.com,
# AWS IAM ("unique identifiers"), api.slack.com, org.ngc.nvidia.com, console.cloud.google.com, RFC 7519, RFC 7468.
_SHAPES = re.compile(
    r"""
    (?<![\w/.-])(?:
        hf_[A-Za-z0-9]{12,} | api_org_[A-Za-z0-9]{12,}    # Hugging Face
      | sk-[A-Za-z0-9_-]{16,}                             # OpenAI, Anthropic and those who took after them
      | gh[pousr]_[A-Za-z0-9]{16,} | github_pat_\w{16,}   # GitHub
      | glpat-[\w-]{16,}                                  # GitLab
      | (?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])             # AWS
      | xox[abeprs]-[A-Za-z0-9-]{10,}                     # Slack
      | nvapi-[\w-]{16,}                                  # NVIDIA
      | AIza[\w-]{30,}                                    # Google
      | eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+              # a signed JSON Web Token
      | (?:Bearer|Basic)\ +[A-Za-z0-9._~+/-]{12,}
    )
    | ://[^/\s:@]*:[^/\s@]+@                              # a password in a URL
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----
    """,
    re.VERBOSE,
)


def secrets_in(table: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The settings in a target's table that look like secrets, and what to do instead.

    `env` is stored as it is written; in all others ${NAME} is filled in before they are stored.
    """
    env = table.get("env")
    for name, value in env.items() if isinstance(env, dict) else ():
        if isinstance(value, str) and looks_secret(value, name):
            yield f"env.{name}", f"put it into env_file, or write ${{{name}}}"
    for key, value in table.items():
        words = value if isinstance(value, list) else [value]
        filled = (
            _REFERENCE.sub(lambda found: environ.get(found[1], ""), word) for word in words if isinstance(word, str)
        )
        if any(map(looks_secret, filled)):
            yield key, "put it into env_file"


def named_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret: HF_TOKEN and MY_API_KEY do, TOKENIZERS_PARALLELISM does not."""
    return _NAMES.search(name) is not None and _ABOUT_ONE.search(name) is None


def looks_secret(value: str, name: str = "") -> bool:
    """Whether this value is a secret that is written out; `${NAME}`, which is filled in later, is none."""
    written = _REFERENCE.sub("", value)
    if _SHAPES.search(written):
        return True
    return named_secret(name) and written == value and not _SWITCH.fullmatch(value)
