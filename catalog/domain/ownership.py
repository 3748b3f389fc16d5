"""Who may see unpublished shows, and who may change things."""

from uuid import UUID

import msgspec


class Viewer(msgspec.Struct, frozen=True):
    """An organizer, or an admin, who may see and change everything."""

    user_id: UUID
    is_admin: bool

    def owns(self, organizer_id: UUID) -> bool:
        return self.is_admin or organizer_id == self.user_id


def may_see(viewer: Viewer | None, organizer_id: UUID, status: str) -> bool:
    """Only the owner and admins may see drafts. Everybody may see the rest."""
    return status != "draft" or (viewer is not None and viewer.owns(organizer_id))
