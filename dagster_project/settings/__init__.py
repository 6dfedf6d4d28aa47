"""Typed configuration, read from ``config/`` (or the folder that STEERWORKS_CONFIG names).

Belongs here: the shape and the validation of what a user edits. Does not belong here:
anything that reads data or acts on it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.errors import SteerworksError
from dagster_project.lazily import offering
from dagster_project.project import PROJECT_ROOT
from dagster_project.settings.home import Home
from dagster_project.settings.version_names import base_version

if TYPE_CHECKING:
    from dagster_project.settings.agreement import AgreementPolicy, TrustRules
    from dagster_project.settings.automation import AutomationFile
    from dagster_project.settings.campaigns import Campaign, Pairing
    from dagster_project.settings.curation import Completion, CurationFile, Selection
    from dagster_project.settings.licences import LicencesFile
    from dagster_project.settings.models import BatchMode, Endpoint, ModelsFile, ModelSpec, Terms
    from dagster_project.settings.personal_data import PersonalDataFile
    from dagster_project.settings.publishing import PublishingFile
    from dagster_project.settings.releases import ExportName, ReleaseSpec
    from dagster_project.settings.rubric import Rubric
    from dagster_project.settings.vendors import LabelStudioServer, Vendor, VendorsFile
    from dagster_project.settings.yaml_file import Model

__all__ = [
    "PROJECT_ROOT",
    "AgreementPolicy",
    "AutomationFile",
    "BatchMode",
    "Campaign",
    "Completion",
    "CurationFile",
    "Endpoint",
    "ExportName",
    "Home",
    "LabelStudioServer",
    "LicencesFile",
    "ModelSpec",
    "ModelsFile",
    "Pairing",
    "PersonalDataFile",
    "PublishingFile",
    "ReleaseSpec",
    "Rubric",
    "Selection",
    "Settings",
    "Terms",
    "TrustRules",
    "Vendor",
    "VendorsFile",
    "base_version",
]

_MODULES = {
    "AgreementPolicy": "agreement",
    "AutomationFile": "automation",
    "BatchMode": "models",
    "Campaign": "campaigns",
    "Completion": "curation",
    "CurationFile": "curation",
    "Endpoint": "models",
    "ExportName": "releases",
    "LabelStudioServer": "vendors",
    "LicencesFile": "licences",
    "ModelSpec": "models",
    "ModelsFile": "models",
    "Pairing": "campaigns",
    "PersonalDataFile": "personal_data",
    "PublishingFile": "publishing",
    "ReleaseSpec": "releases",
    "Rubric": "rubric",
    "Selection": "curation",
    "Terms": "models",
    "TrustRules": "agreement",
    "Vendor": "vendors",
    "VendorsFile": "vendors",
}
"""The shape of each file is imported when the file is read: building shapes takes longer than reading most files."""

__getattr__ = offering(__name__, _MODULES)


@dataclass(frozen=True)
class Settings:
    """All configuration of one installation; each file is read when first asked for."""

    folder: Path
    home: Home = field(default_factory=Home.from_environment)

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the settings that STEERWORKS_CONFIG and STEERWORKS_HOME name."""
        folder = Path(os.environ.get("STEERWORKS_CONFIG") or PROJECT_ROOT / "config").resolve()
        return cls(folder, Home.from_environment())

    @cached_property
    def models(self) -> ModelsFile:
        """Endpoints and models."""
        from dagster_project.settings.models import ModelsFile

        return _load(self.folder / "models.yaml", ModelsFile)

    @cached_property
    def vendors(self) -> VendorsFile:
        """Annotation vendors."""
        from dagster_project.settings.vendors import VendorsFile

        return _load(self.folder / "vendors.yaml", VendorsFile)

    @cached_property
    def curation(self) -> CurationFile:
        """Which prompts enter; the models that it names are checked against `models.yaml`."""
        from dagster_project.settings.curation import CurationFile

        curation = _load(self.folder / "curation.yaml", CurationFile).within(self.folder)
        models = self.models.for_curation().models
        for key, slug in curation.models_named().items():
            self._require_models(f"curation.yaml: {key}", (slug,), models)
            if models[slug].batch:
                raise SteerworksError(
                    f"{self.folder / 'curation.yaml'}: {key}: `{slug}` is asked through a Batch API, which takes a day "
                    "for each turn. Name a model without `batch` in models.yaml."
                )
        return curation

    @cached_property
    def licences(self) -> LicencesFile:
        """Which licences and terms may meet in a release; the project's own rules where the folder has none."""
        from dagster_project.settings.licences import LicencesFile

        own = self.folder / "licences.yaml"
        return _load(own if own.exists() else PROJECT_ROOT / "config" / "licences.yaml", LicencesFile)

    @cached_property
    def personal_data(self) -> PersonalDataFile:
        """What counts as personal data; the project's own rules where the folder has none."""
        from dagster_project.settings.personal_data import PersonalDataFile

        own = self.folder / "personal_data.yaml"
        return _load(own if own.exists() else PROJECT_ROOT / "config" / "personal_data.yaml", PersonalDataFile)

    @cached_property
    def automation(self) -> AutomationFile:
        """Schedules and their budgets."""
        from dagster_project.settings.automation import AutomationFile

        return _load(self.folder / "automation.yaml", AutomationFile)

    @cached_property
    def publishing(self) -> PublishingFile:
        """Where releases are published."""
        from dagster_project.settings.publishing import PublishingFile

        return _load(self.folder / "publishing.yaml", PublishingFile)

    @cached_property
    def campaigns(self) -> dict[str, Campaign]:
        """Campaigns by slug; their vendors and models are checked to exist."""
        from dagster_project.settings.campaigns import CampaignsFile

        campaigns = _load(self.folder / "campaigns.yaml", CampaignsFile).campaigns
        for slug, campaign in campaigns.items():
            if campaign.vendor not in self.vendors.vendors:
                raise SteerworksError(
                    f"{self.folder / 'campaigns.yaml'}: campaign `{slug}` names the vendor `{campaign.vendor}`, "
                    f"which vendors.yaml does not have. It has: {', '.join(sorted(self.vendors.vendors))}."
                )
            self._require_admitted(slug, campaign)
            for vendor in campaign.vendors:
                self._require_models(f"vendors.yaml: vendor `{vendor}`", self.vendors.vendors[vendor].judges)
            if pairing := campaign.pairing:
                named = (*(pairing.models or ()), *pairing.weights, *((pairing.baseline,) if pairing.baseline else ()))
                self._require_models(f"campaigns.yaml: campaign `{slug}`", tuple(dict.fromkeys(named)))
        return campaigns

    def campaign(self, slug: str) -> Campaign:
        """Return one campaign.

        Raises:
            SteerworksError: no campaign has this slug.
        """
        if slug not in self.campaigns:
            raise SteerworksError(
                f"there is no campaign `{slug}` in {self.folder / 'campaigns.yaml'}; "
                f"it has: {', '.join(sorted(self.campaigns)) or 'none'}."
            )
        return self.campaigns[slug]

    def vendor_of(self, campaign: str) -> Vendor:
        """Return the vendor whom a campaign's tasks are sent to."""
        return self.vendors.vendors[self.campaign(campaign).vendor]

    def campaigns_of(self, vendor: str) -> list[str]:
        """Return the campaigns that take a vendor's ratings."""
        return [slug for slug, campaign in self.campaigns.items() if vendor in campaign.vendors]

    def rubric_of(self, campaign: str) -> Rubric:
        """Return the rubric of a campaign."""
        from dagster_project.settings.rubric import Rubric

        return _load(self.folder / self.campaign(campaign).rubric, Rubric)

    def policy_of(self, campaign: str) -> AgreementPolicy:
        """Return the agreement policy of a campaign."""
        from dagster_project.settings.agreement import AgreementPolicy

        return _load(self.folder / self.campaign(campaign).policy, AgreementPolicy)

    def release_path(self, version: str) -> Path:
        """Return the file that describes a release; a candidate is described by its base version's."""
        return self.folder / "releases" / f"{base_version(version)}.yaml"

    def release(self, version: str) -> ReleaseSpec:
        """Return what goes into a release."""
        from dagster_project.settings.releases import ReleaseSpec

        spec = _load(self.release_path(version), ReleaseSpec)
        for slug in spec.campaigns:
            self.campaign(slug)
        return spec

    def _require_admitted(self, slug: str, campaign: Campaign) -> None:
        """Raise unless those who rate beside the campaign's own vendor are models, and it is none of them."""
        if campaign.with_models is None:
            return
        where = f"{self.folder / 'campaigns.yaml'}: campaign `{slug}`: with_models:"
        vendors = self.vendors.vendors
        if campaign.with_models not in vendors or vendors[campaign.with_models].kind != "model":
            models = ", ".join(sorted(name for name, vendor in vendors.items() if vendor.kind == "model")) or "none"
            raise SteerworksError(
                f"{where} `{campaign.with_models}` is no vendor of kind `model` in vendors.yaml. It has: {models}."
            )
        if vendors[campaign.vendor].kind == "model":
            raise SteerworksError(f"{where} its vendor `{campaign.vendor}` is a model already. Leave the key out.")

    def _require_models(
        self, where: str, slugs: tuple[str, ...], models: Mapping[str, ModelSpec] | None = None
    ) -> None:
        models = models or self.models.models
        unknown = [slug for slug in slugs if slug not in models]
        if unknown:
            raise SteerworksError(
                f"{self.folder}/{where} names {', '.join(f'`{slug}`' for slug in unknown)}, which models.yaml does "
                f"not have. It has: {', '.join(sorted(models))}. Name one of these there, or add the model."
            )


def _load(path: Path, shape: type[Model]) -> Model:
    from dagster_project.settings.yaml_file import load_model

    return load_model(path, shape)
