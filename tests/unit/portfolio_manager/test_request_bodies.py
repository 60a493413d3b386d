"""The two documents that we send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pm_autoaccept.model import Action
from pm_autoaccept.portfolio_manager.request_bodies import sharing_response, terminate_sharing_response
from tests.epa import faults_by_epa, needs_epa

NOTES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
        lambda character: character in "\t\n\r" or not character < " "
    ),
    min_size=1,
    max_size=1000,
)


@needs_epa
@given(note=NOTES | st.none() | st.just("x" * 1000), action=st.sampled_from(Action))
def test_what_is_sent_fits_epas_schema(note: str | None, action: Action) -> None:
    """Whatever note can be sent at all validates against EPA's schema."""
    assert faults_by_epa(sharing_response(action, note)) == []
    assert faults_by_epa(terminate_sharing_response(note)) == []


@given(note=NOTES)
def test_a_note_arrives_as_it_was_written(note: str) -> None:
    """Angle brackets, line breaks and every script survive the way."""
    assert etree.fromstring(sharing_response(Action.REJECT, note)).findtext("note") == note


def test_no_note_is_no_element() -> None:
    """An empty note element would break the schema, so there is none."""
    assert sharing_response(Action.ACCEPT, None).endswith(b"<sharingResponse><action>Accept</action></sharingResponse>")
    assert terminate_sharing_response(None).endswith(b"<terminateSharingResponse/>")


@pytest.mark.parametrize("note", ["", "x" * 1001, "bell\x07", "\ud800", "\uffff"])
def test_a_note_that_cannot_be_sent_is_an_error(note: str) -> None:
    """Too short, too long, or with what XML cannot carry: never sent in another form than decided."""
    with pytest.raises(ValueError, match=r".+"):
        sharing_response(Action.REJECT, note)
