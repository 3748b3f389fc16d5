"""Catalog's routes. They read the request, call one use case, and send the answer."""

from catalog.routes.internal import INTERNAL_ROUTES
from catalog.routes.organizer import ORGANIZER_ROUTES
from catalog.routes.plans import PLAN_ROUTES
from catalog.routes.public import PUBLIC_ROUTES
from catalog.routes.venues import VENUE_ROUTES

ROUTES = [*PUBLIC_ROUTES, *VENUE_ROUTES, *PLAN_ROUTES, *ORGANIZER_ROUTES, *INTERNAL_ROUTES]
