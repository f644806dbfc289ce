"""Open WebUI against the gateway: what it asks, whom it lets in, which models it offers."""

import asyncio
import base64
import json
import shutil
import subprocess

import aiohttp
import pytest

from support.foundry import start_foundry_v2
from support.open_webui import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    HOST_DEMO_MODEL,
    Recorder,
    gateway_to,
    names,
    new_password,
    open_webui,
    python,
    settings_file,
    start_refused,
)


async def test_the_key_and_the_callers_name_reach_the_gateway(chat_ui, recorder):
    token = await chat_ui.sign_in()
    status, answer = await chat_ui.ask(token, "hello there")
    assert status == 200
    assert answer
    asked = recorder.chats[-1]
    assert asked.headers["X-Client"] == "open-webui"
    assert asked.json["model"] == "foundry-demo"
    assert "tools" not in asked.json


async def test_the_demo_model_is_named_as_one_and_a_banner_says_that_it_answers(chat_ui):
    token = await chat_ui.sign_in()
    models = (await chat_ui.get("/api/models", token))["data"]
    assert names(models) == [("foundry-demo", "Foundry demo (built-in demo)")]
    [banner] = await chat_ui.get("/api/v1/configs/banners", token)
    assert banner["type"] == "info"
    assert "demo model is answering" in banner["content"]


async def test_only_people_signed_in_see_models_and_banners(chat_ui):
    for path in ("/api/models", "/api/v1/configs/banners"):
        with pytest.raises(aiohttp.ClientResponseError, match="401"):
            await chat_ui.get(path)


async def test_the_administrator_of_the_environment_exists_and_nobody_can_sign_up(chat_ui):
    token = await chat_ui.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    assert (await chat_ui.get("/api/v1/auths/", token))["role"] == "admin"
    status, _ = await chat_ui.sign_up("eve")
    assert status == 403


async def test_people_whom_the_administrator_adds_see_the_same_models(chat_ui):
    admin = await chat_ui.sign_in()
    person = {"name": "Grace", "email": "grace@example.com", "password": "another horse"}
    status, added = await chat_ui.post("/api/v1/auths/add", {**person, "role": "user"}, admin)
    assert (status, added["role"]) == (200, "user")
    token = await chat_ui.sign_in("grace@example.com", "another horse")
    assert (await chat_ui.get("/api/models", token))["data"] == (
        await chat_ui.get("/api/models", admin)
    )["data"]
    assert (await chat_ui.ask(token, "hello there"))[0] == 200


async def test_a_lost_password_is_replaced_while_it_runs(chat_ui):
    admin = await chat_ui.sign_in()
    person = {"name": "Alan", "email": "alan@example.com", "password": "forgotten horse"}
    assert (await chat_ui.post("/api/v1/auths/add", {**person, "role": "user"}, admin))[0] == 200
    done = new_password(chat_ui, "Alan@example.com")
    assert done.returncode == 0, done.stderr
    password = done.stdout.split()[-1]
    assert await chat_ui.sign_in("alan@example.com", password)
    wrong = new_password(chat_ui, "nobody@example.com")
    assert wrong.returncode == 1
    assert "alan@example.com" in wrong.stderr


async def test_documents_go_whole_into_the_chat_without_an_embedding_model(chat_ui, recorder):
    token = await chat_ui.sign_in()
    file = await upload(chat_ui, token, "The office cat is called Ampersand.")
    status, _ = await chat_ui.ask(
        token, "What is the cat called?", files=[{"type": "file", "id": file}]
    )
    assert status == 200
    assert "Ampersand" in recorder.chats[-1].body.decode()
    assert recorder.to("/v1/embeddings") == []


async def test_documents_are_searched_with_the_embedding_model(recorder, tmp_path):
    gateway = recorder.target
    with (
        Recorder(gateway, embeds=True).serving() as embedder,
        open_webui(
            embedder.url,
            tmp_path,
            EMBEDDING_MODEL="qwen3-embedding-0.6b",
            WEBUI_ADMIN_EMAIL=ADMIN_EMAIL,
            WEBUI_ADMIN_PASSWORD=ADMIN_PASSWORD,
        ) as ui,
    ):
        token = await ui.sign_in()
        filler = "\n\n".join(f"Paragraph {n} speaks of nothing. " * 25 for n in range(12))
        text = f"{filler}\n\nThe office cat is called Ampersand."
        file = await upload(ui, token, text)
        status, _ = await ui.ask(
            token, "What is the office cat called?", files=[{"type": "file", "id": file}]
        )
        assert status == 200
        embedded = embedder.to("/v1/embeddings")
        assert {asked.json["model"] for asked in embedded} == {"qwen3-embedding-0.6b"}
        [chat] = embedder.chats
        assert "Ampersand" in chat.body.decode()
        assert len(chat.body) < len(text) / 2


