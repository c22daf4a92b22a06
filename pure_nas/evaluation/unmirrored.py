"""Test-time views of images that mean something else in a mirror, such as digits."""

from __future__ import annotations

from pure_nas.evaluation.views import Views


def without_mirrors(views: Views) -> Views:
    """The views to show of such images: five crops where mirror images were among them."""
    return Views("five-crop", views.scales) if views.mirrored else views
