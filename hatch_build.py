"""Puts the four content folders into a standard wheel as `nasbench_suite/_content/`.

An editable install reads them from the checkout, so nothing is added there.
"""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONTENT_FOLDERS = ("tabular", "surrogates", "strategies", "leaderboards")


class ContentHook(BuildHookInterface):
    def initialize(self, version, build_data):
        if version != "standard":
            return
        for folder in CONTENT_FOLDERS:
            build_data["force_include"][folder] = f"nasbench_suite/_content/{folder}"