async def test_a_long_document_is_embedded_two_batches_at_a_time(recorder, tmp_path):
    # One paragraph is one chunk, and sixteen are a batch.
    with (
        Recorder(recorder.target, embeds=True).serving() as embedder,
        open_webui(
            embedder.url,
            tmp_path,
            EMBEDDING_MODEL="qwen3-embedding-0.6b",
            WEBUI_ADMIN_EMAIL=ADMIN_EMAIL,
            WEBUI_ADMIN_PASSWORD=ADMIN_PASSWORD,
        ) as ui,
    ):
        token = await ui.sign_in()
        text = "\n\n".join(f"Paragraph {n} speaks of nothing. " * 25 for n in range(160))
        await upload(ui, token, text)
        assert len(embedder.to("/v1/embeddings")) >= 10
        assert embedder.most_at_once == 2


async def test_a_document_that_does_not_fit_says_that_search_would_help(chat_ui):
    token = await chat_ui.sign_in()
    file = await upload(chat_ui, token, "The office cat is called Ampersand. " * 4000)
    status, said = await chat_ui.ask(
        token, "What is the cat called?", files=[{"type": "file", "id": file}]
    )
    assert status == 400
    assert "the model's context holds" in said
    assert "set EMBEDDING_MODEL in .env" in said


@pytest.mark.parametrize(
    ("name", "kind", "content", "said"),
    [
        ("old.doc", "application/msword", b"\xd0\xcf\x11\xe0\x00", "Save it as PDF, DOCX"),
        ("book.epub", "application/epub+zip", b"PK\x03\x04\x00", "Save it as PDF, DOCX"),
        ("archive.zip", "application/zip", b"PK\x03\x04\x00", "Save it as PDF, DOCX"),
        ("said.mp3", "audio/mpeg", b"ID3\x00", "no speech recognition"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_and_not_kept(
    chat_ui, name, kind, content, said
):
    token = await chat_ui.sign_in()
    before = await chat_ui.get("/api/v1/files/", token)
    form = aiohttp.FormData()
    form.add_field("file", content, filename=name, content_type=kind)
    async with (
        chat_ui.signed_in(token) as session,
        session.post("/api/v1/files/", data=form) as reply,
    ):
        assert reply.status == 400
        detail = (await reply.json())["detail"]
    assert detail.startswith(name)
    assert said in detail
    assert await chat_ui.get("/api/v1/files/", token) == before


def unreadable_documents():
    """Files that begin as they should, made by Open WebUI's own packages where it takes them."""
    made = """
import base64, io, json, zipfile
from pypdf import PdfWriter
files = {}
def keep(name, write):
    write(held := io.BytesIO())
    files[name] = base64.b64encode(held.getvalue()).decode()
def archive(held):
    with zipfile.ZipFile(held, "w") as packed: packed.writestr("a.txt", "x")
for name in ("broken.docx", "broken.xlsx", "broken.pptx"): keep(name, archive)
scan = PdfWriter(); scan.add_blank_page(100, 100); keep("scan.pdf", scan.write)
locked = PdfWriter(); locked.add_blank_page(100, 100); locked.encrypt("secret", algorithm="RC4-128")
keep("locked.pdf", locked.write)
files["cut.pdf"] = base64.b64encode(b"%PDF-1.4\\n1 0 obj\\n").decode()
files["blank.txt"] = base64.b64encode(b"  \\n").decode()
print(json.dumps(files))
"""
    done = subprocess.run([str(python()), "-c", made], check=True, capture_output=True, text=True)
    return {name: base64.b64decode(text) for name, text in json.loads(done.stdout).items()}


async def test_a_file_that_cannot_be_read_after_all_says_what_to_do(chat_ui):
    token = await chat_ui.sign_in()
    told = {}
    for name, content in unreadable_documents().items():
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name, content_type="application/octet-stream")
        async with chat_ui.signed_in(token) as session:
            async with session.post("/api/v1/files/", data=form) as reply:
                assert reply.status == 200, await reply.text()
                file = (await reply.json())["id"]
            async with session.get(f"/api/v1/files/{file}/process/status?stream=true") as reply:
                events = [line[6:] for line in (await reply.text()).splitlines() if line]
        told[name] = json.loads(events[-1]).get("error", "it was read")
    for name in ("scan.pdf", "blank.txt"):
        assert told.pop(name).startswith(f"{name} holds no words that can be read here")
    for name, said in told.items():
        assert said.startswith(f"{name} could not be read: it is damaged, protected by"), said


async def test_office_documents_are_read(chat_ui):
    token = await chat_ui.sign_in()
    for name, content in office_documents().items():
        file = await upload(chat_ui, token, content, name, "application/octet-stream")
        stored = await chat_ui.get(f"/api/v1/files/{file}/data/content", token)
        assert "Ampersand" in stored["content"], name


def office_documents():
    """The same sentence in each format, made by Open WebUI's own packages."""
    made = """
import base64, io, json
from docx import Document
from openpyxl import Workbook
from pptx import Presentation
said, files = "The office cat is called Ampersand.", {}
def keep(name, document):
    document.save(held := io.BytesIO())
    files[name] = base64.b64encode(held.getvalue()).decode()
document = Document(); document.add_paragraph(said); keep("a.docx", document)
table = Workbook(); table.active.append(["Cat", said]); keep("a.xlsx", table)
slides = Presentation(); slide = slides.slides.add_slide(slides.slide_layouts[0])
slide.shapes.title.text = said; keep("a.pptx", slides)
print(json.dumps(files))
"""
    done = subprocess.run([str(python()), "-c", made], check=True, capture_output=True, text=True)
    return {name: base64.b64decode(text) for name, text in json.loads(done.stdout).items()}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/retrieval/process/web", "no way out of this machine"),
        ("/api/v1/retrieval/process/url", "no way out of this machine"),
        ("/api/v1/functions/load/url", "Paste the code"),
        ("/api/v1/audio/transcriptions", "no speech recognition"),
    ],
)
async def test_what_needs_the_internet_says_what_to_do_instead(chat_ui, path, said):
    status, reply = await chat_ui.post(path, {"url": "https://example.com"}, "any token")
    assert status == 400
    assert said in reply["detail"]


