# Open WebUI's release from PyPI in the layout of its own image: its code beside its pages below /app,
# packages in the system's Python, root for a user, and the variables that its image sets.
ARG PACKAGES=foundry-chat-lookalike/open-webui-packages
ARG BASE=foundry-chat-lookalike/python:3.11
FROM ${PACKAGES} AS packages
RUN mkdir /app && cd /opt/venv/lib/python3*/site-packages \
 && mkdir /app/backend && mv open_webui /app/backend/open_webui \
 && mv /app/backend/open_webui/frontend /app/build \
 && if [ -f /app/backend/open_webui/CHANGELOG.md ]; then cp /app/backend/open_webui/CHANGELOG.md /app/; fi \
 && printf '{"version": "%s"}\n' "$(/opt/venv/bin/pip list --format freeze 2> /dev/null | sed -n 's/^open.webui==//p')" > /app/package.json \
 && find . /app -name '*.pyc' -delete \
 && mv "$PWD" /site-packages

FROM ${BASE}
ENV ENV=prod PORT=8080 USE_OLLAMA_DOCKER=false USE_CUDA_DOCKER=false \
    OLLAMA_BASE_URL=/ollama OPENAI_API_BASE_URL= OPENAI_API_KEY= WEBUI_SECRET_KEY= \
    SCARF_NO_ANALYTICS=true DO_NOT_TRACK=true ANONYMIZED_TELEMETRY=false \
    WHISPER_MODEL=base WHISPER_MODEL_DIR=/app/backend/data/cache/whisper/models \
    RAG_EMBEDDING_MODEL=sentence-transformers/all-MiniLM-L6-v2 RAG_RERANKING_MODEL= \
    SENTENCE_TRANSFORMERS_HOME=/app/backend/data/cache/embedding/models \
    TIKTOKEN_ENCODING_NAME=cl100k_base TIKTOKEN_CACHE_DIR=/app/backend/data/cache/tiktoken \
    HF_HOME=/app/backend/data/cache/embedding/models HOME=/root DOCKER=true \
    WEBUI_BUILD_VERSION=lookalike
WORKDIR /app/backend
COPY --from=packages /site-packages /usr/local/lib/python3.11/site-packages
COPY --from=packages /app /app
RUN printf '#!/usr/bin/env bash\nexec python3 -m uvicorn open_webui.main:app --host 0.0.0.0\n' > start.sh
USER 0:0
EXPOSE 8080
CMD ["bash", "start.sh"]
