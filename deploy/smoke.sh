#!/usr/bin/env bash
# Asks a running service with the bundled models one question of each kind: BASE_URL=http://host:8000 deploy/smoke.sh
# Exits with 1 at the first answer that is not one. Needs bash and curl.
set -euo pipefail
url=${BASE_URL:-http://127.0.0.1:8000}

# ask ROUTE FIELD BODY: posts the body and wants the field in the answer
ask() {
  local answer
  answer=$(curl -sS --fail-with-body --max-time 30 "$url$1" -d "$3") || { echo "$1 failed: $answer" >&2; exit 1; }
  [[ $answer == *"\"$2\""* ]] || { echo "$1 answered without \"$2\": $answer" >&2; exit 1; }
  echo "$1: ${answer:0:200}"
}

# repeat TEXT COUNT: the text so many times, with commas between
repeat() {
  local all
  all=$(printf "$1,%.0s" $(seq "$2"))
  echo "${all%,}"
}

day=0.6,0.5,0.5,0.5,0.5,0.6,0.9,1.2,1.0,0.8,0.7,0.7,0.8,0.7,0.7,0.8,1.1,1.6,1.9,1.8,1.6,1.3,1.0,0.7
prices=$(seq -s, 101 180)
past="\"Open\": [$prices], \"High\": [$(seq -s, 102 181)], \"Low\": [$(seq -s, 100 179)], \"Volume\": [$(repeat 3000000 80)]"
blank="[$(repeat 0 28)]"
stroke="[$(repeat 0 13),254,254,$(repeat 0 13)]"
image="[$(repeat "$blank" 4),$(repeat "$stroke" 20),$(repeat "$blank" 4)]"

ask /v1/models/energy-load/forecast point "{\"series\": [{\"start\": \"2026-01-05T00:00:00\", \"values\": [$(repeat "$day" 7)]}], \"horizon\": 24}"
ask /v1/models/share-price/forecast point "{\"series\": [{\"start\": \"2026-01-05\", \"values\": [$prices], \"past\": {$past}}]}"
ask /v1/models/next-word-en/next-word suggestions '{"text": "the old prince looked at "}'
ask /v1/models/next-word-ko/next-word suggestions '{"text": "정말 재미있는 영"}'
ask /v1/models/digit-rows/classify label "{\"sequences\": [$image]}"
ask /v1/models/next-word-en:predict predictions '{"instances": ["the old prince looked at "]}'
