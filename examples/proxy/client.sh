#!/usr/bin/env bash
# Asks a native vendor through the proxy with curl: whole, and streamed.
# OPENAI_BASE_URL=http://127.0.0.1:4001/v1 OPENAI_API_KEY=<a key of the proxy> bash examples/proxy/client.sh
set -euo pipefail
ask() {
  curl --silent --show-error --fail-with-body --no-buffer "$OPENAI_BASE_URL/chat/completions" \
    --header "Authorization: Bearer $OPENAI_API_KEY" --header "Content-Type: application/json" --data "$1"
  echo
}
ask '{"model": "glm", "messages": [{"role": "user", "content": "北京天气？"}]}'
ask '{"model": "glm", "messages": [{"role": "user", "content": "北京天气？"}], "stream": true}'
