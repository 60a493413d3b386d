"""What parse makes of documents that are right, bent, broken and hostile."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept import parse
from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.model import (
    AccountInfo,
    Address,
    CustomField,
    CustomFieldDefinition,
    Kind,
    MeterInfo,
    Notification,
    PendingPage,
    PendingRequest,
    PropertyInfo,
    ProviderAccount,
)
from tests.epa import EXAMPLES, needs_examples

CONNECTION = """
<account><accountId> 410221 </accountId><username>river side</username>
 <customFieldList><customField name="Number">00-998</customField><customField>nameless</customField></customFieldList>
 <accountInfo><address address1="77 Dock Road" city="Portland" state="OR" postalCode="97205" country="US"/>
 <email>ops@riverside.example</email><firstName>Ines</firstName><lastName>O<!-- x -->k<![CDATA[<a>]]>for</lastName>
 </accountInfo>
 <connectionAudit><createdBy>other</createdBy><createdByAccountId>-14</createdByAccountId>
 <createdDate>2025-03-04T09:12:07.123456789-05:00</createdDate></connectionAudit></account>"""
PROPERTY_INFO = """
<propertyInfo><name>Tower</name><address address1="80 Dock Road" address2="U" county="M" otherState="Z"/>
 <numberOfBuildings>2</numberOfBuildings><constructionStatus>Existing</constructionStatus>
 <primaryFunction>Office</primaryFunction><yearBuilt>1998</yearBuilt>
 <grossFloorArea units="Square Meters"><value>1000</value></grossFloorArea>
 <occupancyPercentage>95</occupancyPercentage><isFederalProperty>0</isFederalProperty>
 <isInstitutionalProperty>true</isInstitutionalProperty></propertyInfo>"""
PROPERTY = f"""
<property><propertyId>8120045</propertyId><accessLevel>Read Write</accessLevel><accountId>410221</accountId>
 <username>riverside</username>{PROPERTY_INFO}<shareAudit><createdBy>green</createdBy>
 <createdByAccountId>395500</createdByAccountId><createdDate>2025-03-05T11:29:54Z</createdDate></shareAudit></property>
