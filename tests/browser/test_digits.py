"""The digits part in a real browser: drawn with real pointers, recognised on both backends."""

import asyncio
import contextlib
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from playwright.async_api import expect

from digit_training.dataset import scanned
from support.browser import open_page

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "services" / "webgpu-static" / "models" / "digits.onnx"
DRAWINGS = json.loads((Path(__file__).parent / "digit_strokes.json").read_text(encoding="utf-8"))
TIMEOUT = 60_000
OPENED = ".digits-result:not([aria-busy])"
NOTHING = "\N{EN DASH}"


@contextlib.asynccontextmanager
async def digits(browser, served, query="", **context):
    """The open part; nothing may go elsewhere and nothing may fail on the way."""
    async with open_page(browser, f"{served.url}/{query}", **context) as (page, record):
        await page.wait_for_selector(OPENED, timeout=TIMEOUT)
        yield page
        assert record.foreign(served.url) == [], "the page asks no other address"
        assert record.errors == [], "and the console shows no error"


@pytest.fixture
async def page(browser, webgpu_page_alone):
    """Without WebGPU."""
    async with digits(browser, webgpu_page_alone) as page:
        yield page


# ---- Drawings, as pointers make them -----------------------------------------------------------


def paths(strokes, setting):
    """A digit's strokes as a setting places them: points in shares of the canvas."""
    for stroke in strokes:
        points = [tuple(float(at) / 100 - 0.5 for at in each.split(",")) for each in stroke.split()]
        placed = [
            (
                (x - setting["slant"] * y) * setting["size"] + setting["x"],
                y * setting["size"] + setting["y"],
            )
            for x, y in points
        ]
        yield [placed[0], *_stepped(placed, setting["step"])]


def _stepped(points, step):
    """The events of a hand: one at least every ``step``; a quick hand makes few."""
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        count = max(1, math.ceil(math.hypot(to_x - x, to_y - y) / step))
        for at in range(1, count + 1):
            yield x + (to_x - x) * at / count, y + (to_y - y) * at / count


class Mouse:
    """Real mouse events, sent without waiting for each: the browser gathers them as from a hand."""

    def __init__(self, session, box):
        self._session, self._box = session, box

    @classmethod
    async def on(cls, page):
        session = await page.context.new_cdp_session(page)
        canvas = page.locator(".digits-canvas")
        await canvas.scroll_into_view_if_needed()
        return cls(session, await canvas.bounding_box())

    async def draw(self, strokes):
        events = []
        for stroke in strokes:
            kinds = ["mousePressed", *["mouseMoved"] * (len(stroke) - 1)]
            events += [(kind, at) for kind, at in zip(kinds, stroke, strict=True)]
            events.append(("mouseReleased", stroke[-1]))
        await asyncio.gather(*(self._send(kind, at) for kind, at in events))

    async def _send(self, kind, at):
        await self._session.send(
            "Input.dispatchMouseEvent",
            {
                "type": kind,
                "x": self._box["x"] + at[0] * self._box["width"],
                "y": self._box["y"] + at[1] * self._box["height"],
                "button": "left",
                "buttons": 0 if kind == "mouseReleased" else 1,
                "clickCount": 0 if kind == "mouseMoved" else 1,
            },
        )


def answer(page):
    return page.locator(".digits-answer-digit")


async def settled_answer(page):
    """The digit shown once the model has seen the whole drawing."""
    await page.wait_for_selector('.digits[data-state="answered"]', timeout=TIMEOUT)
    return await answer(page).inner_text()


async def test_drawings_in_five_hands_are_recognised(page):
    mouse = await Mouse.on(page)
    wrong, count = [], 0
    for hand, digits_of_hand in DRAWINGS["hands"].items():
        for digit, strokes in digits_of_hand.items():
            for setting in DRAWINGS["settings"]:
                await page.keyboard.press("Escape")
                await mouse.draw(list(paths(strokes, setting)))
                seen = await settled_answer(page)
                count += 1
                if seen != digit:
                    wrong.append(f"{digit} by {hand}, {setting['name']}: {seen}")
    assert count >= 150
    assert len(wrong) <= 0.03 * count, wrong


