"""What Foundry Local really said of broken models, on 2.2.1 and 1.2.4, and what is read from it."""

# ruff: noqa: E501 - the words are kept as they were said
from __future__ import annotations

import pytest

from foundry_common.runtime_words import LOAD_FAULTS, load_fault, plain
from support.sentences import complaints

CACHE = "/data/models/local/mine-generic-cpu"
INSTANCE = (
    "genai_model_instance.cc:204 fl::GenAIModelInstance::GenAIModelInstance(std::string, "
    "std::string, fl::GenAIConfig, fl::ExecutionProvider, fl::ILogger&) failed to load model "
    "mine-generic-cpu:1: "
)
PREPROCESSOR = (
    INSTANCE + "preprocessor.cc:32 static std::unique_ptr<fl::Preprocessor> "
    "fl::Preprocessor::Create(OgaModel&, bool) failed to create tokenizer: "
)
GRAPH = (
    f"{INSTANCE}Load model from {CACHE}/model.onnx failed:/onnxruntime_src/onnxruntime/core/graph/"
    "model.cc:256 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, "
    "const onnxruntime::IOnnxRuntimeOpSchemaRegistryList*, const onnxruntime::logging::Logger&, "
    "const onnxruntime::ModelOptions&) "
)
DOTNET = (
    "Failed to load model mine-generic-cpu:1: Error: "
    "Microsoft.ML.OnnxRuntimeGenAI.OnnxRuntimeGenAIException: "
)
STACK = (
    "\n   at Microsoft.ML.OnnxRuntimeGenAI.Result.VerifySuccess(IntPtr) + 0x49"
    "\n   at Microsoft.ML.OnnxRuntimeGenAI.Model..ctor(Config) + 0x20"
)
SAID = [
    ("permission", f"{INSTANCE}Load model from {CACHE}/model.onnx failed:system error number 13"),
    (
        "permission",
        (
            f'{INSTANCE}Deserialize tensor model.norm.weight failed.open file "{CACHE}/model.onnx.data"'
            " failed: Permission denied"
        ),
    ),
    (
        "missing",
        (
            f"{INSTANCE}Load model from {CACHE}/model.onnx failed:Load model {CACHE}/model.onnx failed."
            " File doesn't exist"
        ),
    ),
    ("missing", f"{PREPROCESSOR}{CACHE}/tokenizer.json: does not exist."),
    (
        "missing",
        (
            f"{INSTANCE}External data path validation failed for initializer: model.embed_tokens.weight"
            '. Error: External data path escapes model directory. External data path: "model.onnx.data"'
            f' resolved path: "{CACHE}/model.onnx.data" allowed directory: "/models/mine"'
        ),
    ),
    ("damaged", f"{INSTANCE}Load model from {CACHE}/model.onnx failed:Protobuf parsing failed."),
    (
        "damaged",
        f"{INSTANCE}Load model from {CACHE}/model.onnx failed:No graph was found in the protobuf.",
    ),
    (
        "damaged",
        (
            f"{INSTANCE}Deserialize tensor w_Q8 failed.tensorprotoutils.cc:1876 "
            "GetExtDataFromTensorProto External initializer: w_Q8 offset: 1911296 size to read: 49152 "
            "given file_length: 1268992 are out of bounds or can not be read in full."
        ),
    ),
    ("unsupported", f"{INSTANCE}Unsupported model_type in config.json: frobnicate"),
    ("unsupported", f"{GRAPH}Unsupported model IR version: 127, max supported IR version: 13\n"),
    (
        "settings",
        (
            f"{INSTANCE}Error encountered while parsing '{CACHE}/genai_config.json' JSON Error: model: "
            'Unknown value "frobnicate" at line 1 index 825'
        ),
    ),
    (
        "settings",
        (
            f"{PREPROCESSOR}[json.exception.parse_error.101] parse error at line 1, column 6: syntax "
            "error while parsing value - unexpected end of input; expected '[', '{', or a literal"
        ),
    ),
    ("settings", f"{PREPROCESSOR}Failed to parse config json."),
    (
        "provider",
        (
            "model_load_manager.cc:228 fl::ModelLoadManager::LoadResult fl::ModelLoadManager::LoadModel"
            "(std::string_view, std::string_view, fl::ExecutionProvider) model 'mine-generic-gpu:1' "
            "requires CUDAExecutionProvider which is not registered. Call DownloadAndRegisterEps() "
            "first."
        ),
    ),
    (
        "provider",
        (
            f"{INSTANCE}Unknown provider name 'frob'. Currently supported values are "
            "'DML'/'DmlExecutionProvider', and 'CPU'/'CPUExecutionProvider'."
        ),
    ),
    (
        "provider",
        (
            f"{DOTNET}Cuda interface not available: Failed to load library: libcublasLt.so.12: cannot "
            f"open shared object file: No such file or directory{STACK}"
        ),
    ),
    (
        "damaged",
        f"{DOTNET}Load model from {CACHE}/model.onnx failed:Protobuf parsing failed.{STACK}",
    ),
    ("unsupported", f"{DOTNET}Unsupported model_type in config.json: frobnicate{STACK}"),
    ("settings", f"{DOTNET}Failed to parse config json.{STACK}"),
    ("memory", f"{INSTANCE}std::bad_alloc"),
    ("memory", f"{INSTANCE}Failed to allocate memory for requested buffer of size 1073741824"),
    ("memory", f"{INSTANCE}CUDA failure 2: out of memory"),
    ("unknown", ""),
    ("unknown", f"{INSTANCE}something that nobody has seen yet"),
]