"""
METER_INFO = """
<meterInfo><name>Main</name><metered>true</metered><firstBillDate>2015-01-01-05:00</firstBillDate><inUse>1</inUse>
 <inactiveDate>2020-02-29</inactiveDate><aggregateMeter>false</aggregateMeter><type>Electric</type>
 <unitOfMeasure>kWh (thousand Watt-hours)</unitOfMeasure></meterInfo>"""
METER = f"""
<meter><meterId>30511977</meterId><propertyId>8120045</propertyId><accountId>410221</accountId>
 <accessLevel>Read</accessLevel>{PROPERTY_INFO}{METER_INFO}</meter>"""
OF = {Kind.CONNECTION: CONNECTION, Kind.PROPERTY: PROPERTY, Kind.METER: METER}


def page(*elements: str, kind: Kind = Kind.CONNECTION) -> PendingPage:
    """A pending list of these elements, parsed."""
    return parse.parse_pending_page(kind, f"<pendingList>{''.join(elements)}</pendingList>".encode())


def only(element: str, kind: Kind) -> PendingRequest:
    """The one request of a list."""
    (request,) = page(element, kind=kind).requests
    return request


def test_a_connection_is_read_by_name() -> None:
    """Every field of a connection stands where the policy looks for it, text as the customer wrote it."""
    request = only(CONNECTION, Kind.CONNECTION)
    assert request.source.startswith(b"<account>")
    assert request.source.endswith(b"</account>")
    assert request == PendingRequest(
        kind=Kind.CONNECTION,
        id=410221,
        account_id=410221,
        username="river side",
        sender_id=-14,
        sender_username="other",
        requested_at=datetime.fromisoformat("2025-03-04T09:12:07.123456-05:00"),
        custom=(CustomField("Number", "00-998"), CustomField("", "nameless")),
        account_info=AccountInfo(
            first_name="Ines",
            last_name="Ok<a>for",
            email="ops@riverside.example",
            address=Address(line1="77 Dock Road", city="Portland", state="OR", postal_code="97205", country="US"),
        ),
        source=request.source,
    )


def test_a_property_share_is_read_by_name() -> None:
    """A property share brings its facts, the area in square feet."""
    request = only(PROPERTY, Kind.PROPERTY)
    assert request == PendingRequest(
        kind=Kind.PROPERTY,
        id=8120045,
        account_id=410221,
        username="riverside",
        sender_id=395500,
        sender_username="green",
        requested_at=datetime(2025, 3, 5, 11, 29, 54, tzinfo=UTC),
        access_level="Read Write",
        property_id=8120045,
        property_info=PropertyInfo(
            name="Tower",
            primary_function="Office",
            construction_status="Existing",
            gross_floor_area=Decimal("10763.9104167000"),
            year_built=1998,
            number_of_buildings=2,
            occupancy=95,
            is_federal=False,
            is_institutional=True,
            address=Address(line1="80 Dock Road", line2="U", county="M", other_state="Z"),
        ),
        source=request.source,
    )


def test_a_meter_share_is_read_by_name() -> None:
    """A meter share brings its meter and its property, and what is missing is None without a fault."""
    request = only(METER, Kind.METER)
    assert (request.id, request.property_id, request.access_level) == (30511977, 8120045, "Read")
    assert (request.username, request.requested_at, request.sender_id, dict(request.faults)) == (None, None, None, {})
    assert request.property_info is not None
    assert request.property_info.year_built == 1998
    assert request.meter_info == MeterInfo(
        category="energy",
        name="Main",
        type="Electric",
        unit="kWh (thousand Watt-hours)",
        metered=True,
        in_use=True,
        first_bill_date=date(2015, 1, 1),
        inactive_date=date(2020, 2, 29),
        aggregate=False,
    )


def test_a_waste_meter_is_a_meter() -> None:
    """What stands in wasteMeterInfo is read like meterInfo, its category being waste."""
    request = only(METER.replace("meterInfo>", "wasteMeterInfo>"), Kind.METER)
    assert request.meter_info is not None
    assert (request.meter_info.category, request.meter_info.type) == ("waste", "Electric")


@pytest.mark.parametrize("info", [METER_INFO + METER_INFO.replace("meterInfo", "wasteMeterInfo"), ""])
def test_a_meter_with_both_or_neither_info_is_in_doubt(info: str) -> None:
    """Both or neither of meterInfo and wasteMeterInfo: nothing about the meter is believed."""
    request = only(METER.replace(METER_INFO, info), Kind.METER)
    assert request.meter_info == MeterInfo()
    assert {"meter.type", "meter.category", "meter.in_use", "meter.name"} <= set(request.faults)
    assert "meterInfo" in request.faults["meter.type"]


@pytest.mark.parametrize(
    ("kind", "old", "new", "field"),
    [
        (Kind.PROPERTY, "<yearBuilt>1998", "<yearBuilt>abc", "property.year_built"),
        (Kind.PROPERTY, "<yearBuilt>1998", "<yearBuilt>", "property.year_built"),
        (Kind.PROPERTY, "<yearBuilt>1998", "<yearBuilt>1_998", "property.year_built"),
        (Kind.PROPERTY, "<yearBuilt>1998", "<yearBuilt>\u0661\u0662", "property.year_built"),
        (Kind.PROPERTY, "<yearBuilt>1998", "<yearBuilt><x/>1998", "property.year_built"),
        (Kind.PROPERTY, "<yearBuilt>1998", "<yearBuilt>1999</yearBuilt><yearBuilt>1998", "property.year_built"),
        (Kind.PROPERTY, "<name>Tower", "<name><b/>Tower", "property.name"),
        (Kind.PROPERTY, "Property>0<", "Property>False<", "property.is_federal"),
        (Kind.PROPERTY, ">true<", ">yes<", "property.is_institutional"),
        (Kind.PROPERTY, "Square Meters", "Acres", "property.gross_floor_area"),
        (Kind.PROPERTY, ' units="Square Meters"', "", "property.gross_floor_area"),
        (Kind.PROPERTY, "<value>1000</value>", "", "property.gross_floor_area"),
        (Kind.PROPERTY, "<value>1000", "<value>1e3", "property.gross_floor_area"),
        (Kind.PROPERTY, ">95<", ">ninety<", "property.occupancy"),
        (
            Kind.PROPERTY,
            "<numberOfBuildings>2",
            "<numberOfBuildings>9223372036854775808",
            "property.number_of_buildings",
        ),
        (Kind.PROPERTY, ">Read Write<", ">Read write<", "access_level"),
        (Kind.PROPERTY, "54Z", "54", "requested_at"),
        (Kind.PROPERTY, "2025-03-05T", "2025-02-30T", "requested_at"),
        (Kind.PROPERTY, "2025-03-05T11:29:54Z", "0001-01-01T00:00:00+14:00", "requested_at"),
        (Kind.PROPERTY, "2025-03-05T11:29:54Z", "yesterday", "requested_at"),
        (Kind.PROPERTY, "<accountId>410221", "<accountId>-1", "account.id"),
        (Kind.PROPERTY, "<accountId>410221", "<accountId>1</accountId><accountId>410221", "account.id"),
        (Kind.PROPERTY, "<username>", "<username>other</username><username>", "account.username"),
        (Kind.PROPERTY, "<createdByAccountId>395500", "<createdByAccountId>x", "sender.id"),
        (Kind.PROPERTY, "<createdBy>green", "<createdBy><b/>", "sender.username"),
        (Kind.METER, "<propertyId>8120045", "<propertyId>x", "property.id"),
        (Kind.METER, "2015-01-01-05:00", "2015-13-01", "meter.first_bill_date"),
        (Kind.METER, "2020-02-29", "soon", "meter.inactive_date"),
        (Kind.METER, "<inUse>1", "<inUse>TRUE", "meter.in_use"),
        (Kind.METER, "<metered>true", "<metered>", "meter.metered"),
        (Kind.METER, "<aggregateMeter>false", "<aggregateMeter>no", "meter.aggregate"),
        (Kind.CONNECTION, ">00-998<", "><b/>00-998<", "custom.Number"),
        (Kind.CONNECTION, "<firstName>", "<firstName><b/>", "account.first_name"),
    ],
)
def test_what_cannot_be_read_is_a_fault_of_that_field_alone(kind: Kind, old: str, new: str, field: str) -> None:
    """An unreadable element is recorded under the policy's name for it, and all else is read as before."""
    assert old in OF[kind]
    request = only(OF[kind].replace(old, new, 1), kind)
    assert set(request.faults) == {field}
    assert request.faults[field]
    assert request.id == only(OF[kind], kind).id


def test_a_missing_offset_is_named() -> None:
    """A time without an offset could be any of several hours, and the fault says so."""
    request = only(PROPERTY.replace("54Z", "54"), Kind.PROPERTY)
    assert request.requested_at is None
    assert "no time zone offset" in request.faults["requested_at"]


def test_a_group_that_stands_twice_is_believed_only_if_it_says_the_same() -> None:
    """Two different propertyInfo elements leave every property field in doubt; two equal ones are one."""
    other = PROPERTY_INFO.replace("1998", "1999")
    doubtful = only(PROPERTY.replace(PROPERTY_INFO, PROPERTY_INFO + other), Kind.PROPERTY)
    assert doubtful.property_info == PropertyInfo()
    assert {"property.year_built", "property.gross_floor_area", "property.address.city"} <= set(doubtful.faults)
    twice = only(PROPERTY.replace(PROPERTY_INFO, PROPERTY_INFO.strip() * 2), Kind.PROPERTY)
    assert twice.faults == {}


def test_optional_groups_may_be_missing() -> None:
    """A share without propertyInfo, area or audit is still a share; what the schema requires is not made up."""
    request = only("<property><propertyId>5</propertyId></property>", Kind.PROPERTY)
    assert (request.property_info, request.account_id, dict(request.faults)) == (None, None, {})
    request = only(PROPERTY.replace("grossFloorArea", "irrigatedArea"), Kind.PROPERTY)
    assert request.property_info is not None
    assert (request.property_info.gross_floor_area, dict(request.faults)) == (None, {})


