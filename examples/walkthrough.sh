#!/bin/sh
# One return over HTTP, call by call, against a running service:
#   RECOUP_HOME=.recoup sh examples/walkthrough.sh http://127.0.0.1:3000
# It reads the keys that the first local start made; docs/orchestrators.md says what each step is for.
set -eu
url=${1:-http://127.0.0.1:3000}
keys=${RECOUP_HOME:-.recoup}/keys
orchestrator=$(cat "$keys/orchestrator")
auditor=$(cat "$keys/auditor")
line=${2:-RMA-$(date +%s)}/1
answer=$(mktemp)
head=$(mktemp)
trap 'rm -f "$answer" "$head"' EXIT

# call KEY METHOD PATH [curl options]: prints the status; the body is then in $answer, the headers in $head.
call() {
    key=$1 method=$2 path=$3
    shift 3
    curl --silent --show-error --request "$method" "$url$path" --output "$answer" --dump-header "$head" \
        --header "Authorization: Bearer $key" --header "Content-Type: application/json" \
        --write-out '%{http_code}' "$@"
}
# first NAME: the first value of that name in the answer; programs use a JSON parser.
first() { tr ',{' '\n\n' <"$answer" | sed -n "s/^ *\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }
want() { [ "$1" = "$2" ] || { echo "expected $2, got $1: $(cat "$answer")" >&2; exit 1; }; }

request='{"return_line_id": "'$line'", "stage": "AUTHORIZATION", "requested_at": "2026-11-20T10:00:00Z",
  "requested_by": "agent:17", "site": "DAL1", "region": "US-SOUTH", "quantity": 1, "customer": {"id": "C-77"},
  "item": {"sku": "DRL-18V", "family": "power_tools", "regulatory_classes": ["NONE"]},
  "sale": {"order_number": "SO-'$line'", "sold_at": "2026-10-30T00:00:00Z", "channel": "online",
           "price_paid": "650.00", "quantity": 1},
  "reason": "DEFECTIVE", "credit_requested": {"amount": "650.00", "currency": "USD"}}'

echo "1  the site is known"
status=$(call "$orchestrator" PUT /v1/reference/sites/DAL1 --data '{"region": "US-SOUTH"}')
case $status in 200 | 201) ;; *) want "$status" 200 ;; esac

echo "2  the line is triaged"
want "$(call "$orchestrator" POST /v1/recommendations --header "Idempotency-Key: $line:auth" --data "$request")" 201
recommendation=$(first id) status=$(first status)
approvals=$(grep -o 'apr_[A-Za-z0-9_-]*' "$answer" | sort -u)
echo "   $recommendation is $status, waiting for" $approvals

echo "3  a retry with the same key gets the same answer"
want "$(call "$orchestrator" POST /v1/recommendations --header "Idempotency-Key: $line:auth" --data "$request")" 201
want "$(first id)" "$recommendation"

echo "4  the same line under another key is the same recommendation, never a second credit"
want "$(call "$orchestrator" POST /v1/recommendations --header "Idempotency-Key: $line:again" --data "$request")" 200
want "$(first id)" "$recommendation"

echo "5  the requester may not approve"
want "$(call "$orchestrator" POST "/v1/approvals/${approvals%%[!A-Za-z0-9_-]*}/votes" --header "Idempotency-Key: $line:own" \
    --header 'If-Match: "x"' --data '{"vote": "approve"}')" 403

echo "6  everyone who is asked reads their approval and votes on what was read"
for approval in $approvals; do
    want "$(call "$auditor" GET "/v1/approvals/$approval")" 200
    role=$(grep -o '"roles": *\["[a-z_]*' "$answer" | head -n 1 | sed 's/.*"//')
    voter=$(cat "$keys/$role")
    want "$(call "$voter" GET "/v1/approvals/$approval")" 200
    etag=$(sed -n 's/^[Ee][Tt]ag: *\(.*\)$/\1/p' "$head" | tr -d '\r')
    want "$(call "$voter" POST "/v1/approvals/$approval/votes" --header "Idempotency-Key: $approval:vote" \
        --header "If-Match: $etag" --data '{"vote": "approve", "comment": "seen"}')" 201
    echo "   $role: $(first rule)"
done

echo "7  what happened is told, twice: the second time changes nothing"
event='{"specversion": "1.0", "id": "'$line':receipt", "source": "wms", "type": "returns.receipt.confirmed.v1",
  "subject": "'$line'", "time": "2026-11-23T15:04:05Z", "data": {"actor": "emp:6"}}'
want "$(call "$orchestrator" POST /v1/events --header "Idempotency-Key: $line:event" --data "$event")" 202
want "$(call "$orchestrator" POST /v1/events --header "Idempotency-Key: $line:event2" --data "$event")" 202

echo "8  the recommendation as it stands now"
want "$(call "$orchestrator" GET "/v1/recommendations/$recommendation")" 200
echo "   $(first status)"