async def test_what_is_drawn_is_sent_nowhere(page):
    sent = []
    page.on("request", lambda request: sent.append((request.method, request.url)))
    page.on("websocket", lambda socket: sent.append(("socket", socket.url)))
    mouse = await Mouse.on(page)
    await mouse.draw([[(0.5, 0.15), (0.5, 0.5), (0.5, 0.85)]])
    await expect(answer(page)).to_have_text("1", timeout=TIMEOUT)
    assert sent == []


async def test_prediction_follows_the_pen(page):
    mouse = await Mouse.on(page)
    bar = page.locator(".digits-bars li").nth(1)
    await mouse.draw([[(0.5, 0.15), (0.5, 0.5), (0.5, 0.85)]])
    await expect(answer(page)).to_have_text("1", timeout=TIMEOUT)
    await expect(bar).to_have_class("likeliest")
    # A second stroke makes it another digit, in the same drawing.
    await mouse.draw([[(0.5, 0.15), (0.35, 0.16), (0.2, 0.18)]])
    await expect(answer(page)).to_have_text("7", timeout=TIMEOUT)
    await page.get_by_role("button", name="Undo").click()
    await expect(answer(page)).to_have_text("1", timeout=TIMEOUT)
    await page.get_by_role("button", name="Clear").click()
    await expect(answer(page)).to_have_text(NOTHING)
    await expect(page.locator(".digits-bar-number")).to_have_text([NOTHING] * 10)