@pytest.mark.parametrize(
    ("element", "why"),
    [
        ("<account><accountId>abc</accountId></account>", "not a whole number: 'abc'"),
        ("<account><accountId>0</accountId></account>", "above 0"),
        ("<account><accountId>-7</accountId></account>", "above 0"),
        (f"<account><accountId>{'9' * 60}</accountId></account>", "…"),
        ("<account><accountId>1</accountId><accountId>2</accountId></account>", "more than once"),
        ("<account/>", "no accountId"),
        (PROPERTY, "a property element in the connection list"),
    ],
)
def test_an_element_without_a_usable_id_does_not_stop_the_others(element: str, why: str) -> None:
    """What cannot be answered is kept with its bytes, and the request beside it is read."""
    read = page(element, CONNECTION)
    (unreadable,) = read.unreadable
    assert why in unreadable.why
    assert unreadable.source.startswith(element.strip()[:9].encode())
    assert [request.id for request in read.requests] == [410221]


@pytest.mark.parametrize(
    ("body", "has_next"),
    [
        ("<pendingList/>", False),
        ("<pendingList></pendingList>", False),
        ("<pendingList><links/></pendingList>", False),
        ('<pendingList><links><link linkDescription="previous page"/><link/></links></pendingList>', False),
        ('<pendingList><links><link/><link linkDescription="next page" link="/x?page=2"/></links></pendingList>', True),
        ('<pendingList><links><link linkDescription=" Next  Page "/></links></pendingList>', True),
        ('<p:pendingList xmlns:p="u"><p:links><p:link linkDescription="next page"/></p:links></p:pendingList>', True),
        (
            '<p:pendingList xmlns:p="u"><p:links><p:link p:linkDescription="next page"/></p:links></p:pendingList>',
            False,
        ),
    ],
)
def test_an_empty_list_has_many_forms_and_only_the_next_page_link_leads_on(body: str, *, has_next: bool) -> None:
    """Links are not a next page; only the link described so is."""
    assert parse.parse_pending_page(Kind.METER, body.encode()) == PendingPage((), (), has_next)


def test_namespaces_do_not_matter() -> None:
    """A list with a namespace reads as one without."""
    plain = only(METER, Kind.METER)
    (spaced,) = parse.parse_pending_page(Kind.METER, f'<pendingList xmlns="u">{METER}</pendingList>'.encode()).requests
    assert (spaced.id, spaced.meter_info, spaced.property_info) == (plain.id, plain.meter_info, plain.property_info)


def of_one(kind: Kind, found: Callable[[PendingRequest], object]) -> Callable[[bytes], object]:
    """What is found in the one request of a list."""
    return lambda body: [found(request) for request in parse.parse_pending_page(kind, body).requests]


def listed(link: str) -> str:
    """A list of one link."""
    return f'<response status="Ok"><links>{link}</links></response>'


ATTRIBUTES: dict[str, tuple[Callable[[bytes], object], str, str, object]] = {
    "status": (lambda body: parse.parse_response(body).ok, '<response{}status="Error"{}/>', 'r:status="Ok"', False),
    "no status": (lambda body: parse.parse_response(body).ok, "<response{}{}/>", 'r:status="Ok"', False),
    "error": (
        lambda body: parse.parse_response(body).errors,
        '<response><errors><error{}errorNumber="-100" errorDescription="No."{}/></errors></response>',
        'r:errorNumber="-200" r:errorDescription="Yes."',
        (parse.ServiceError(-100, "No."),),
    ),
    "next page": (
        lambda body: parse.parse_pending_page(Kind.METER, body).has_next,
        '<pendingList><links><link{}linkDescription="previous page"{}/></links></pendingList>',
        'r:linkDescription="next page"',
        False,
    ),
    "customer": (parse.parse_customer_list, listed('<link{}id="7"{}/>'), 'r:id="8" r:link="/customer/8"', {7}),
    "property": (parse.parse_property_links, listed('<link{}link="/building/5"{}/>'), 'r:link="/building/6"', {5}),
    "custom field": (
        parse.parse_custom_field_links,
        listed('<link{}id="4" hint="Parcel"{}/>'),
        'r:hint="Number" xml:id="a5"',
        (CustomFieldDefinition(id=4, name="Parcel"),),
    ),
    "definition": (
        lambda body: parse.parse_custom_field(body, id=4),
        '<customField{}name="Parcel" required="true"{}/>',
        'r:name="Number" r:required="false" r:whenToPrompt="Never" r:validCharacters="Any"',
        CustomFieldDefinition(id=4, name="Parcel", required=True),
    ),
    "answer": (
        of_one(Kind.CONNECTION, lambda request: request.custom),
        """<pendingList><account><accountId>1</accountId><customFieldList>
        <customField{}name="Parcel"{}>7</customField></customFieldList></account></pendingList>""",
        'r:name="Number"',
        [(CustomField("Parcel", "7"),)],
    ),
    "answer at connection": (
        parse.parse_custom_field_values,
        '<customFieldList><customField{}name="Parcel"{}>7</customField></customFieldList>',
        'r:name="Number"',
        (CustomField("Parcel", "7"),),
    ),
    "floor area": (
        of_one(Kind.PROPERTY, lambda request: request.property_info and request.property_info.gross_floor_area),
        """<pendingList><property><propertyId>1</propertyId><propertyInfo><grossFloorArea
        {}units="Square Feet"{}><value>5</value></grossFloorArea></propertyInfo></property></pendingList>""",
        'r:units="Square Meters"',
        [Decimal(5)],
    ),
    "address": (
        parse.parse_customer,
        '<customer><accountInfo><address{}city="Portland"{}/></accountInfo></customer>',
        'r:city="Salem" r:state="IL"',
        AccountInfo(address=Address(city="Portland")),
    ),
}
"""A reader, a document with room for attributes with a prefix, those, and what is read all the same."""


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_with_a_prefix_is_another_attribute(name: str, *, before: bool) -> None:
    """Only the plain attribute counts, in every document, whether the other stands before or behind it."""
    read, document, prefixed, expected = ATTRIBUTES[name]
    there = f' xmlns:r="x" {prefixed} '
    assert read(document.format(*((there, "") if before else (" ", there))).encode()) == expected


BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 50}">' for n in range(12))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{}", "not well-formed"),
        (b"<pendingList>", "not well-formed"),
        (b"\x00\xff", "not well-formed"),
        (b"<pendingList>&unknown;</pendingList>", "not well-formed"),
        (b'<?xml version="1.0" encoding="none-such"?><pendingList/>', "not well-formed"),
        (b"<html><body>Down for maintenance<br></body></html>", "HTML"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html/>", "HTML"),
        (b"<!DOCTYPE pendingList><pendingList/>", "DOCTYPE"),
        (b'<!DOCTYPE p [<!ENTITY x "y">]><pendingList>&x;</pendingList>', "DOCTYPE"),
        (b'<!DOCTYPE p SYSTEM "file:///etc/passwd"><pendingList/>', "DOCTYPE"),
        ('<!DOCTYPE p [<!ENTITY x "y">]><pendingList/>'.encode("utf-16"), "DOCTYPE"),
        (f'<!DOCTYPE p [{BOMB}]><pendingList a="&e11;"/>'.encode(), "not well-formed"),
        (f"<!DOCTYPE p [{BOMB}]><pendingList>&e11;</pendingList>".encode(), "DOCTYPE|entity"),
        (b'<response status="Error"/>', "<response> document, where <pendingList>"),
        (b"<a>" * 10_000 + b"</a>" * 10_000, "depth|deep"),
        (b"<pendingList>" * 201 + b"</pendingList>" * 201, "more than 200 levels deep"),
        (b"<pendingList>" + b" " * parse.MAX_BYTES + b"</pendingList>", "bytes; at most"),
        (b"<pendingList>" + b"<a/>" * (parse.MAX_MARKS + 1) + b"</pendingList>", "too many elements"),
        (gzip.compress(b"<pendingList/>", mtime=0), "not well-formed"),
    ],
)
def test_a_document_that_cannot_be_trusted_is_refused(body: bytes, why: str) -> None:
    """What is no pending list, or hostile, is refused in words that say what it was."""
    with pytest.raises(DocumentRefused, match=why) as refusal:
        parse.parse_pending_page(Kind.CONNECTION, body)
    assert len(str(refusal.value)) < 400


def test_two_hundred_levels_are_read() -> None:
    """The limit of depth lies above 200, whatever libxml2's own may be."""
    assert not parse.parse_pending_page(Kind.METER, b"<pendingList>" * 200 + b"</pendingList>" * 200).requests


def test_only_short_responses_are_remembered_and_refusals_never():
    """Nearly every reply to an answer has the same bytes; a long one is of interest once."""
    short, long = b'<response status="Ok"/>', b'<response status="Ok">%s</response>' % (b" " * 500)
    assert parse.parse_response(short) is parse.parse_response(short)
    assert parse.parse_response(long) is not parse.parse_response(long)
    for _ in range(2):
        with pytest.raises(DocumentRefused):
            parse.parse_response(b"<nothing/>")


def test_a_response_says_ok_or_what_is_wrong() -> None:
    """Only status Ok without an error is Ok."""
    assert parse.parse_response(b'<response status="Ok"/>') == parse.Response(ok=True)
    error = b'<errors><error errorNumber="-200" errorDescription="No."/><error errorNumber="x"/></errors>'
    errors = (parse.ServiceError(-200, "No."), parse.ServiceError(None, ""))
    assert parse.parse_response(b'<response status="Error">%s</response>' % error) == parse.Response(
        ok=False, errors=errors
    )
    assert not parse.parse_response(b'<response status="Ok">%s</response>' % error).ok
    assert parse.parse_response(b'<response status="Error">%s</response>' % error).is_error
    for unsure in (b'<response status="Error"/>', b'<response status="Ok">%s</response>' % error, b"<response/>"):
        assert not parse.parse_response(unsure).is_error
    assert not parse.parse_response(b"<response/>").ok


def links(*attributes: str) -> bytes:
    """A response with links of these attributes."""
    return (
        f'<response status="Ok"><links>{"".join(f"<link {each}/>" for each in attributes)}</links></response>'.encode()
    )


def test_lists_of_links_give_ids() -> None:
    """Ids come from the address or the id attribute."""
    assert parse.parse_customer_list(links('id="7" link="/customer/7"', 'link="/customer/8"', 'id="9"')) == {7, 8, 9}
    assert parse.parse_property_links(links('link="/building/5" hint="Tower"', 'link="/property/6/"')) == {5, 6}
    assert parse.parse_custom_field_links(
        links(
            'link="/dataExchangeSettings/customField/46" hint="Parcel"', 'link="/dataExchangeSettings/customField/47"'
        )
    ) == (CustomFieldDefinition(id=46, name="Parcel"), CustomFieldDefinition(id=47, name=""))
    assert parse.parse_customer_list(links()) == frozenset()
    assert parse.parse_property_links(b'<response status="Ok"/>') == frozenset()


@pytest.mark.parametrize(
    "body",
    [
        links('hint="nobody"'),
        links('id="7" link="/customer/8"'),
        links('link="/customer/x"'),
        links('id="7"', 'linkDescription="next page" link="/customer/list?page=2"'),
        b'<response status="Error"/>',
    ],
)
def test_a_list_that_is_not_whole_is_refused(body: bytes) -> None:
    """A link without an id, with two, or to another page: such a list would be taken for whole."""
    with pytest.raises(DocumentRefused):
        parse.parse_customer_list(body)


def test_our_own_account() -> None:
    """GET /account names us."""
    assert parse.parse_account(b"<account><id>3</id><username>me</username></account>") == ProviderAccount(3, "me")


def test_a_customer() -> None:
    """GET /customer/{id} says who a customer is; without accountInfo nothing is known."""
    body = b"<customer><accountInfo><phone>1</phone><jobTitle>J</jobTitle></accountInfo></customer>"
    assert parse.parse_customer(body) == AccountInfo(phone="1", job_title="J")
    with pytest.raises(DocumentRefused, match="lacks accountInfo"):
        parse.parse_customer(b"<customer/>")


def test_custom_field_values_and_definitions() -> None:
    """Values stay text, and a definition carries its limits."""
    values = b'<customFieldList><customField name="A"> 007 </customField><customField name="A"/></customFieldList>'
    assert parse.parse_custom_field_values(values) == (CustomField("A", " 007 "), CustomField("A", ""))
    body = (
        b'<customField name="A" required="true" validCharacters="Any" whenToPrompt="Once">'
        b"<minChars>3</minChars><maxChars>20</maxChars></customField>"
    )
    assert parse.parse_custom_field(body, id=4) == CustomFieldDefinition(
        id=4, name="A", required=True, valid_characters="Any", when_to_prompt="Once", min_chars=3, max_chars=20
    )
    assert parse.parse_custom_field(b"<customField/>", id=4) == CustomFieldDefinition(id=4, name="")