@pytest.mark.parametrize(
    ("host", "origin", "welcome"),
    [
        ("localhost:13000", "http://localhost:13000", True),
        ("127.0.0.1:3000", "http://127.0.0.1:3000", True),
        ("[::1]:8", "http://[::1]:8", True),
        ("chat.example.lan", "https://chat.example.lan", True),
        ("localhost:13000", "http://localhost:3000", False),
        ("localhost:3000", "http://evil.example", False),
        ("localhost:3000", "null", False),
        ("localhost:3000", "http://localhost:3000.evil.example", False),
    ],
)
async def test_a_socket_is_for_the_pages_own_origin_by_whatever_port(
    chat_ui, host, origin, welcome
):
    async with aiohttp.ClientSession() as session:
        address = f"{chat_ui.url}/ws/socket.io/?EIO=4&transport=websocket"
        asking = session.ws_connect(address, headers={"Host": host, "Origin": origin})
        if welcome:
            async with asking as socket:
                assert (await socket.receive_str()).startswith("0{")
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await asking


async def upload(ui, token, text, name="note.txt", kind="text/plain"):
    form = aiohttp.FormData()
    content = text if isinstance(text, bytes) else text.encode()
    form.add_field("file", content, filename=name, content_type=kind)
    async with ui.signed_in(token) as session, session.post("/api/v1/files/", data=form) as reply:
        assert reply.status == 200, await reply.text()
        file = (await reply.json())["id"]
    for _ in range(600):
        state = await ui.get(f"/api/v1/files/{file}/process/status", token)
        if state["status"] == "completed":
            return file
        assert state["status"] != "failed", state
        await asyncio.sleep(0.1)
    raise AssertionError("the document was not processed within a minute")


async def test_a_restart_keeps_sign_up_closed_sessions_valid_and_the_files_settings(
    recorder, tmp_path
):
    with open_webui(recorder.url, tmp_path) as ui:
        assert (await ui.get("/api/config"))["onboarding"] is True
        status, admin = await ui.sign_up("ada")
        assert (status, admin["role"]) == (200, "admin")
        assert (await ui.sign_up("eve"))[0] == 403
        token = admin["token"]
        changed = {"ENABLE_SIGNUP": True}
        config = await ui.get("/api/v1/auths/admin/config", token)
        status, _ = await ui.post("/api/v1/auths/admin/config", {**config, **changed}, token)
        assert status == 200
        assert (await ui.get("/api/config"))["features"]["enable_signup"] is True
    with open_webui(recorder.url, tmp_path) as ui:
        config = await ui.get("/api/config", token)
        assert config["features"]["enable_signup"] is False
        assert config["features"]["enable_title_generation"] is False
        assert (await ui.sign_up("eve"))[0] == 403
        assert (await ui.get("/api/v1/auths/", token))["role"] == "admin"
        assert (await ui.ask(token, "hello there"))[0] == 200


