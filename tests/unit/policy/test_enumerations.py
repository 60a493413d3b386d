"""Our own tables of EPA's enumerations, compared with EPA's schemas where they are at hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from lxml import etree

from pm_autoaccept.policy import enumerations
from pm_autoaccept.policy.cleaning import fold
from pm_autoaccept.policy.fields import FIELDS

_SPEC = importlib.util.spec_from_file_location("epa", Path(__file__).resolve().parents[2] / "epa.py")
epa = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(epa)

_NAMESPACE = {"xs": "http://www.w3.org/2001/XMLSchema"}


@epa.needs_epa
@pytest.mark.parametrize(
    ("file", "path", "ours"),
    [
        ("authorization/authorization.xsd", "//xs:simpleType[@name='shareLevelType']", "ACCESS_LEVELS"),
        ("property/property.xsd", "//xs:simpleType[@name='constructionStatusType']", "CONSTRUCTION_STATUSES"),
        ("property/property.xsd", "//xs:simpleType[@name='primaryFunctionType']", "PRIMARY_FUNCTIONS"),
        ("meter/meter.xsd", "//xs:simpleType[@name='typeOfMeter']", "ENERGY_METER_TYPES"),
        ("meter/meter.xsd", "//xs:simpleType[@name='wasteMeterType']", "WASTE_METER_TYPES"),
        ("meter/meter.xsd", "//xs:element[@name='unitOfMeasure']", "METER_UNITS"),
        ("common/address.xsd", "//xs:attribute[@name='state']", "STATES"),
        ("common/address.xsd", "//xs:simpleType[@name='countryList']", "COUNTRIES"),
    ],
)
def test_enumerations_are_epas(file, path, ours):
    """Each table has exactly the members that EPA's schema has."""
    found = etree.parse(epa.SCHEMAS.parent / file).xpath(path, namespaces=_NAMESPACE)
    # Meters and waste meters have units of their own, some of them the same.
    members = {each for part in found for each in part.xpath(".//xs:enumeration/@value", namespaces=_NAMESPACE)}
    assert sorted(getattr(enumerations, ours)) == sorted(members)


@epa.needs_epa
@pytest.mark.parametrize(
    ("file", "path", "field"),
    [
        ("account/account.xsd", "username", "account.username"),
        ("account/account.xsd", "firstName", "account.first_name"),
        ("account/account.xsd", "lastName", "account.last_name"),
        ("account/account.xsd", "email", "account.email"),
        ("account/account.xsd", "phone", "account.phone"),
        ("account/account.xsd", "jobTitle", "account.job_title"),
        ("common/address.xsd", "address1", "account.address.line1"),
        ("common/address.xsd", "address2", "property.address.line2"),
        ("common/address.xsd", "city", "property.address.city"),
        ("common/address.xsd", "county", "property.address.county"),
        ("common/address.xsd", "postalCode", "property.address.postal_code"),
        ("common/address.xsd", "otherState", "property.address.other_state"),
    ],
)
def test_the_lengths_of_texts_are_epas(file, path, field):
    """No literal is refused for being longer than EPA lets a text be, unless it is."""
    named = f"//*[self::xs:element or self::xs:attribute][@name='{path}']//xs:maxLength/@value"
    found = etree.parse(epa.SCHEMAS.parent / file).xpath(named, namespaces=_NAMESPACE)
    assert {int(each) for each in found} == {FIELDS[field].form.longest}


def test_members_are_folded_already():
    """A member that folding changed would never equal a folded value."""
    for field in FIELDS.values():
        assert all(fold(member) == member for member in field.members)