def test_answers_are_replaced_wherever_they_stand_and_nothing_else_is() -> None:
    """What is kept of a request can have other answers in it; the rest stays byte for byte, markup inside one goes."""
    fields = (
        '<customField name="Card"> 12<b>3</b>4 </customField>\n<customField name="Name">O&amp;k</customField>'
        "<customField>nameless</customField>"
    )
    source = f"<account><accountId>1</accountId><deep>{fields}</deep></account>".encode()
    asked: list[tuple[str, str]] = []

    def hidden(name: str, text: str) -> str | None:
        asked.append((name, text))
        return "(hidden)" if name in ("Card", "") else None

    assert parse.replace_answers(source, hidden).decode() == (
        '<account><accountId>1</accountId><deep><customField name="Card">(hidden)</customField>\n'
        '<customField name="Name">O&amp;k</customField><customField name="">(hidden)</customField></deep></account>'
    )
    assert asked == [("Card", " 1234 "), ("Name", "O&k"), ("", "nameless")]
    assert parse.replace_answers(source, lambda _name, _text: None) is source
    with pytest.raises(DocumentRefused, match="not well-formed XML"):
        parse.replace_answers(b"<account>", hidden)


def test_a_hierarchy() -> None:
    """GET /idHierarchy names what stands above."""
    body = b"<hierarchy><accountId>1</accountId><username>u</username><propertyId>2</propertyId></hierarchy>"
    assert parse.parse_hierarchy(body) == parse.Hierarchy(account_id=1, username="u", property_id=2)


def test_notifications() -> None:
    """Notifications are read one by one; without an id there is none, and what is unreadable is None."""
    body = (
        b"<notificationList><notification><notificationId>x</notificationId></notification><notification>"
        b"<notificationTypeCode>UNSHARE</notificationTypeCode><notificationId>7</notificationId>"
        b"<description>Gone.</description><accountId>1</accountId><meterId>many</meterId>"
        b"<notificationCreatedDate>2025-04-10T11:19:25-04:00</notificationCreatedDate>"
        b"<notificationCreatedByAccountId>1</notificationCreatedByAccountId>"
        b"</notification><notification><notificationId>8</notificationId></notification></notificationList>"
    )
    assert parse.parse_notifications(body) == (
        Notification(
            id=7,
            type="UNSHARE",
            description="Gone.",
            account_id=1,
            created_at=datetime(2025, 4, 10, 15, 19, 25, tzinfo=UTC),
            created_by_account_id="1",
        ),
        Notification(id=8, type="", description=""),
    )
    assert parse.parse_notifications(b"<notificationList/>") == ()


PARSERS = {
    "connections": lambda body: parse.parse_pending_page(Kind.CONNECTION, body),
    "properties": lambda body: parse.parse_pending_page(Kind.PROPERTY, body),
    "meters": lambda body: parse.parse_pending_page(Kind.METER, body),
    "response": parse.parse_response,
    "account": parse.parse_account,
    "customers": parse.parse_customer_list,
    "customer": parse.parse_customer,
    "shared properties": parse.parse_property_links,
    "custom field values": parse.parse_custom_field_values,
    "custom fields": parse.parse_custom_field_links,
    "custom field": lambda body: parse.parse_custom_field(body, id=1),
    "hierarchy": parse.parse_hierarchy,
    "notifications": parse.parse_notifications,
}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("account", b"<account><id>3</id></account>"),
        ("account", b"<account><username>me</username></account>"),
        ("account", b"<account><id>-3</id><username>me</username></account>"),
        ("customer", b"<customer><accountInfo><email><b/></email></accountInfo></customer>"),
        ("custom field values", b'<customFieldList><customField name="A"><b/></customField></customFieldList>'),
        ("custom field", b'<customField name="A" required="maybe"/>'),
        ("hierarchy", b"<hierarchy><propertyId>?</propertyId></hierarchy>"),
    ],
)
def test_a_fact_that_is_half_read_is_refused(name: str, body: bytes) -> None:
    """Half a fact would be taken for whole."""
    with pytest.raises(DocumentRefused):
        PARSERS[name](body)


# What XML forbids

FORBIDDEN = ["\0", "\b", "\x0b", "\x0c", "\x0e", "\x1f", "\ud800", "\udfff", "\ufffe", "\uffff"]
ENCODED = {
    "utf-8": ("", "utf-8"),
    "utf-8 declared": ('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>', "utf-8"),
    "utf-8 with a mark": ('<?xml version="1.0" encoding="iso-8859-1"?>', "utf-8-sig"),
    "utf-16": ('<?xml version="1.0" encoding="utf-8"?>', "utf-16"),
    "utf-16-le": ("<?xml version='1.0' encoding='UTF-16'?>", "utf-16-le"),
    "utf-16-be": ('<?xml version="1.0"?>', "utf-16-be"),
    "utf-32": ("", "utf-32"),
    "utf-32-le": ("", "utf-32-le"),
    "utf-32-be": ("", "utf-32-be"),
    "latin-1": ('<?xml version="1.0" encoding="ISO-8859-1"?>', "iso-8859-1"),
    "windows": ('<?xml version="1.0" encoding = "windows-1252"?>', "cp1252"),
    "ascii": ('<?xml version="1.0"  encoding="us-ascii"?>', "ascii"),
}
"""How a document says its encoding, and what it really is."""
PLACES = {
    "text": "<jobTitle>Head%s</jobTitle>",
    "text alone": "<organization>%s</organization>",
    "attribute": '<address address1="77 Dock%s Road" city="Portland"/>',
    "CDATA": "<jobTitle><![CDATA[A & B%s]]></jobTitle>",
    "comment": "<jobTitle>Head<!-- of%s --></jobTitle>",
    "instruction": "<jobTitle>Head<?of %s?></jobTitle>",
    "what nobody reads": "<notes><page>%s</page></notes>",
    "attribute that nobody reads": '<email checked="%s"/>',
    "between elements": "<firstName>Ines</firstName>%s<lastName>Okafor</lastName>",
}
NO_REFERENCES = ("CDATA", "comment", "instruction", "between elements")


def account(number: int, more: str = "") -> str:
    """A connection request."""
    field = '<customFieldList><customField name="Number">%s</customField></customFieldList>'
    return f"<account><accountId>{number}</accountId>{field}<accountInfo>{more}</accountInfo></account>"