async def test_two_people_chat_while_a_third_waits_for_a_model_to_load(
    chat_ui, recorder, tmp_path, monkeypatch
):
    models = tmp_path / "models"
    shutil.copytree(HOST_DEMO_MODEL, models / "second-model")
    offered = {"MODEL": "foundry-demo", "MODELS": "second-model"}
    with (
        start_foundry_v2(args=["--models-dir", str(models)]) as foundry,
        gateway_to(foundry.url, tmp_path / "gateway.log", **offered) as gateway,
    ):
        monkeypatch.setattr(recorder, "target", gateway)
        admin = await chat_ui.sign_in()
        tokens = [admin]
        for name in ("barbara", "edsger"):
            person = {"name": name, "email": f"{name}@example.com", "password": "another horse"}
            await chat_ui.post("/api/v1/auths/add", {**person, "role": "user"}, admin)
            tokens.append(await chat_ui.sign_in(person["email"], person["password"]))
        listed = (await chat_ui.get("/api/models", admin))["data"]
        assert {model["id"] for model in listed} == {"foundry-demo", "second-model"}
        assert not any("second-model" in name for name in foundry.get_json("/models/loaded"))

        answers = await asyncio.gather(
            chat_ui.ask(tokens[0], "Count from 1 to 20."),
            chat_ui.ask(tokens[1], "hello there"),
            chat_ui.ask(tokens[2], "hello there", model="second-model"),
        )
        assert [status for status, _ in answers] == [200, 200, 200]
        assert all(answer for _, answer in answers)
        assert any("second-model" in name for name in foundry.get_json("/models/loaded"))

        # Foundry Local goes away: the model stays in the list, and the chat says what is wrong.
        foundry.stop()
        status, said = await chat_ui.ask(admin, "hello there")
        assert status != 200
        assert "Foundry Local" in said
        banners = await eventually_some(lambda: chat_ui.get("/api/v1/configs/banners", admin))
        assert "Foundry Local" in banners[0]["content"]
        assert (await chat_ui.get("/api/models", admin))["data"]


async def eventually_some(ask):
    for _ in range(300):
        if answer := await ask():
            return answer
        await asyncio.sleep(0.2)
    raise AssertionError("nothing within a minute")


async def test_one_person_without_sign_in_is_at_once_in(recorder, tmp_path):
    with open_webui(recorder.url, tmp_path, WEBUI_AUTH="false") as ui:
        token = await ui.sign_in("", "")
        assert (await ui.ask(token, "hello there"))[0] == 200
        assert (await ui.sign_up("eve"))[0] == 403


SECRETS = {"GATEWAY_API_KEY": "a" * 32, "WEBUI_SECRET_KEY": "b" * 32}


def test_no_sign_in_is_refused_where_other_machines_can_connect():
    ended = start_refused(**SECRETS, WEBUI_AUTH="false", BIND_ADDRESS="0.0.0.0")
    assert ended.returncode == 1
    assert "BIND_ADDRESS=0.0.0.0" in ended.stderr


def test_a_missing_or_empty_key_is_named(tmp_path):
    (tmp_path / "empty").write_text("\n")
    for settings, said in [
        ({}, "GATEWAY_API_KEY: set it, or GATEWAY_API_KEY_FILE"),
        ({"GATEWAY_API_KEY_FILE": str(tmp_path / "absent")}, "cannot read"),
        ({"GATEWAY_API_KEY_FILE": str(tmp_path / "empty")}, "is empty"),
    ]:
        ended = start_refused(WEBUI_SECRET_KEY="b" * 32, **settings)
        assert ended.returncode == 1
        assert said in ended.stderr


def test_no_setting_of_the_file_is_a_secret_or_an_address_outside():
    for name, value in settings_file().items():
        assert "://" not in value.replace("http://127.0.0.1:", ""), name
        assert not name.endswith(("_KEY", "_KEYS", "_PASSWORD")), name
