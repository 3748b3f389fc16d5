"""Whose things one may see before they are published, and change."""

from uuid import UUID

import msgspec


class Viewer(msgspec.Struct, frozen=True):
    """An organizer, or an admin, to whom everything belongs."""

    user_id: UUID
    is_admin: bool

    def owns(self, organizer_id: UUID) -> bool:
        return self.is_admin or organizer_id == self.user_id


def may_see(viewer: Viewer | None, organizer_id: UUID, status: str) -> bool:
    """Drafts are their owner's; everything else is everybody's."""
    return status != "draft" or (viewer is not None and viewer.owns(organizer_id))