def three(more: str) -> str:
    """A list of three requests; more stands in the second one."""
    return f"<pendingList>{account(1)}{account(2, more)}{account(3)}</pendingList>"


def outcome(read: Callable[[bytes], object], body: bytes) -> object:
    """What is read, or why it is refused."""
    try:
        return read(body)
    except DocumentRefused as refusal:
        return f"refused: {refusal}"


def connections(body: bytes) -> object:
    """The ids of a list of connections, with where each has what XML forbids."""
    read = parse.parse_pending_page(Kind.CONNECTION, body)
    return [(each.id, each.garbled is not None) for each in read.requests]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("encoding", ENCODED)
def test_a_forbidden_character_stands_in_the_way_of_its_own_request_alone(encoding: str, place: str) -> None:
    """Whatever the encoding, and wherever in the request it stands, the others are read as if it were not there."""
    declared, codec = ENCODED[encoding]
    for character in FORBIDDEN if codec.startswith("utf") else FORBIDDEN[:6]:
        body = (declared + three(PLACES[place] % character)).encode(codec, "surrogatepass")
        assert outcome(connections, body) == [(1, False), (2, True), (3, False)], character
    body = (declared + three(PLACES[place] % "")).encode(codec)
    assert outcome(connections, body) == [(1, False), (2, False), (3, False)]


@pytest.mark.parametrize("place", [place for place in PLACES if place not in NO_REFERENCES])
@pytest.mark.parametrize(
    "reference",
    ["&#11;", "&#x0B;", "&#xb;", "&#0;", "&#0000000000000000000011;", "&#xD800;", "&#57343;", "&#xFFFE;", "&#65535;",
     "&#x110000;", "&#1114112;", "&#4294967361;", "&#x" + "4" * 5_000 + ";", "&#" + "9" * 5_000 + ";"],
)  # fmt: skip
def test_a_reference_to_a_forbidden_character_is_one(place: str, reference: str) -> None:
    """Whatever its radix, its zeros and its length."""
    assert outcome(connections, three(PLACES[place] % reference).encode()) == [(1, False), (2, True), (3, False)]
    allowed = three(PLACES[place] % "&#9;&#x41;&#xD7FF;&#xE000;&#xFFFD;&#x1F600;&#x10FFFF;&#0065;").encode()
    assert outcome(connections, allowed) == [(1, False), (2, False), (3, False)]


def test_a_forbidden_character_changes_no_other_text() -> None:
    """References, CDATA, comments and line ends beside it are read as ever; in CDATA nothing is a reference."""
    text = "A &amp; B &lt;x&gt; &#38;&#x26;<!-- &#11; --> <![CDATA[&#11; <!-- <b> ]]>\r\n\u00e9\U0001f600\ufffd"
    clean, spoilt = (three(f"<jobTitle>{text}</jobTitle>").replace("%s", each) for each in ("", "&#11;"))

    def titles(body: bytes) -> object:
        read = parse.parse_pending_page(Kind.CONNECTION, body).requests
        return [(each.account_info and each.account_info.job_title, each.custom, each.source[:9]) for each in read]

    body = clean.replace("<accountId>3", "<notes>\x0b</notes><accountId>3").encode()
    assert outcome(titles, body) == titles(clean.encode())
    assert outcome(connections, body) == [(1, False), (2, False), (3, True)]
    (_, (title, (custom,), _), _) = titles(spoilt.encode())
    assert title == "A & B <x> && &#11; <!-- <b> \n\u00e9\U0001f600\ufffd"
    assert custom.value == "\ufffd"


def test_people_see_where_it_stands() -> None:
    """The element, or the attribute, by its path; and one character that everybody knows in place of the other."""
    places = {
        '<address city="Port\x0bland"/>': "account/accountInfo/address/@city",
        '<address x:city="Port&#0;land" xmlns:x="u"/>': "account/accountInfo/address/@city",
        "<jobTitle>\x00</jobTitle>": "account/accountInfo/jobTitle",
        "<notes><page/>\x01</notes>": "account/accountInfo/notes",
        f"<{'n' * 5_000}>\x01</{'n' * 5_000}>": f"account/accountInfo/{'n' * 180}",
    }
    for more, place in places.items():
        read = outcome(lambda body: parse.parse_pending_page(Kind.CONNECTION, body).requests[1], three(more).encode())
        assert isinstance(read, PendingRequest), read
        assert read.garbled == place
    for name in ("a\x0bb", "a&#11;b", "<![CDATA[a\x0bb]]>", "a<!--\x0b-->b", "a<?x \x0b?>b"):
        request = only(f"<account><accountId>1</accountId><username>{name}</username></account>", Kind.CONNECTION)
        assert (request.username, request.garbled) == ("a\ufffdb", "account/username")


def test_what_is_kept_of_it_says_so_again() -> None:
    """The ledger reads requests again from their bytes."""
    body = three("<jobTitle>\x0b</jobTitle>").encode()
    request = outcome(lambda body: parse.parse_pending_page(Kind.CONNECTION, body).requests[1], body)
    assert isinstance(request, PendingRequest), request
    assert only(request.source.decode(), Kind.CONNECTION) == request


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("put", ["\x0b", "&#11;", "<!--\x0b-->", "<?x \x0b?>", "<![CDATA[\x0b]]>"])
def test_a_forbidden_character_in_the_id_leaves_none(kind: Kind, put: str) -> None:
    """An id that is not sure is none, wherever in it the character stands; the request beside it is read."""
    (name, number) = {
        Kind.CONNECTION: ("accountId", " 410221 "),
        Kind.PROPERTY: ("propertyId", "8120045"),
        Kind.METER: ("meterId", "30511977"),
    }[kind]
    for cut in (0, 3, len(number)):
        spoilt = OF[kind].replace(f"<{name}>{number}", f"<{name}>{number[:cut]}{put}{number[cut:]}", 1)
        body = f"<pendingList>{spoilt}{OF[kind]}</pendingList>".encode()
        read = outcome(lambda body: parse.parse_pending_page(kind, body), body)
        assert isinstance(read, PendingPage), read
        (unreadable,) = read.unreadable
        assert "not a whole number" in unreadable.why
        assert "\ufffd" in unreadable.why
        assert [request.id for request in read.requests] == [only(OF[kind], kind).id]


