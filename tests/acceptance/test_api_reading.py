"""Every thing that can be read: its fields, their types, their pages; and how reading is refused."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.acceptance.caller import ask
from tests.acceptance.conftest import Site

pytestmark = pytest.mark.processes
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
CIRCUIT: Mapping[str, tuple[type, ...]] = {
    "id": (str,), "meter_number": (str,), "circuit_index": (int,), "room": (str, type(None)),
    "contract_number": (str, type(None)), "profile": (str,), "custody": (str,), "credit_unit": (str,),
    "balance": (int, type(None)), "purchase_count": (int, type(None)), "energy_wh": (int, type(None)),
    "power_w": (int, type(None)), "relay": (str,), "wish": (str,), "state": (str,), "read_at": (str, type(None)),
}  # fmt: skip
WORDS = {
    "custody": {"meter", "server"}, "relay": {"open", "closed", "unknown"}, "wish": {"automatic", "keep_on", "trip"},
    "state": {"normal", "alarm_1", "alarm_2", "arrears", "not_opened", "offline"},
}  # fmt: skip


def fits(found: Mapping[str, Any], shape: Mapping[str, tuple[type, ...]]) -> list[str]:
    """What does not fit; a bool is no number."""
    told = [f"fields differ: {set(found) ^ set(shape)}"] if set(found) != set(shape) else []
    return told + [
        f"{name} is {found[name]!r}" for name, kinds in shape.items()
        if name in found and (not isinstance(found[name], kinds) or isinstance(found[name], bool))
    ]  # fmt: skip


def test_circuits_have_the_agreed_fields_and_words(site: Site) -> None:
    for each in site.api.all_of("/circuits"):
        assert fits(each, CIRCUIT) == [], each
        assert all(each[name] in words for name, words in WORDS.items()), each
        assert each["read_at"] is None or UTC_TIME.fullmatch(each["read_at"])
        # what a meter holds is energy, or money where its purse counts money
        in_meter = each["custody"] == "meter" and not each["profile"].endswith("-purse")
        assert each["credit_unit"] == ("Wh" if in_meter else "CNY")
        assert each["circuit_index"] >= 1 and each["id"].isdigit()


def test_one_circuit_is_the_same_as_in_the_list(site: Site) -> None:
    lasting = ("id", "meter_number", "circuit_index", "room", "contract_number", "profile", "custody", "credit_unit")
    for each in site.api.all_of("/circuits")[::60]:
        one = site.api.get(f"/circuits/{each['id']}")
        assert {name: one[name] for name in lasting} == {name: each[name] for name in lasting}


def test_contracts_and_customers_point_at_each_other_and_at_circuits(site: Site) -> None:
    contracts, customers = site.api.all_of("/contracts"), site.api.all_of("/customers")
    circuits = {each["id"]: each["contract_number"] for each in site.api.all_of("/circuits")}
    assert contracts and customers
    known = {each["id"] for each in customers}
    for each in contracts:
        assert set(each) == {"number", "customer_id", "state", "circuit_ids"}
        assert each["customer_id"] in known and isinstance(each["number"], str)
        assert all(circuits[circuit_id] == each["number"] for circuit_id in each["circuit_ids"])
    listed = {circuit_id for each in contracts for circuit_id in each["circuit_ids"]}
    assert {circuit_id for circuit_id, number in circuits.items() if number} <= listed
    assert site.api.get(f"/contracts/{contracts[0]['number']}") == contracts[0]


def test_the_books_balance(site: Site) -> None:
    books = site.api.get("/books")
    assert set(books) == {
        "currency", "debit_minor", "credit_minor", "cash_minor", "in_delivery_minor", "deferred_income_minor",
    }  # fmt: skip
    assert books["currency"] == "CNY" and books["debit_minor"] == books["credit_minor"]
    assert all(type(amount) is int for name, amount in books.items() if name != "currency")


@pytest.mark.parametrize("path", ["/circuits", "/customers", "/contracts"])
def test_pages_of_any_size_give_everything_once(site: Site, path: str) -> None:
    whole = [each.get("id") or each["number"] for each in site.api.all_of(path, 200)]
    pieces = [each.get("id") or each["number"] for each in site.api.all_of(path, 37)]
    assert whole == pieces and len(set(whole)) == len(whole)
    assert len(site.api.get(f"{path}?limit=200")["items"]) == 200


@pytest.mark.parametrize("path", ["/circuits", "/customers", "/contracts"])
@pytest.mark.parametrize(
    "query", ["limit=201", "limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=" + "9" * 400, "cursor=none-of-ours",
              "cursor=%00", "cursor=" + "9" * 400, "cursor=k-1"],
)  # fmt: skip
def test_a_malformed_page_is_a_400(site: Site, path: str, query: str) -> None:
    answer = site.api("GET", f"{path}?{query}")
    assert answer.status == 400 and answer.code


@pytest.mark.parametrize(
    "path", ["/circuits/0", "/circuits/999999999", "/circuits/abc", "/circuits/%00", "/circuits/-1", "/circuits/1%20",
             "/circuits/" + "9" * 40, "/circuits/%D9%A1", "/contracts/none", "/contracts/%00",
             "/contracts/" + "9" * 400, "/contracts/%ff", "/sales/0", "/sales/x", "/sales/%00",
             "/sales/" + "9" * 40, "/nothing", "/"],
)  # fmt: skip
def test_what_is_not_there_is_a_404(site: Site, path: str) -> None:
    answer = site.api("GET", path)
    assert answer.status == 404 and answer.code


def test_a_wrong_method_is_told_in_the_same_shape(site: Site) -> None:
    assert site.api("DELETE", "/circuits").refusal == (405, "method_not_allowed")
    assert site.api("POST", "/books", {}).refusal == (405, "method_not_allowed")


@pytest.mark.parametrize("key", ["", "x", "pw_" + "x" * 43, "x" * 4000])
def test_without_a_key_of_ours_everything_is_a_401(site: Site, key: str) -> None:
    for method, path in (("GET", "/circuits"), ("GET", "/books"), ("POST", "/sales"), ("GET", "/contracts/%00")):
        assert site.api(method, path, {} if method == "POST" else None, X_API_Key=key).refusal == (401, "key_invalid")


def test_refusals_speak_the_callers_language(site: Site) -> None:
    said = {
        language: site.api("GET", "/circuits/0", Accept_Language=language).json["error"]
        for language in ("en", "en-GB,en;q=0.9", "zh", "zh-CN", "zh-Hans")
    }
    assert {error["code"] for error in said.values()} == {"circuit_unknown"}
    for language, error in said.items():
        chinese = bool(re.search(r"[\u4e00-\u9fff]", error["message"]))
        assert chinese == language.startswith("zh"), (language, error)


def test_there_is_a_documentation_page_and_its_document(site: Site) -> None:
    page = ask("GET", f"{site.url}/api/v1/docs")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    assert b"https://" not in page.text and b'src="//' not in page.text
    document = ask("GET", f"{site.url}/api/v1/openapi.json").json
    assert document["openapi"].startswith("3.")
    assert {path.removeprefix("/api/v1") for path in document["paths"]} == {
        "/circuits", "/circuits/{circuit_id}", "/circuits/{circuit_id}/readings", "/circuits/{circuit_id}/relay",
        "/customers", "/contracts",
        "/contracts/{number}", "/contracts/{number}/statement", "/sales", "/sales/{sale_id}",
        "/sales/{sale_id}/reversal", "/sales/{sale_id}/supply", "/books", "/quote",
    }  # fmt: skip