async def test_finger_draws_and_the_page_stays_where_it_is(browser, webgpu_page_alone):
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    async with digits(browser, webgpu_page_alone, **phone) as page:
        session = await page.context.new_cdp_session(page)
        canvas = page.locator(".digits-canvas")
        await canvas.scroll_into_view_if_needed()
        box, scrolled = await canvas.bounding_box(), await page.evaluate("scrollY")

        async def touch(kind, *at):
            points = [
                {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in at
            ]
            await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        # Upwards: on most of the page that would scroll.
        await touch("touchStart", (0.48, 0.9))
        for step in range(1, 16):
            await touch("touchMove", (0.48 + 0.005 * step, 0.9 - 0.05 * step))
        await touch("touchEnd")
        assert await settled_answer(page) == "1"
        await touch("touchStart", (0.555, 0.15))
        for at in ((0.45, 0.15), (0.35, 0.16), (0.22, 0.16)):
            await touch("touchMove", at)
        await touch("touchEnd")
        assert await settled_answer(page) == "7"
        # The answer in full is below the drawing; in short it is beside it.
        glance = page.locator(".digits-glance")
        await expect(glance).to_contain_text("7 · ")
        await expect(glance).to_be_in_viewport()
        assert await page.evaluate("scrollY") == scrolled
        assert await page.evaluate("document.documentElement.scrollWidth") == 360


# ---- Without seeing, without pointing ------------------------------------------------------------


# What is said gives way to what is said next, perhaps before anybody looks from outside.
HEARS = """(said) => {
  window.heard = [];
  new MutationObserver(() => window.heard.push(said.textContent)).observe(said, {
    childList: true,
  });
}"""


async def test_keyboard_draws_and_is_told_what_happens(page):
    said = page.locator(".digits-said")
    await said.evaluate(HEARS)
    canvas = page.get_by_role("application", name="Draw a digit here")
    await canvas.focus()
    await page.keyboard.press("Space")
    for _ in range(6):
        await page.keyboard.press("Shift+ArrowDown")
    assert await settled_answer(page) == "1"
    # Once the hand rests, and not at each step.
    await expect(said).to_have_text(re.compile(r"^1, [\d.]+\s%\ssure"))
    await page.keyboard.press("Backspace")
    await expect(said).to_have_text("Last stroke taken back")
    await expect(answer(page)).to_have_text(NOTHING)
    assert (await page.evaluate("window.heard"))[0] == "Pen down"


async def test_each_sample_is_drawn_and_recognised(page):
    for digit in "0123456789":
        await page.get_by_role("button", name=f"Draw a {digit}").press("Enter")
        await expect(answer(page)).to_have_text(digit, timeout=TIMEOUT)


async def test_ten_probabilities_with_numbers_that_add_up(page):
    await page.get_by_role("button", name="Draw a 5").click()
    await expect(answer(page)).to_have_text("5", timeout=TIMEOUT)
    bars = page.get_by_role("list", name="Probability of each digit").get_by_role("listitem")
    await expect(bars).to_have_count(10)
    shares = await page.locator(".digits-bars li").evaluate_all(
        "rows => rows.map(row => Number(row.style.getPropertyValue('--share')))"
    )
    assert sum(shares) == pytest.approx(1, abs=0.01)


# ---- Backends ------------------------------------------------------------------------------------


async def scores_in(page, images):
    """The logits of the page's own model, through the page's own worker."""
    return await page.evaluate(
        """async ({ images, backend }) => {
          const app = document.querySelector('script[type=module]').src;
          const { Recognizer } = await import(new URL('./digits/recognizer.js', app).href);
          const recognizer = new Recognizer(backend, () => {});
          await recognizer.reopen();
          const scores = [];
          for (const image of images) {
            const { values } = await recognizer.scores(Float32Array.from(image), 'logits');
            scores.push(values);
          }
          recognizer.close();
          return scores;
        }""",
        {
            "images": images,
            "backend": (await page.locator(".digits-backend").inner_text()).lower(),
        },
    )


async def test_webgpu_wasm_and_python_compute_the_same(gpu_browser, webgpu_page_alone):
    images = [image.ravel().tolist() for image in scanned()[1].images[:24]]
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    expected = np.concatenate(
        [
            session.run(["logits"], {"image": np.array(i, np.float32).reshape(1, 1, 28, 28)})[0]
            for i in images
        ]
    )
    assert np.abs(expected).max() > 1, "logits that could differ"
    for backend, name in (("webgpu", "WebGPU"), ("wasm", "WASM")):
        async with digits(gpu_browser, webgpu_page_alone, f"?backend={backend}") as page:
            await expect(page.locator(".digits-backend")).to_have_text(name)
            found = np.array(await scores_in(page, images))
        assert np.abs(found - expected).max() < 1e-3, backend


async def test_another_backend_looks_at_the_same_drawing(gpu_browser, webgpu_page_alone):
    async with digits(gpu_browser, webgpu_page_alone, "?backend=webgpu") as page:
        await page.get_by_role("button", name="Draw a 2").click()
        await expect(answer(page)).to_have_text("2", timeout=TIMEOUT)
        await expect(page.locator(".digits-backend")).to_have_text("WebGPU")
        await page.get_by_role("radio", name="WASM").check()
        await expect(page.locator(".digits-backend")).to_have_text("WASM", timeout=TIMEOUT)
        await page.wait_for_selector('.digits[data-state="answered"]', timeout=TIMEOUT)
        await expect(answer(page)).to_have_text("2")


# A hand that is there the moment the model has been asked: from outside, the answer may be first.
CHOOSES_WHILE_THE_MODEL_LOOKS = """(radio) => {
  const part = document.querySelector('.digits');
  new MutationObserver((_, observer) => {
    if (part.dataset.state !== 'looking') return;
    observer.disconnect();
    radio.click();
  }).observe(part, { attributeFilter: ['data-state'] });
}"""


async def test_backend_may_change_while_the_model_is_busy(gpu_browser, webgpu_page_alone):
    async with digits(gpu_browser, webgpu_page_alone, "?backend=webgpu") as page:
        await page.get_by_role("radio", name="WASM").evaluate(CHOOSES_WHILE_THE_MODEL_LOOKS)
        await page.get_by_role("button", name="Draw a 9").click()
        await expect(page.locator(".digits-backend")).to_have_text("WASM", timeout=TIMEOUT)
        await expect(answer(page)).to_have_text("9", timeout=TIMEOUT)
        await expect(page.locator(".notice")).to_have_count(0)


async def test_without_webgpu_the_same_work_is_done_by_wasm(page):
    await expect(page.locator(".digits-backend")).to_have_text("WASM")
    await page.get_by_role("button", name="Draw a 8").click()
    await expect(answer(page)).to_have_text("8", timeout=TIMEOUT)
    await expect(page.locator(".digits-model-time")).to_contain_text("ms")


# ---- Models of one's own ----------------------------------------------------------------------


def write_model(path, *, favourite=7, picture=(1, 1, 28, 28), classes=10):
    """A model that answers the same whatever it sees, in scores that are no probabilities."""
    pixels = math.prod(picture)
    bias = [0.0] * classes
    bias[favourite] = 4.0
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["Input3"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight", "bias"], ["Plus214"]),
        ],
        "always-the-same",
        [helper.make_tensor_value_info("Input3", TensorProto.FLOAT, picture)],
        [helper.make_tensor_value_info("Plus214", TensorProto.FLOAT, [1, classes])],
        [
            helper.make_tensor(
                "weight", TensorProto.FLOAT, [pixels, classes], [0.0] * pixels * classes
            ),
            helper.make_tensor("bias", TensorProto.FLOAT, [classes], bias),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


async def drop(page, path):
    """A file from the desktop, as the browser gets it."""
    await drop_data(page, files=[str(path)])


async def drop_data(page, *, files=(), items=()):
    """What the browser is given by a drag that ends over the page."""
    session = await page.context.new_cdp_session(page)
    data = {"items": list(items), "files": list(files), "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        await session.send(
            "Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 500, "data": data}
        )


async def test_dropped_model_answers_until_the_built_in_one_is_back(page, tmp_path):
    await page.get_by_role("button", name="Draw a 1").click()
    await expect(answer(page)).to_have_text("1", timeout=TIMEOUT)
    await drop(page, write_model(tmp_path / "mine.onnx"))
    await expect(page.locator(".digits-model-name")).to_have_text("mine.onnx", timeout=TIMEOUT)
    await expect(answer(page)).to_have_text("7", timeout=TIMEOUT)
    # softmax of one 4 and nine 0
    await expect(page.locator(".digits-answer-title")).to_have_text("85.8 % sure")
    await page.get_by_role("button", name="Back to the built-in model").click()
    await expect(page.locator(".digits-model-name")).to_have_text("built-in", timeout=TIMEOUT)
    await expect(answer(page)).to_have_text("1", timeout=TIMEOUT)
    await expect(page.get_by_role("button", name="Back to the built-in model")).to_be_hidden()


async def test_chosen_model_answers_on_webgpu(gpu_browser, webgpu_page_alone, tmp_path):
    async with digits(gpu_browser, webgpu_page_alone, "?backend=webgpu") as page:
        await page.get_by_label("Choose a file…").set_input_files(
            write_model(tmp_path / "three.onnx", favourite=3)
        )
        await expect(page.locator(".digits-model-name")).to_have_text("three.onnx", timeout=TIMEOUT)
        await page.get_by_role("button", name="Draw a 0").click()
        await expect(answer(page)).to_have_text("3", timeout=TIMEOUT)


async def test_unfit_files_are_refused_with_the_reason_and_the_model_stays(page, tmp_path):
    text = tmp_path / "letter.onnx"
    text.write_text("Dear model, this is no protobuf.")
    empty = tmp_path / "empty.onnx"
    empty.touch()
    files = {
        text: "letter.onnx is not used. This is not an ONNX model.",
        empty: "empty.onnx is not used. It is empty.",
        write_model(tmp_path / "colour.onnx", picture=(1, 3, 28, 28)): (
            "This model takes “Input3”, float32 [1, 3, 28, 28]."
        ),
        write_model(tmp_path / "letters.onnx", classes=26): (
            "This model gives “Plus214”, float32 [1, 26]."
        ),
    }
    failed = page.locator(".digits-own-failed")
    for path, said in files.items():
        await drop(page, path)
        await expect(failed).to_contain_text(said, timeout=TIMEOUT)
        await expect(page.locator(".digits-model-name")).to_have_text("built-in")
    await page.get_by_role("button", name="Draw a 6").click()
    await expect(answer(page)).to_have_text("6", timeout=TIMEOUT)


async def test_whatever_else_is_dropped_is_refused_in_sight_and_the_page_stays(page, tmp_path):
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    large = tmp_path / "large.onnx"
    with large.open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    folder = tmp_path / "folder"
    folder.mkdir()
    one, two = (write_model(tmp_path / name) for name in ("one.onnx", "two.onnx"))
    text = {"mimeType": "text/plain", "data": "A model, in words."}
    drops = (
        ({"files": [str(picture)]}, "cat.png is not used. This is not an ONNX model."),
        ({"files": [str(large)]}, "large.onnx is not used. It has 65 MB"),
        ({"files": [str(folder)]}, "folder is a folder."),
        ({"files": [str(one), str(two)]}, "2 files were dropped at once."),
        ({"items": [text]}, "What was dropped is no file."),
    )
    address = page.url
    for viewport in ({"width": 1200, "height": 700}, {"width": 360, "height": 640}):
        await page.set_viewport_size(viewport)
        await page.evaluate("scrollTo(0, 0)")
        for dropped, said in drops:
            await drop_data(page, **dropped)
            refused = page.get_by_role("alert").filter(has_text=said)
            await expect(refused).to_be_in_viewport(ratio=1, timeout=TIMEOUT)
            assert page.url == address
            await refused.get_by_role("button", name="Dismiss").click()
            await expect(refused).to_be_hidden()
    await page.get_by_role("button", name="Draw a 6").click()
    await expect(answer(page)).to_have_text("6", timeout=TIMEOUT)


async def test_file_dropped_on_another_part_changes_nothing(page, tmp_path):
    await page.get_by_role("tab", name="Backends").click()
    address = page.url
    await drop(page, write_model(tmp_path / "mine.onnx"))
    assert page.url == address
    await page.get_by_role("tab", name="Digits").click()
    await expect(page.locator(".digits-model-name")).to_have_text("built-in")
    await page.get_by_role("button", name="Draw a 1").click()
    await expect(answer(page)).to_have_text("1", timeout=TIMEOUT)


@pytest.mark.parametrize("part", ["chat", "backends"])
async def test_file_dropped_where_the_digits_were_never_opened_leaves_the_page_open(
    browser, webgpu_page_alone, tmp_path, part
):
    async with open_page(browser, f"{webgpu_page_alone.url}/#{part}") as (page, _):
        await expect(page.locator(f"#{part} h2").first).to_be_visible(timeout=TIMEOUT)
        address = page.url
        await page.evaluate(
            "addEventListener('dragover', (event) => {"
            " window.over = [event.defaultPrevented, event.dataTransfer.dropEffect] })"
        )
        await drop(page, write_model(tmp_path / "mine.onnx"))
        await page.wait_for_function("window.over")
        assert await page.evaluate("window.over") == [True, "none"]
        assert page.url == address


async def test_built_in_model_that_cannot_be_fetched_is_said_and_tried_again(
    browser, webgpu_page_alone
):
    async with open_page(browser, "about:blank") as (page, _):
        await page.context.route("**/digits.onnx", lambda route: route.abort())
        await page.goto(webgpu_page_alone.url)
        notice = page.locator(".notice").filter(has_text="digits.onnx could not be fetched")
        await expect(notice).to_be_visible(timeout=TIMEOUT)
        await page.get_by_role("button", name="Draw a 3").click()  # the page is not dead
        await page.context.unroute_all()
        await notice.get_by_role("button", name="Try again").click()
        await expect(answer(page)).to_have_text("3", timeout=TIMEOUT)