def test_a_name_of_a_custom_field_with_a_forbidden_character_names_none() -> None:
    """Then nobody knows what was asked."""
    field = '<customFieldList><customField name="Num\x0bber">7</customField></customFieldList>'
    faults = of_one(Kind.CONNECTION, lambda request: set(request.faults))
    body = f"<pendingList><account><accountId>1</accountId>{field}</account></pendingList>".encode()
    assert outcome(faults, body) == [{"custom."}]


def is_text(document: str, place: int) -> bool:
    """Whether what is put in here stands in a text or in an attribute's value, within the root."""
    before = document[:place]
    opened = before.rfind("<")
    if opened > before.rfind(">"):
        return before[opened:].count('"') % 2 == 1
    return 0 < place < len(document)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("put", ["\x0b", "&#11;"])
def test_wherever_it_stands(kind: Kind, put: str) -> None:
    """At every place of a list: in text it concerns at most the request where it stands, in markup it is refused."""
    first = OF[kind].strip().replace("<!-- x -->", "").replace("<![CDATA[<a>]]>", "")
    second = re.sub(r"(<(?:account|property|meter)Id> ?)", r"\g<1>1", first)
    document = f"<pendingList>{first}{second}</pendingList>"
    clean = parse.parse_pending_page(kind, document.encode())
    assert len(clean.requests) == 2
    for place in range(len(document) + 1):
        body = (document[:place] + put + document[place:]).encode("utf-8", "surrogatepass")
        read = outcome(lambda body: parse.parse_pending_page(kind, body), body)
        if not isinstance(read, PendingPage):
            assert not is_text(document, place), (read, document[place - 20 : place])
            continue
        assert is_text(document, place), document[place - 20 : place]
        sure = [request for request in read.requests if request.garbled is None]
        assert all(request in clean.requests for request in sure)
        assert len(read.requests) + len(read.unreadable) == 2
        within = len("<pendingList>") < place < len(document) - len("</pendingList>")
        between = place == len("<pendingList>") + len(first)
        assert len(sure) == (1 if within and not between else 2)


LIST = "<pendingList><account><accountId>1</accountId>%s</account></pendingList>"


