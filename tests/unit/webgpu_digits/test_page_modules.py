"""The small rules of the digits part: models that fit, what numbers mean, how strokes are drawn."""

import math

import pytest

PICTURE = {"name": "x", "isTensor": True, "type": "float32", "shape": [1, 1, 28, 28]}
TEN = {"name": "y", "isTensor": True, "type": "float32", "shape": [1, 10]}


@pytest.fixture
def check_ports(run_module):
    def check(inputs, outputs):
        return run_module(
            "digits/contract.js",
            "(() => { try { return m.checkPorts(given.inputs, given.outputs) }"
            " catch (error) { return [error.name, error.message, error.remedy] } })()",
            {"inputs": inputs, "outputs": outputs},
        )

    return check


@pytest.mark.parametrize(
    ("picture", "ten"),
    [
        pytest.param(PICTURE, TEN, id="the contract"),
        pytest.param({**PICTURE, "shape": ["batch", 1, 28, 28]}, TEN, id="a named batch"),
        pytest.param(PICTURE, {**TEN, "shape": ["batch", 10]}, id="a named batch out"),
        pytest.param(PICTURE, {**TEN, "shape": [10]}, id="ten without a batch"),
        pytest.param(PICTURE, {**TEN, "shape": [-1, 10]}, id="an unknown size"),
    ],
)
def test_names_do_not_matter_and_free_dimensions_fit(check_ports, picture, ten):
    assert check_ports([picture], [ten]) == "y"


def test_of_several_outputs_the_probabilities_are_used(check_ports):
    other = {**TEN, "name": "hidden", "shape": [1, 32]}
    scores, answer = {**TEN, "name": "logits"}, {**TEN, "name": "probabilities"}
    assert check_ports([PICTURE], [other, scores, answer]) == "probabilities"
    assert check_ports([PICTURE], [other, scores]) == "logits"


@pytest.mark.parametrize(
    ("picture", "ten", "said"),
    [
        ({**PICTURE, "shape": [1, 3, 224, 224]}, TEN, "takes “x”, float32 [1, 3, 224, 224]"),
        ({**PICTURE, "type": "uint8"}, TEN, "takes “x”, uint8 [1, 1, 28, 28]"),
        ({**PICTURE, "shape": [1, 784]}, TEN, "takes “x”, float32 [1, 784]"),
        (PICTURE, {**TEN, "shape": [1, 26]}, "gives “y”, float32 [1, 26]"),
        (PICTURE, {**TEN, "type": "int64"}, "gives “y”, int64 [1, 10]"),
        (PICTURE, {"name": "y", "isTensor": False}, "gives “y”, no tensor"),
    ],
)
def test_other_shapes_are_refused_with_what_was_found_and_what_is_needed(
    check_ports, picture, ten, said
):
    name, message, remedy = check_ports([picture], [ten])
    assert name == "PageError"
    assert said in message
    assert "float32 [1, 1, 28, 28]" in remedy


def test_two_inputs_are_refused(check_ports):
    _, message, _ = check_ports([PICTURE, {**PICTURE, "name": "mask"}], [TEN])
    assert "“x”" in message
    assert "“mask”" in message


@pytest.mark.parametrize(("size", "said"), [(0, "is empty"), (64 * 1024**2 + 1, "64 MB")])
def test_files_of_no_or_too_great_size_are_not_read(run_module, size, said):
    message = run_module(
        "digits/contract.js",
        "(() => { try { m.checkFile(given) } catch (error) { return error.message } })()",
        {"name": "a.onnx", "size": size},
    )
    assert said in message


def test_probabilities_stay_and_scores_become_them(run_module):
    def shares(values):
        return run_module("digits/outputs.js", "m.probabilities(given)", values)

    sure = [0.0] * 9 + [1.0]
    assert shares(sure) == sure
    scores = [-2.0, 0.0, 5.0, 1000.0, 999.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    result = shares(scores)
    assert sum(result) == pytest.approx(1)
    assert result[3] == pytest.approx(1 / (1 + math.exp(-1)))
    # Ten scores that happen to add up to one are scores still, where one is negative.
    assert shares([2.0, -1.0] + [0.0] * 8)[0] == pytest.approx(
        math.exp(2) / (math.exp(2) + math.exp(-1) + 8)
    )


@pytest.mark.parametrize(
    ("share", "text"),
    [(1, "100.0 %"), (0.9999, "> 99.9 %"), (0.982, "98.2 %"), (0.0004, "< 0.1 %"), (0, "0.0 %")],
)
def test_percentages_never_claim_more_than_they_know(run_module, share, text):
    assert run_module("digits/outputs.js", "m.percent(given)", share) == text.replace(
        " ", "\N{NO-BREAK SPACE}"
    )


def test_each_sample_is_a_drawing_inside_the_area(run_module):
    samples = run_module(
        "digits/samples.js", "[0,1,2,3,4,5,6,7,8,9].map((digit) => m.sample(digit))"
    )
    assert len(samples) == 10
    for strokes in samples:
        points = [point for stroke in strokes for point in stroke]
        assert len(points) > 5
        assert all(0.1 < point["x"] < 0.9 and 0.1 < point["y"] < 0.9 for point in points)


def test_undo_takes_back_one_stroke_and_points_stay_inside(run_module):
    strokes = run_module(
        "digits/sketch.js",
        "(() => { const sketch = new m.Sketch();"
        " sketch.begin({x: 0.1, y: 0.1}); sketch.extend({x: 0.5, y: 1.7});"
        " sketch.begin({x: 0.9, y: 0.9}); sketch.undo(); return sketch.strokes })()",
    )
    assert strokes == [[{"x": 0.1, "y": 0.1}, {"x": 0.5, "y": 1}]]


def test_a_tap_draws_a_dot(run_module):
    calls = run_module(
        "digits/sketch.js",
        "(() => { const calls = [];"
        " const pen = new Proxy({}, { get: (_, name) => (...at) => calls.push([name, ...at]),"
        " set: () => true });"
        " m.draw(pen, [[{x: 0.5, y: 0.5}]], 100); return calls })()",
    )
    assert calls == [["beginPath"], ["moveTo", 50, 50], ["lineTo", 50, 50], ["stroke"]]