@pytest.mark.parametrize(("kind", "words"), SAID)
def test_why_a_model_was_not_loaded_is_read_from_the_runtimes_words(kind: str, words: str) -> None:
    assert load_fault(words) == kind
    # As it comes through the gateway: on one line, and cut.
    assert load_fault(f"Load failed: {' '.join(words.split())}"[:1000]) == kind


def test_each_kind_has_been_heard() -> None:
    assert {kind for kind, _ in SAID} == set(LOAD_FAULTS)


@pytest.mark.parametrize("words", [words for _, words in SAID if words])
def test_no_signature_stack_or_path_of_the_runtimes_is_shown(words: str) -> None:
    shown = plain(words)
    assert CACHE not in shown
    assert complaints(f"Foundry Local failed: {shown}.") == []


@pytest.mark.parametrize(
    ("native", "message"),
    [
        (
            (
                "http_client.cc:304 std::string fl::http::Retry(const std::function<Attempt()>&, int) "
                "const operation failed (4 attempts)."
            ),
            "operation failed (4 attempts)",
        ),
        ("model.cc:530 void fl::Model::Load(fl::Provider) model not found: ", "model not found:"),
        ("plain words (in brackets) stay.", "plain words (in brackets) stay"),
        ("a.cc:1 no signature", "no signature"),
        ("a.cc:1 no signature (but brackets) here", "no signature (but brackets) here"),
        ("x.cc:9 void a::b(int) one: y.h:7 void c::d(e(f)) two", "one: two"),
        (
            (
                "Invalid request: search_options.cc:108 int fl::Validate(int64_t, int) request requires"
                " 20 tokens"
            ),
            "Invalid request: request requires 20 tokens",
        ),
        ("top_p must be between 0.0 and 1.0", "top_p must be between 0.0 and 1.0"),
        (
            "see http://localhost:51211/v1/models for more",
            "see http://localhost:51211/v1/models for more",
        ),
        (
            "x.cc:9 T a::b(const c&) const::<lambda(std::string, std::string)> stop must not be empty",
            "stop must not be empty",
        ),
        ("broken.cc:1 void f(", ""),
        ("", ""),
        ("long " * 100, "long " * 30 + "long…"),
    ],
)
def test_the_runtimes_signatures_are_not_shown_to_people(native: str, message: str) -> None:
    assert plain(native) == message