@pytest.mark.parametrize(
    "body",
    [
        LIST % "<a\x0bb/>",
        LIST % "<a></a\x0b>",
        LIST % "<\x0b/>",
        LIST % '<a \x0b="1"/>',
        LIST % '<a b\x0b="1"/>',
        LIST % '<a b="1"\x0b/>',
        LIST % '<a b="1" \ufffe c="2"/>',
        LIST % "<a &#11;/>",
        LIST % "<a&#11;b/>",
        LIST % "&a\x0b;",
        LIST % "&\x0b;",
        LIST % "&#\x0b11;",
        LIST % "\x0b&#;",
        LIST % "\x0b&#x;",
        LIST % "\x0b&#X0B;",
        LIST % "\x0b&#\u0661;",
        LIST % "&#11",
        LIST % "&#-11;",
        LIST % "\x0b A & B <x",
        LIST % "\x0b<!-- -- -->",
        LIST % "\x0b<!-- ",
        LIST % "\x0b<![CDATA[ ",
        LIST % "\x0b]]>",
        LIST % "<?a\x0bb c?>",
        LIST % "<?\x0b?>",
        "\x0b" + LIST % "",
        LIST % "" + "\x0b",
        "<!-- \x0b -->" + LIST % "",
        '<?xml version="1.0"\x0b?>' + LIST % "",
        '<?xml version="1.0" encoding="utf-8\x0b"?>' + LIST % "",
        LIST % '<a xmlns:x="\x0b"/>',
        "<!DOCTYPE \x0b>" + LIST % "",
        '<!DOCTYPE p [<!ENTITY x "\x0b">]>' + LIST % "&x;",
        '<!DOCTYPE p [<!ENTITY x "&#11;">]>' + LIST % "&x;",
        '<!DOCTYPE p SYSTEM "file:///etc/passwd">' + LIST % "\x0b",
        "<html>" + LIST % "\x0b",
        "\x0b",
        "<a>" * 201 + "\x0b" + "</a>" * 201,
        LIST % ("\x0b" * 100_000),
        LIST % ("&#11;" * 100_001),
        LIST % ("&#65;" * 100_001 + "\x0b"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_is_not_text_stays_refused(body: str, encoding: str) -> None:
    """Forbidden characters in tags, entities, DOCTYPE and around the root; other faults, whatever is beside them."""
    with pytest.raises(DocumentRefused):
        parse.parse_pending_page(Kind.CONNECTION, body.encode(encoding))
    assert outcome(connections, (LIST % "\x0b").encode(encoding)) == [(1, True)]


@pytest.mark.parametrize(
    "body",
    [
        (LIST % "caf\x0b").encode() + b"\xff",
        (LIST % "caf\xe9 \x0b").encode("latin-1"),
        (LIST % "\x0b").encode().replace(b"\x0b", b"\x0b\xc3"),
        (LIST % "\x0b").encode("utf-16")[:-1],
        b"\xef\xbb\xbf" + (LIST % "caf\xe9 \x0b").encode("latin-1"),
        b'<?xml version="1.0" encoding="us-ascii"?>' + (LIST % "caf\xe9 \x0b").encode(),
        b'<?xml version="1.0" encoding="windows-1252"?>' + (LIST % "\x0b").encode() + b"<!-- \x81 -->",
        b'<?xml version="1.0" encoding="utf-16"?>' + (LIST % "\x0b").encode(),
        b'<?xml version="1.0" encoding="none-such"?>' + (LIST % "\x0b").encode(),
        b'<?xml version="1.0" encoding="unicode_escape"?>' + (LIST % "\x0b").encode(),
        b'<?xml version="1.0" encoding="utf-7"?>' + (LIST % "\x0b").encode(),
        b'<?xml version="1.0" encoding="rot13"?>' + (LIST % "\x0b").encode(),
        b'<?xml version="1.0" encoding="base64"?>' + (LIST % "\x0b").encode(),
        b'<?xml version="1.0" encoding="iso-2022-jp"?>' + (LIST % "\x0b").encode(),
    ],
)
def test_a_document_that_is_not_in_its_encoding_stays_refused(body: bytes) -> None:
    """Bytes that are no character of it, or an encoding that may hide markup: nobody knows what else is wrong."""
    with pytest.raises(DocumentRefused):
        parse.parse_pending_page(Kind.CONNECTION, body)
    assert outcome(connections, (LIST % "\x0b").encode()) == [(1, True)]


def test_what_a_pending_list_says_of_its_pages_must_be_sure() -> None:
    """A link that may be the next page is not passed over; a name in another of its attributes does no harm."""
    for description in ("next\x0bpage", "next page&#11;", "\x0b"):
        body = f'<pendingList><links><link linkDescription="{description}"/></links></pendingList>'.encode()
        assert "in its description" in str(outcome(connections, body))
    body = b'<pendingList><links><link hint="\x0b" linkDescription="next page"/></links>\x0b</pendingList>'
    assert outcome(lambda body: parse.parse_pending_page(Kind.METER, body).has_next, body) is True


def test_lists_of_links_with_a_forbidden_character() -> None:
    """A customer's name does not hide who is connected; an id that is not sure does, and so does a next page."""
    body = links('id="7" link="/customer/7" hint="A\x0bB"', 'link="/customer/8" hint="&#xFFFF;"', 'id="9"')
    assert outcome(parse.parse_customer_list, body) == {7, 8, 9}
    body = links('id="5" link="/building/5" hint="Tow\x0ber"', 'link="/property/6" hint="Mill"')
    assert outcome(parse.parse_property_links, body) == {5, 6}
    for unsure in ('id="7\x0b"', 'id="7" link="/customer/7&#11;"', 'link="/customer/\x0b7"', 'link="/custom\x0ber/7"'):
        assert str(outcome(parse.parse_customer_list, links('id="8"', unsure))).startswith("refused: a link ")
    body = links('id="8" linkDescription="next\x0bpage"')
    assert "in its description" in str(outcome(parse.parse_customer_list, body))


def test_notifications_with_a_forbidden_character() -> None:
    """Each is read on its own; what it says is shown with the mark, a number with one in it is none."""
    body = (
        b"<notificationList><notification><notificationId>7</notificationId><notificationTypeCode>UNSHARE"
        b"</notificationTypeCode><description>A\x0bB</description><accountId>1\x0b</accountId><propertyId>5</propertyId>"
        b"</notification><notification><notificationId>8&#11;</notificationId></notification>"
        b"<notification><notificationId>9</notificationId></notification></notificationList>"
    )
    assert outcome(parse.parse_notifications, body) == (
        Notification(id=7, type="UNSHARE", description="A\ufffdB", property_id=5),
        Notification(id=9, type="", description=""),
    )


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("account", b"<account><id>3</id><username>me</username><organization>%s</organization></account>"),
        ("customer", b"<customer><accountInfo><organization>%s</organization></accountInfo></customer>"),
        ("custom field values", b'<customFieldList><customField name="A">%s</customField></customFieldList>'),
        ("custom field values", b'<customFieldList><customField name="A%s">7</customField></customFieldList>'),
        ("custom field", b'<customField name="A%s"/>'),
        ("hierarchy", b"<hierarchy><username>%s</username></hierarchy>"),
        ("response", b'<response status="Ok"><warnings><warning warningDescription="%s"/></warnings></response>'),
        ("response", b'<response status="Error"><errors><error errorDescription="%s"/></errors></response>'),
    ],
)
def test_a_fact_with_a_forbidden_character_is_not_learnt(name: str, body: bytes) -> None:
    """A document about one thing stops nothing but that thing, and an envelope in doubt decides nothing."""
    assert not str(outcome(PARSERS[name], body % b"")).startswith("refused")
    for forbidden in (b"\x0b", b"&#x0B;", b"\xef\xbf\xbf"):
        with pytest.raises(DocumentRefused):
            PARSERS[name](body % forbidden)


@pytest.mark.parametrize("name", PARSERS)
@given(body=st.binary() | st.text("<>/= \"'&;![]-?abpendigLst", max_size=60).map(str.encode))
def test_any_bytes_are_a_value_or_refused(name: str, body: bytes) -> None:
    """No bytes bring anything but a value or DocumentRefused."""
    with suppress(DocumentRefused):
        PARSERS[name](body)


@pytest.mark.parametrize("kind", Kind)
@given(data=st.data())
def test_mutated_lists_are_a_value_or_refused(kind: Kind, data: st.DataObject) -> None:
    """A list with a piece cut out, doubled or replaced is read element by element, or refused as a whole."""
    valid = f"<pendingList>{OF[kind]}{OF[kind]}</pendingList>"
    start = data.draw(st.integers(0, len(valid)))
    end = data.draw(st.integers(start, min(len(valid), start + 80)))
    put = data.draw(st.text(max_size=8) | st.just(valid[start:end] * 2) | st.integers().map(str))
    try:
        read = parse.parse_pending_page(kind, (valid[:start] + put + valid[end:]).encode("utf-8", "surrogatepass"))
    except DocumentRefused:
        return
    assert all(request.kind is kind and request.id > 0 for request in read.requests)
    assert all(why for request in read.requests for why in request.faults.values())


@needs_examples
@pytest.mark.parametrize(
    ("kind", "name", "ids"),
    [
        (Kind.CONNECTION, "pending-accounts.xml", [410221]),
        (Kind.PROPERTY, "pending-properties.xml", [8120045]),
        (Kind.METER, "pending-meters.xml", [30511977, 30511980]),
        (Kind.METER, "pending-empty.xml", []),
    ],
)
def test_the_example_lists_are_read_without_a_fault(kind: Kind, name: str, ids: list[int]) -> None:
    """The reference's own example bodies bring their requests, none in doubt."""
    read = parse.parse_pending_page(kind, (EXAMPLES / name).read_bytes())
    assert [request.id for request in read.requests] == ids
    assert not read.unreadable
    assert not any(request.faults for request in read.requests)


@needs_examples
def test_the_other_example_documents_are_read() -> None:
    """Notifications, custom fields and responses of the example documents bring what they say."""
    (notification,) = parse.parse_notifications((EXAMPLES / "notif.xml").read_bytes())
    assert notification.type == "SHAREUPDATE"
    assert parse.parse_custom_field((EXAMPLES / "customfield.xml").read_bytes(), id=1).max_chars == 20
    assert parse.parse_custom_field_values((EXAMPLES / "customfieldlist.xml").read_bytes())[0].name == "Parcel"
    assert parse.parse_response((EXAMPLES / "err.xml").read_bytes()).errors[0].number == -200
    assert parse.parse_response((EXAMPLES / "ok.xml").read_bytes()).ok
